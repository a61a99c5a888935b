"""What a reader of the log gets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A payload, the position at which it was appended, and the one to go on reading from."""

    position: int
    next_position: int
    payload: bytes
