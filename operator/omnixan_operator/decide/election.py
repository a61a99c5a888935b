"""Who leads: one holder of a Lease. Pure; the caller's own steady clock is the only clock.

The Lease's times are never compared with a clock here: two machines' clocks differ. A candidate notes *when it saw* a
record for the first time; a record that did not change for a whole duration since then belongs to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DURATION = 15.0
"""Seconds for which a renewal holds, for the leader and for those who wait for its end."""
RENEW = 4.0
"""Seconds between renewals of a leader, and for one of them at most."""
LOOK = 1.0
"""Seconds between looks of a standby: by so much later it notices a renewal, and waits longer for its end."""
RETRY = 1.0
"""Seconds between tries while a renewal fails."""
MARGIN = 3.0
"""Seconds by which the leader stops writing before others may take over: clocks run at slightly different speeds, and a
request takes a moment to arrive."""


@dataclass(frozen=True)
class Record:
    """The Lease as it was read."""

    holder: str
    renewed: str
    """spec.renewTime, as text: only whether it changed matters."""
    duration: float
    """spec.leaseDurationSeconds: the holder's promise counts, not the reader's."""
    transitions: int
    version: str
    """metadata.resourceVersion: whoever writes first wins."""


@dataclass(frozen=True)
class Sighting:
    """A record and when, on the own clock, it was first seen."""

    record: Record
    seen: float


class Move(Enum):
    """What to do now."""

    CREATE = "create"
    """There is no Lease."""
    TAKE = "take"
    """It was released, or it ran out."""
    RENEW = "renew"
    """It is ours."""
    STAND_BY = "stand by"
    """Somebody else holds it."""


def sight(last: Sighting | None, record: Record | None, now: float) -> Sighting | None:
    """The sighting after `record` was read at `now`: an unchanged record keeps the time it was first seen at."""
    if record is None:
        return None
    if last is not None and _holding(last.record) == _holding(record):
        return Sighting(record, last.seen)
    return Sighting(record, now)


def _holding(record: Record) -> tuple[str, str, int]:
    return record.holder, record.renewed, record.transitions


def next_move(sighting: Sighting | None, me: str, now: float) -> Move:
    """What the candidate `me` does at `now`."""
    if sighting is None:
        return Move.CREATE
    record = sighting.record
    if record.holder == me:
        return Move.RENEW
    if not record.holder or now >= sighting.seen + record.duration:
        return Move.TAKE
    return Move.STAND_BY


def may_write_until(sent: float) -> float:
    """Until when a leader may write whose last accepted renewal was *sent* at `sent`."""
    return sent + DURATION - MARGIN
