"""Which pages are free, in buddies: aligned runs of 2^k pages, at most a block. Pure; a page is a number, from 0.

Free pages are warm (they have memory, with somebody's bytes in it) or cold (they have none). Only buddies of the same
temperature are joined, so that a warm run never hides a cold one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import NamedTuple

HUGE_PAGES = 512
"""Pages of a huge page, to which a buddy of so many is aligned."""


class Extent(NamedTuple):
    """`pages` pages from `first` on, all in one block."""

    first: int
    pages: int


class _Pieces:
    """Free buddies of one temperature by order; the lowest first."""

    def __init__(self, top: int) -> None:
        self.pages = 0
        self.of: list[set[int]] = [set() for _ in range(top + 1)]
        self._heaps: list[list[int]] = [[] for _ in range(top + 1)]

    def add(self, first: int, order: int) -> None:
        self.of[order].add(first)
        heapq.heappush(self._heaps[order], first)
        self.pages += 1 << order

    def remove(self, first: int, order: int) -> None:
        self.of[order].remove(first)
        self.pages -= 1 << order

    def lowest(self, order: int) -> int:
        """Take the lowest of an order that has some."""
        pieces, heap = self.of[order], self._heaps[order]
        while (first := heapq.heappop(heap)) not in pieces:  # joined with its buddy since
            pass
        if len(heap) > 64 + 2 * len(pieces):
            self._heaps[order] = sorted(pieces - {first})
        self.remove(first, order)
        return first

    def smallest(self, order: int) -> int | None:
        """The lowest order from `order` on that has a piece."""
        return next((k for k in range(order, len(self.of)) if self.of[k]), None)

    def largest(self) -> int:
        """The highest order that has a piece, of at least one."""
        return next(k for k in range(len(self.of) - 1, -1, -1) if self.of[k])


class Buddies:
    """Free pages of `blocks` blocks of 2^`top` pages; all of them free and cold at first."""

    def __init__(self, blocks: int, top: int) -> None:
        self.top = top
        self.total = blocks << top
        self._cold, self._warm = _Pieces(top), _Pieces(top)
        for block in range(blocks):
            self._cold.add(block << top, top)

    @property
    def free(self) -> int:
        """Free pages."""
        return self._cold.pages + self._warm.pages

    @property
    def warm(self) -> int:
        """Free pages that have memory."""
        return self._warm.pages

    def take_run(self, pages: int, *, warm: bool) -> Extent | None:
        """`pages` neighbours of one temperature out of the smallest buddy that has them, or None."""
        pieces = self._warm if warm else self._cold
        order = pieces.smallest((pages - 1).bit_length())
        if order is None:
            return None
        first = pieces.lowest(order)
        self.give(Extent(first + pages, (1 << order) - pages), warm=warm)
        return Extent(first, pages)

    def take_scattered(self, pages: int) -> tuple[list[Extent], list[Extent]]:
        """`pages` pages (no more than are free) out of few buddies: warm ones, and cold ones for the rest."""
        found: tuple[list[Extent], list[Extent]] = ([], [])
        for pieces, taken, warm in ((self._warm, found[0], True), (self._cold, found[1], False)):
            while pages and pieces.pages:
                # The smallest that is enough, so that large ones stay whole; else the largest there is.
                order = pieces.smallest((pages - 1).bit_length())
                if order is None:
                    order = pieces.largest()
                first, length = pieces.lowest(order), 1 << order
                if length > pages:
                    self.give(Extent(first + pages, length - pages), warm=warm)
                    length = pages
                taken.append(Extent(first, length))
                pages -= length
        return found

    def give(self, extent: Extent, *, warm: bool) -> None:
        """Make pages free."""
        pieces = self._warm if warm else self._cold
        first, rest = extent
        while rest:
            order = rest.bit_length() - 1
            if first:
                order = min(order, (first & -first).bit_length() - 1)
            order = min(order, self.top)
            self._join(pieces, first, order)
            first, rest = first + (1 << order), rest - (1 << order)

    def give_all(self, extents: Iterable[Extent], *, warm: bool) -> None:
        """Make the pages of several extents free."""
        for extent in extents:
            self.give(extent, warm=warm)

    def cool(self, pages: int) -> list[Extent]:
        """Call so many warm free pages cold, or all there are; the caller takes their memory away. Some more, where that
        leaves a huge page whole."""
        cooled: list[Extent] = []
        while pages > 0 and self._warm.pages:
            order = self._warm.largest()
            first, length = self._warm.lowest(order), 1 << order
            wanted = -(-pages // HUGE_PAGES) * HUGE_PAGES if length >= HUGE_PAGES else pages
            if length > wanted:
                self.give(Extent(first + wanted, length - wanted), warm=True)
                length = wanted
            cooled.append(Extent(first, length))
            pages -= length
        self.give_all(cooled, warm=False)
        return joined(cooled, self.top)

    def _join(self, pieces: _Pieces, first: int, order: int) -> None:
        while order < self.top and (first ^ (1 << order)) in pieces.of[order]:
            pieces.remove(first ^ (1 << order), order)
            first &= ~(1 << order)
            order += 1
        pieces.add(first, order)


def joined(extents: Sequence[Extent], top: int) -> list[Extent]:
    """The same pages in order, neighbours in a block as one extent."""
    whole: list[Extent] = []
    for extent in sorted(extents):
        if whole and sum(whole[-1]) == extent.first and extent.first & ((1 << top) - 1):
            whole[-1] = Extent(whole[-1].first, whole[-1].pages + extent.pages)
        else:
            whole.append(extent)
    return whole
