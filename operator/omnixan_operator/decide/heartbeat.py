"""Whether an agent is alive, judged by when the operator saw its Lease change, never by comparing two wall clocks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Pulse(Enum):
    """What the Lease says."""

    NONE = "none"
    """There is no Lease."""
    FRESH = "fresh"
    """It was seen to change within its duration."""
    LOST = "lost"
    """It was not."""
    UNKNOWN = "unknown"
    """It has been here since the operator started, less than its duration ago, and has not changed since."""


@dataclass(frozen=True)
class Beat:
    """A Lease's renewTime, and when (on the operator's monotonic clock) it was first seen."""

    renew_time: str
    seen: float
    witnessed: bool
    """Whether the change was seen to happen; False if it was there when the operator started."""


def beat(last: Beat | None, renew_time: str, now: float, started: bool) -> Beat:
    """The next beat out of the last one and the Lease as it is now."""
    if last is not None and last.renew_time == renew_time:
        return last
    return Beat(renew_time, now, witnessed=started or last is not None)


def pulse(last: Beat | None, duration: float, now: float) -> Pulse:
    """What `last` says at `now` about a Lease that lasts `duration` seconds."""
    if last is None:
        return Pulse.NONE
    if now >= last.seen + duration:
        return Pulse.LOST
    return Pulse.FRESH if last.witnessed else Pulse.UNKNOWN


def expires_in(last: Beat | None, duration: float, now: float) -> float | None:
    """Seconds until the pulse is lost; None if there is none or it is lost already."""
    if last is None or now >= last.seen + duration:
        return None
    return last.seen + duration - now
