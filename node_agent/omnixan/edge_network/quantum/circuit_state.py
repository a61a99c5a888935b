"""How the state of a circuit on its way is kept: the steps that it has behind it (8 bytes, little-endian), its amplitudes.

The standard library only: the agent's main process reads the steps, and has no use for the amplitudes.
"""

from __future__ import annotations

HEAD = 8


def pack(steps: int, amplitudes: bytes) -> bytes:
    """Return a state as it is kept."""
    return steps.to_bytes(HEAD, "little") + amplitudes


def steps_of(kept: bytes) -> int:
    """Return how many steps a kept state has behind it."""
    return int.from_bytes(kept[:HEAD], "little")
