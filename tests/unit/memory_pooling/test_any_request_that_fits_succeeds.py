"""Random requests against a simple model: what is free can be had, and nobody's bytes change under him."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from omnixan.edge_network.memory_pooling.buddies import Buddies, Extent, joined
from omnixan.edge_network.memory_pooling.buffer import Buffer
from omnixan.edge_network.memory_pooling.errors import DoubleRelease, PoolExhausted
from omnixan.edge_network.memory_pooling.pool import MemoryPooling

PAGE = 4096


class PoolMachine(RuleBasedStateMachine):
    """A model that knows each lease's bytes and counts pages."""

    block = 256 << 10

    @initialize(trim=st.sampled_from([None, 0, 300_000]))
    def make(self, trim: int | None) -> None:
        self.pool = MemoryPooling(8 * self.block, self.block, trim_threshold=trim)
        self.most_idle = 8 * self.block if trim is None else trim
        self.free = 8 * self.block // PAGE
        self.live: list[tuple[Buffer, int]] = []
        self.views: list[tuple[np.ndarray, int, int]] = []
        self.over: list[Buffer] = []
        self.counter = 0

    @rule(
        share=st.one_of(st.floats(0, 0.04), st.floats(0, 1), st.integers(0, 8).map(lambda k: 2.0**-k)),
        tenant=st.sampled_from("ab"),
        zero=st.booleans(),
        fill=st.booleans(),
    )
    def acquire(self, share: float, tenant: str, zero: bool, fill: bool) -> None:
        size = max(1, int(8 * self.block * share))
        pages = -(-size // PAGE)
        try:
            buffer = self.pool.acquire(size, tenant=tenant, zero=zero, fill=fill)
        except PoolExhausted:
            assert pages > self.free
            return
        assert pages <= self.free
        self.free -= pages
        self.counter = self.counter % 100 + 1
        mark = self.counter + (100 if tenant == "b" else 0)
        array = buffer.array()
        own = range(101, 201) if tenant == "b" else range(1, 101)
        found = set(np.flatnonzero(np.bincount(array, minlength=256)).tolist()) - {0}
        assert not found if zero else found <= set(own), "another tenant's bytes"
        array[:] = mark
        self.live.append((buffer, mark))

    @rule(place=st.floats(0, 1), keep=st.booleans())
    @precondition(lambda self: self.live)
    def release(self, place: float, keep: bool) -> None:
        buffer, mark = self.live.pop(int(place * (len(self.live) - 1)))
        pages = -(-buffer.nbytes // PAGE)
        if keep:
            self.views.append((buffer.array()[:100], mark, pages))
        else:
            self.free += pages
        buffer.release()
        self.over.append(buffer)

    @rule()
    @precondition(lambda self: self.views)
    def look_away(self) -> None:
        self.free += self.views.pop(0)[2]

    @rule(place=st.floats(0, 1))
    @precondition(lambda self: self.over)
    def release_again(self, place: float) -> None:
        try:
            self.over[int(place * (len(self.over) - 1))].release()
        except DoubleRelease:
            return
        raise AssertionError("released twice")

    @rule(keep=st.integers(0, 1 << 20))
    def trim(self, keep: int) -> None:
        self.pool.trim(keep)
        assert self.pool.stats().idle_bytes <= keep

    @invariant()
    def same(self) -> None:
        for buffer, mark in self.live:
            assert (buffer.array() == mark).all()
        for view, mark, _ in self.views:
            assert (view == mark).all()
        stats = self.pool.stats()
        assert stats.free_bytes == self.free * PAGE
        assert stats.idle_bytes <= self.most_idle
        assert stats.leases == len(self.live)
        assert stats.requested_bytes == sum(buffer.nbytes for buffer, _ in self.live)


PoolMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
test_a_pool_behaves_like_its_model = PoolMachine.TestCase


class HugePoolMachine(PoolMachine):
    """The same with blocks that have room for huge pages, where the kernel has any."""

    block = 4 << 20


HugePoolMachine.TestCase.settings = settings(PoolMachine.TestCase.settings, max_examples=15, stateful_step_count=25)
test_a_pool_of_huge_pages_behaves_like_its_model = HugePoolMachine.TestCase


def test_ten_thousand_requests_of_at_most_what_is_free() -> None:
    random = np.random.default_rng(2026)
    pool = MemoryPooling("16MB", "1MB", trim_threshold="4MB")
    live: list[Buffer] = []
    free = (16 << 20) // PAGE
    for number in range(10_000):
        whole = number % 200 == 0
        while live and (free < 16 or random.random() < 0.45):
            buffer = live.pop(int(random.integers(len(live))))
            free += -(-buffer.nbytes // PAGE)
            buffer.release()
        pages = free if whole else min(free, 16 + int(random.exponential(150)))
        if pages < 16:
            continue
        buffer = pool.acquire(pages * PAGE, tenant=f"t{number % 3}")
        buffer.array()[:: 1 << 16] = 1
        free -= pages
        live.append(buffer)
        if whole:
            assert pool.stats().free_bytes == 0
    assert pool.stats().stitched > 100


def test_memory_that_is_given_up_is_whole_huge_pages_where_they_are_free() -> None:
    buddies = Buddies(4, 11)
    run = buddies.take_run(2048, warm=False)
    assert run is not None
    buddies.give(run, warm=True)
    assert [extent.pages for extent in buddies.cool(700)] == [1024]
    assert buddies.warm == 1024


def test_pages_are_never_given_twice() -> None:
    random = np.random.default_rng(7)
    buddies = Buddies(4, 6)
    taken: list[list[Extent]] = []
    for _ in range(5000):
        if taken and (random.random() < 0.5 or not buddies.free):
            buddies.give_all(taken.pop(int(random.integers(len(taken)))), warm=bool(random.integers(2)))
        else:
            pages = int(random.integers(1, min(buddies.free, 100) + 1))
            run = buddies.take_run(pages, warm=bool(random.integers(2))) if pages <= 64 else None
            taken.append([run] if run else joined([e for part in buddies.take_scattered(pages) for e in part], 6))
        if random.random() < 0.1:
            buddies.cool(int(random.integers(1, 50)))
        pages_out = [page for extents in taken for e in extents for page in range(e.first, e.first + e.pages)]
        assert len(pages_out) == len(set(pages_out)) == 256 - buddies.free
        assert all(0 <= page < 256 for page in pages_out)
        assert all(e.first // 64 == (e.first + e.pages - 1) // 64 for extents in taken for e in extents)
    for extents in taken:
        buddies.give_all(extents, warm=False)
    buddies.cool(256)
    assert [buddies.take_run(64, warm=False) for _ in range(4)] == [Extent(64 * k, 64) for k in range(4)]
