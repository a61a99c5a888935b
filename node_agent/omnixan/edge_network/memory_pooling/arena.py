"""Pages in use, free and idle of one pool: what is granted, what is given up, what goes back to the kernel."""

from __future__ import annotations

from omnixan.edge_network.memory_pooling import kernel
from omnixan.edge_network.memory_pooling.blocks import Blocks
from omnixan.edge_network.memory_pooling.buddies import HUGE_PAGES, Buddies, Extent, joined
from omnixan.edge_network.memory_pooling.errors import PoolError
from omnixan.edge_network.memory_pooling.kernel import PAGE
from omnixan.edge_network.memory_pooling.owners import Owners
from omnixan.edge_network.memory_pooling.slab import Idle, Slab

WORTH_STITCHING = 64
"""Pages that pieces of warm memory must have on average to be stitched; of less, new memory costs less than the mappings."""

POPULATED = (64 << 20) // PAGE
"""Stitched ranges of warm memory up to here are mapped with their pages; of more, a part may never be looked at."""


class Arena:
    """`blocks` blocks of 2^`top` pages. Not for several threads at once: the pool has the lock."""

    def __init__(self, blocks: int, top: int) -> None:
        self.buddies = Buddies(blocks, top)
        self.blocks = Blocks(top)
        self.idle = Idle()
        self.set_aside = 0
        """Pages of the pool's size that segments take: they have files of their own."""
        self._owners = Owners(blocks << top)
        self.cold_pages = 0
        """Pages granted so far that had no memory."""

    @property
    def free(self) -> int:
        """Pages that a request can have."""
        return self.buddies.free + self.idle.pages - self.set_aside

    @property
    def kept(self) -> int:
        """Pages that nobody uses and that have memory."""
        return self.idle.pages + self.buddies.warm

    def grant(self, pages: int, tenant: str, *, keep: int | None, fill: bool = False) -> Slab:
        """A slab of so many pages (no more than are free).

        With `keep`, the pages that may be kept idle, memory that others left goes before new memory. With `fill`, all its
        memory is there at once.
        """
        warm, cold = self._extents(pages, keep, fill=fill)
        extents = joined([*warm, *cold], self.buddies.top)
        new = sum(extent.pages for extent in cold)
        try:
            address, mapping = self.blocks.locate(extents, populate=fill or 2 * new <= pages <= POPULATED)
        except PoolError:
            self.buddies.give_all(warm, warm=True)
            self.buddies.give_all(cold, warm=False)
            raise
        self.cold_pages += new
        if fill:
            kernel.populate(address, pages * PAGE)
        for first, length in self._owners.claim(extents, tenant):
            kernel.zero(address + first * PAGE, length * PAGE)
        self._fit()
        return Slab(tenant, pages, tuple(extents), address, mapping)

    def reserve(self, pages: int) -> None:
        """Count pages of a segment into the pool (no more than are free), or out of it."""
        self.set_aside += pages
        self._fit()

    def trim(self, pages: int) -> int:
        """Give the memory of so many pages that nobody uses back to the kernel, or of all there are; returns how many."""
        while self.buddies.warm < pages and len(self.idle):
            self._give_up_oldest()
        cooled = self.buddies.cool(pages)
        self.blocks.punch(cooled)
        self._owners.forget(cooled)
        return sum(extent.pages for extent in cooled)

    def _fit(self) -> None:
        """All memory together is at most the pool's size: what is idle goes back first."""
        if self.set_aside:
            self.trim(self.set_aside - self.buddies.free + self.buddies.warm)

    def _extents(self, pages: int, keep: int | None, *, fill: bool) -> tuple[list[Extent], list[Extent]]:
        """Warm and cold pages for a request."""
        buddies = self.buddies
        small = pages <= 1 << buddies.top
        if small and (run := buddies.take_run(pages, warm=True)):
            return [run], []
        if keep is not None:
            while buddies.warm < pages and len(self.idle):
                self._give_up_oldest()
                if small and (run := buddies.take_run(pages, warm=True)):
                    return [run], []
        if fill and small and (found := self._out_of_huge_pages(pages, keep)):
            return found
        if keep is not None:
            warm, cold = buddies.take_scattered(pages)
            if (len(warm) + len(cold)) * WORTH_STITCHING <= pages:
                return warm, cold
            buddies.give_all(warm, warm=True)
            buddies.give_all(cold, warm=False)
        if small and (run := buddies.take_run(pages, warm=False)):
            return [], [run]
        while buddies.free < pages:
            self._give_up_oldest()
            if small and (run := buddies.take_run(pages, warm=True)):
                return [run], []
        return buddies.take_scattered(pages)

    def _out_of_huge_pages(self, pages: int, keep: int | None) -> tuple[list[Extent], list[Extent]] | None:
        """As `_extents`, of new huge pages, which cost less than to map small pieces of warm memory; None if there are none.

        Up to half of one, the rest of it is warm from then on, for others; of more than one, what makes no whole huge page
        is cold.
        """
        if pages <= HUGE_PAGES // 2 and (keep is None or HUGE_PAGES - pages <= keep):
            run = self._backed(HUGE_PAGES, HUGE_PAGES)
            if run is not None:
                self.buddies.give(Extent(run.first + pages, HUGE_PAGES - pages), warm=True)
                return [Extent(run.first, pages)], []
        elif pages >= HUGE_PAGES:
            whole = pages // HUGE_PAGES * HUGE_PAGES
            run = self._backed(pages, whole)
            if run is not None:
                rest = [Extent(run.first + whole, pages - whole)] if pages > whole else []
                return [Extent(run.first, whole)], rest
        return None

    def _backed(self, pages: int, huge: int) -> Extent | None:
        """`pages` cold neighbours, of which the first `huge` are whole huge pages and have memory now; or None."""
        if not self.blocks.may_have_huge_pages():
            return None
        run = self.buddies.take_run(pages, warm=False)  # of a buddy that is as large at least, and aligned to its size
        if run is None:
            return None
        backed = False
        try:
            backed = self.blocks.back(Extent(run.first, huge))
        finally:
            if not backed:
                self.buddies.give(run, warm=False)
        if not backed:
            return None
        self.cold_pages += huge
        return run

    def _give_up_oldest(self) -> None:
        slab = self.idle.pop_oldest()
        if slab is None:
            raise AssertionError("free pages were miscounted")
        self.buddies.give_all(slab.extents, warm=True)
        self.blocks.keep(slab.extents, slab.mapping)
