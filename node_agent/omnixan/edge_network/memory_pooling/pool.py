"""`MemoryPooling`: memory that is kept, given out again in microseconds, and zeroed before it changes tenant."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from omnixan.edge_network.memory_pooling import kernel
from omnixan.edge_network.memory_pooling.arena import Arena
from omnixan.edge_network.memory_pooling.buffer import Buffer
from omnixan.edge_network.memory_pooling.cgroup import MemoryLimits
from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.memory_pooling.errors import (
    BadRequest,
    DoubleRelease,
    KernelLacks,
    PoolClosed,
    PoolExhausted,
    PoolTooLarge,
)
from omnixan.edge_network.memory_pooling.fragmentation import PoolState, fragmentation
from omnixan.edge_network.memory_pooling.kernel import PAGE
from omnixan.edge_network.memory_pooling.segment import Segment
from omnixan.edge_network.memory_pooling.slab import Slab

TENANT: Final = "default"
"""Whose buffers are that name no tenant."""

STRATEGIES: Final = ("LRU",)
SMALLEST_BLOCK: Final = 64 << 10
CHECK_SECONDS: Final = 0.25
"""How often, at most, the control group's usage is looked at while buffers come and go."""
CHECK_PAGES: Final = (64 << 20) // PAGE
"""It is also looked at when so much new memory was granted."""
ROOM: Final = 0.1
"""The share of a limit that is kept free: when there is less, memory that nobody uses goes back to the kernel."""

_pools: weakref.WeakSet[MemoryPooling] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool at one moment; bytes, counts since it was made, and the shares of docs/memory-pooling.md."""

    pool_bytes: int
    used_bytes: int
    """Granted to leases, to segments, and to released buffers that somebody still looks at."""
    free_bytes: int
    largest_bytes: int
    """The largest request that succeeds."""
    idle_bytes: int
    """Memory that is kept for the next request; a part of the free bytes."""
    requested_bytes: int
    resident_bytes: int
    external: float
    internal: float
    overhead: float
    leases: int
    hits: int
    """Requests answered with a range that the same tenant had before."""
    misses: int
    stitched: int
    """Ranges mapped out of several pieces."""
    trimmed_bytes: int
    circuits: int
    circuit_bytes: int
    circuit_hits: int
    circuit_misses: int


class MemoryPooling:
    """A pool of `pool_size` bytes in blocks of `block_size` ("64MB", "64Mi", bytes; a power of two); for several threads.

    Any request of at most `stats().free_bytes` succeeds, whatever lies between the free pages: they are stitched into one
    range. Released memory stays with its tenant, and is given up `reuse_strategy` "LRU" first when others need it. With
    `quantum_circuits`, `circuits` remembers compiled circuits within `circuit_bytes`. Memory comes from the kernel when it
    is first used and goes back when the control group's usage nears its limit; `trim_threshold` bytes are all that is kept
    idle otherwise (None: no bound). `limits` is where the limits are read.

    Raises `BadRequest` for values that cannot be, `PoolTooLarge`, `KernelLacks`.
    """

    circuits: CircuitCache[Any] | None

    def __init__(
        self,
        pool_size: int | str = "4GB",
        block_size: int | str = "64MB",
        reuse_strategy: str = "LRU",
        quantum_circuits: bool = True,
        *,
        trim_threshold: int | str | None = None,
        circuit_bytes: int | str = "32MB",
        limits: MemoryLimits | None = None,
    ) -> None:
        block = _size("block_size", block_size)
        if block < SMALLEST_BLOCK or block & (block - 1):
            raise BadRequest(f"block_size={block_size!r}: {block} bytes", f"use a power of two from {SMALLEST_BLOCK} on")
        self.pool_bytes, self.block_bytes = _size("pool_size", pool_size), block
        if self.pool_bytes < block or self.pool_bytes % block:
            raise BadRequest(
                f"pool_size={pool_size!r}: {self.pool_bytes} bytes is no whole number of blocks of {block}",
                f"use {max(1, round(self.pool_bytes / block)) * block}, or another block_size",
            )
        if reuse_strategy not in STRATEGIES:
            raise BadRequest(f"reuse_strategy={reuse_strategy!r}", f"use one of {', '.join(STRATEGIES)}")
        if os.sysconf("SC_PAGE_SIZE") > PAGE:
            raise KernelLacks(f"pages of {os.sysconf('SC_PAGE_SIZE')} bytes", f"run on a kernel with pages of {PAGE}")
        self._limits = MemoryLimits() if limits is None else limits
        _check_fits(self.pool_bytes, self._limits)
        self._trim_pages = None if trim_threshold is None else _size("trim_threshold", trim_threshold) // PAGE
        self.circuits = CircuitCache(_size("circuit_bytes", circuit_bytes)) if quantum_circuits else None
        self._arena = Arena(self.pool_bytes // block, (block // PAGE).bit_length() - 1)
        self._idle = self._arena.idle
        self._new_lock()
        self._live: dict[Slab, Buffer] = {}
        self._segments: dict[int, Segment] = {}
        self._pinned: deque[Slab] = deque()
        self._swept = 64
        self._closed, self._simple = "", self._trim_pages is None
        self._leases = self._misses = self._trimmed = 0
        self._next_check = 0.0
        self._checked_at = 0
        kernel.Memfd("omnixan-probe", PAGE)  # a kernel without memfd refuses here, and not in the middle of a job
        _pools.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def acquire(self, size: int | str, *, tenant: str = TENANT, zero: bool = False, fill: bool = False) -> Buffer:
        """A buffer of `size` bytes for `tenant`. With `zero` it holds zeros, else zeros or the tenant's own old bytes.

        `fill` says that all of it is about to be written: memory that must be new is then there at once, for a third of what
        a fault a page takes. Otherwise only what is touched gets memory.
        Raises `PoolExhausted` if less is free, `BadRequest`, `PoolClosed`.
        """
        if type(size) is not int:
            size = _size("size", size)
        if size <= 0:
            raise BadRequest(f"size={size!r}", "ask for at least one byte")
        pages = (size + PAGE - 1) // PAGE
        buffer = Buffer()
        buffer._pool, buffer.nbytes = self, size
        self._enter()  # half of what `with self._lock` takes
        try:
            if self._pinned:
                self._sweep(8)
            slab = self._idle.pop((tenant, pages)) or self._grant(tenant, pages, fill)
            slab.generation = buffer._generation = slab.generation + 1
            buffer._slab = slab
            self._live[slab] = buffer
        finally:
            self._leave()
        if zero:
            kernel.zero(slab.address, pages * PAGE)
        return buffer

    def lease(self, size: int | str, *, tenant: str = TENANT, zero: bool = False, fill: bool = False) -> Buffer:
        """As `acquire`, for `with`: `with pool.lease(size) as buffer: …` releases at the end of the block."""
        return self.acquire(size, tenant=tenant, zero=zero, fill=fill)

    def release(self, buffer: Buffer) -> None:
        """End a lease. The memory stays with its tenant, and is given to nobody while views of it live.

        Raises `DoubleRelease`, and `BadRequest` for another pool's buffer.
        """
        if buffer._pool is not self:
            raise BadRequest("buffer belongs to another pool", "release it there")
        slab = buffer._slab
        self._enter()
        try:
            if slab.generation != buffer._generation:
                raise DoubleRelease(
                    f"this buffer of {buffer.nbytes} bytes (generation {buffer._generation}) was released before",
                    "release a buffer once",
                )
            if self._simple and (slab.views is None or not slab.seen):
                del self._live[slab]  # what `_end` comes to, in less time
                slab.generation += 1
                self._leases += 1
                self._idle.push(slab)
            else:
                self._end(slab)
            if time.monotonic() >= self._next_check:
                self._check_pressure()
        finally:
            self._leave()

    def segment(self, size: int | str, *, tenant: str = TENANT) -> Segment:
        """A segment of `size` zeros for one tenant, for other processes to read; it counts in the pool until it is closed.

        Raises as `acquire`.
        """
        size = _size("size", size)
        if size <= 0:
            raise BadRequest(f"size={size!r}", "ask for at least one byte")
        pages = -(-size // PAGE)
        with self._lock:
            self._require(pages)
            segment = Segment(size, tenant, self._take_back)
            self._arena.reserve(pages)
            self._segments[segment.number] = segment
        return segment

    def trim(self, keep: int | str = 0) -> int:
        """Give idle memory back to the kernel until at most `keep` bytes are idle; returns the bytes given back."""
        with self._lock:
            self._sweep()
            return self._trim(self._arena.kept - _size("keep", keep) // PAGE)

    def check_pressure(self) -> int:
        """Look at the control group and trim if it is nearly full; returns the bytes given back.

        Buffers that come and go do this on their own; an owner of a pool that may rest calls it on a timer.
        """
        with self._lock:
            before = self._trimmed
            self._sweep()
            self._check_pressure()
            return (self._trimmed - before) * PAGE

    def stats(self) -> PoolStats:
        """What the pool has, and what it wastes."""
        with self._lock:
            self._sweep()
            arena, cache = self._arena, self.circuits
            resident = arena.blocks.resident() + sum(segment.resident() for segment in self._segments.values())
            state = PoolState(
                free=arena.free * PAGE,
                largest=arena.free * PAGE,  # any free pages are one range when they are stitched
                requested=sum(b.nbytes for b in self._live.values()) + sum(s.nbytes for s in self._segments.values()),
                granted=(arena.buddies.total - arena.free) * PAGE,
                resident=resident,
            )
            shares = fragmentation(state)
            return PoolStats(
                pool_bytes=self.pool_bytes,
                used_bytes=state.granted,
                free_bytes=state.free,
                largest_bytes=state.largest,
                idle_bytes=arena.kept * PAGE,
                requested_bytes=state.requested,
                resident_bytes=resident,
                external=shares.external,
                internal=shares.internal,
                overhead=shares.overhead,
                leases=len(self._live),
                hits=self._leases + len(self._live) - self._misses,
                misses=self._misses,
                stitched=arena.blocks.stitches,
                trimmed_bytes=self._trimmed * PAGE,
                circuits=0 if cache is None else len(cache),
                circuit_bytes=0 if cache is None else cache.nbytes,
                circuit_hits=0 if cache is None else cache.hits,
                circuit_misses=0 if cache is None else cache.misses,
            )

    def close(self) -> None:
        """Take no more requests. Memory goes back to the kernel with the last view of it; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed, self._simple = "the pool was closed", False
                self._live.clear()  # who has one of these has its memory; nobody has to come back here
                self._idle.clear()
                self._pinned.clear()
                self._arena.blocks.close()

    def _require(self, pages: int) -> None:
        if self._closed:
            raise PoolClosed(self._closed, "make another one")
        arena = self._arena
        if pages > arena.free or len(self._live) > self._swept:
            self._sweep()
        if pages > arena.free:
            raise PoolExhausted(
                f"size: {pages * PAGE} bytes were asked for, {arena.free * PAGE} of {self.pool_bytes} are free",
                "release buffers and their views, ask for less, or make pool_size larger",
            )

    def _take_back(self, number: int) -> None:
        """A segment was closed."""
        with self._lock:
            self._arena.reserve(-self._segments.pop(number).pages)

    def _grant(self, tenant: str, pages: int, fill: bool) -> Slab:
        self._require(pages)
        arena = self._arena
        if arena.cold_pages - self._checked_at >= CHECK_PAGES or time.monotonic() >= self._next_check:
            self._check_pressure()
        slab = arena.grant(pages, tenant, keep=self._trim_pages, fill=fill)
        self._misses += 1
        if self._trim_pages is not None and arena.kept > self._trim_pages:  # by what is left of a huge page
            self._trim(arena.kept - self._trim_pages)
        return slab

    def _end(self, slab: Slab) -> None:
        """The lease is over; the slab is idle, or waits for its last view."""
        self._live.pop(slab, None)
        slab.generation += 1
        self._leases += 1
        if slab.seen:
            self._pinned.append(slab)
        else:
            self._rest(slab)

    def _rest(self, slab: Slab) -> None:
        if self._closed:
            return
        self._idle.push(slab)
        if self._trim_pages is not None and self._arena.kept > self._trim_pages:
            self._trim(self._arena.kept - self._trim_pages)

    def _sweep(self, most: int | None = None) -> None:
        """Let slabs rest whose last view is gone: `most` of those that wait are looked at, or all, forgotten buffers too."""
        if most is None:
            for slab in [s for s, count in zip(self._live, _references(self._live), strict=True) if count <= _FORGOTTEN]:
                self._end(slab)
            self._swept = 64 + 2 * len(self._live)
        for _ in range(len(self._pinned) if most is None else min(most, len(self._pinned))):
            slab = self._pinned.popleft()
            if slab.seen:
                self._pinned.append(slab)
            else:
                self._rest(slab)

    def _new_lock(self) -> None:
        self._lock = threading.Lock()
        self._enter, self._leave = self._lock.acquire, self._lock.release

    def _trim(self, pages: int) -> int:
        done = self._arena.trim(pages) if pages > 0 else 0
        self._trimmed += done
        return done * PAGE

    def _check_pressure(self) -> None:
        self._next_check = time.monotonic() + CHECK_SECONDS
        self._checked_at = self._arena.cold_pages
        limit = self._limits.tightest() if self._arena.kept else None
        if limit is not None and limit.room < ROOM * limit.total:
            self._trim(-int(limit.room - 1.5 * ROOM * limit.total) // PAGE)


def _size(name: str, value: object) -> int:
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, int | str):
        from omnixan.edge_network.persistent_memory.sizes import parse_size  # the worker gives numbers and needs no store

        try:
            return parse_size(value)
        except ValueError as error:
            raise BadRequest(str(error).replace("size=", f"{name}=", 1), "write bytes, or text such as 64MB") from None
    raise BadRequest(f"{name}={value!r}", "write bytes, or text such as 64MB")


def _check_fits(size: int, limits: MemoryLimits) -> None:
    limit = limits.smallest()
    if limit is not None and size > limit.total:
        raise PoolTooLarge(
            f"pool_size is {size} bytes, and this process may have {limit.total} ({limit.where})",
            "make pool_size smaller, or raise the limit",
        )


def _references(live: Mapping[Any, object]) -> list[int]:
    """References to each value, with the mapping's own and those of the counting itself."""
    return [sys.getrefcount(value) for value in live.values()]


_FORGOTTEN: Final = _references({0: object()})[0]
"""What it counts for a buffer that only the pool has: versions of Python differ in what they count themselves."""


def _after_fork() -> None:
    """A forked child shares the parent's memory: what it wrote there would be the parent's."""
    for pool in list(_pools):
        pool._new_lock()  # another thread of the parent may have had it
        pool._idle.clear()
        pool._closed, pool._simple = "this pool belongs to the process that this one was forked from", False


os.register_at_fork(after_in_child=_after_fork)
