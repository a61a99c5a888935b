"""The memory behind the pages: a memfd a block, made when it is first used, and ranges stitched out of several."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from omnixan.edge_network.memory_pooling import kernel
from omnixan.edge_network.memory_pooling.buddies import Extent
from omnixan.edge_network.memory_pooling.errors import TooScattered
from omnixan.edge_network.memory_pooling.kernel import PAGE, Backed, Mapping, Memfd, Piece

DO_WITHOUT = 64
"""Requests that do not ask for huge pages after one for which there were too few."""
KEPT_PIECES = 8192
"""Mappings that stitched ranges not in use may take, of the 65,530 that Linux lets a process have."""


class Blocks:
    """Blocks of 2^`top` pages."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._mask = (1 << top) - 1
        self._files: dict[int, Memfd] = {}
        self._maps: dict[int, Mapping] = {}
        self._stitched: OrderedDict[tuple[Extent, ...], Mapping] = OrderedDict()
        self._kept = 0
        self._huge = PAGE << top >= kernel.HUGE
        self._not_now = 0
        self.stitches = 0
        """How many ranges were mapped out of several pieces so far."""

    def locate(self, extents: Sequence[Extent], *, populate: bool = False) -> tuple[int, Mapping]:
        """Address of all these pages as one range, and the mapping that must be kept while it is used.

        With `populate` a range that is stitched anew gets its pages at once. Raises `TooScattered`, `KernelLacks`.
        """
        if len(extents) == 1:
            mapping = self._map(extents[0].first >> self._top)
            return mapping.address + (extents[0].first & self._mask) * PAGE, mapping
        key = tuple(extents)
        found = self._stitched.pop(key, None)
        if found is not None:
            self._kept -= found.pieces
            return found.address, found
        self.stitches += 1
        pieces = [Piece(self._file(e.first >> self._top).fd, (e.first & self._mask) * PAGE, e.pages * PAGE) for e in extents]
        try:
            mapping = kernel.map_pieces(pieces, populate=populate)
        except TooScattered:
            self._drop_kept(0)
            mapping = kernel.map_pieces(pieces, populate=populate)
        return mapping.address, mapping

    def may_have_huge_pages(self) -> bool:
        """Whether to ask for some: when there were too few, the next requests do without, for looking costs."""
        if self._not_now:
            self._not_now -= 1
            return False
        return self._huge

    def back(self, extent: Extent) -> bool:
        """Give memory to pages that have none, in huge pages, of which these are whole ones: all of them, or none."""
        address = self._map(extent.first >> self._top).address + (extent.first & self._mask) * PAGE
        backed = kernel.back_with_huge_pages(address, extent.pages * PAGE)
        if backed is Backed.ALL:
            return True
        self._huge = backed is not Backed.NEVER
        self._not_now = DO_WITHOUT
        self.punch([extent])
        return False

    def keep(self, extents: Sequence[Extent], mapping: Mapping) -> None:
        """Remember a stitched range that is not in use, for the next request that gets the same pages."""
        if len(extents) > 1 and mapping.pieces <= KEPT_PIECES // 8:
            self._stitched[tuple(extents)] = mapping
            self._kept += mapping.pieces
            self._drop_kept(KEPT_PIECES)

    def punch(self, extents: Iterable[Extent]) -> None:
        """Give the memory of pages back to the kernel."""
        for first, pages in extents:
            file = self._files.get(first >> self._top)
            if file is not None:
                file.punch((first & self._mask) * PAGE, pages * PAGE)

    def resident(self) -> int:
        """Bytes of physical memory behind all blocks."""
        return sum(file.resident() for file in self._files.values())

    def close(self) -> None:
        """Forget everything; what is still looked at stays until nobody does."""
        self._stitched.clear()
        self._maps.clear()
        self._files.clear()

    def _file(self, block: int) -> Memfd:
        file = self._files.get(block)
        if file is None:
            file = self._files[block] = Memfd(f"omnixan-block-{block}", PAGE << self._top)
        return file

    def _map(self, block: int) -> Mapping:
        mapping = self._maps.get(block)
        if mapping is None:
            mapping = self._maps[block] = kernel.map_whole(self._file(block))
        return mapping

    def _drop_kept(self, most: int) -> None:
        while self._kept > most:
            self._kept -= self._stitched.popitem(last=False)[1].pieces
