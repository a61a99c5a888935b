"""What a pool wastes, in three figures; a pure function of its state. See docs/memory-pooling.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolState:
    """Bytes of a pool at one moment.

    `free` can be had in one request or several, `largest` is the largest request that would succeed; `requested` was asked
    for by the leases that live, `granted` is what they got; `resident` is the physical memory behind the whole pool.
    """

    free: int
    largest: int
    requested: int
    granted: int
    resident: int


@dataclass(frozen=True, slots=True)
class Fragmentation:
    """Three shares: external and internal from 0 to 1, overhead from 0 up (1: twice the memory that is in use)."""

    external: float
    internal: float
    overhead: float


def fragmentation(state: PoolState) -> Fragmentation:
    """external = 1 − largest/free, internal = 1 − requested/granted, overhead = resident/requested − 1.

    0 where the divisor is 0: nothing is free that could be scattered, nothing lives that could be compared with. Overhead
    is not below 0 (granted memory that was never touched is not resident).
    """
    return Fragmentation(
        external=1 - state.largest / state.free if state.free else 0.0,
        internal=1 - state.requested / state.granted if state.granted else 0.0,
        overhead=max(0.0, state.resident / state.requested - 1) if state.requested else 0.0,
    )
