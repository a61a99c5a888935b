"""A granted range of memory, in use or idle, and the idle ones in the order of their last use."""

from __future__ import annotations

import ctypes
import sys
from collections import OrderedDict, deque
from typing import Any

from omnixan.edge_network.memory_pooling.buddies import Extent
from omnixan.edge_network.memory_pooling.kernel import PAGE, Mapping


class Slab:
    """Pages of one tenant as one range of addresses. `generation` counts the leases that it had: even idle, odd in use."""

    __slots__ = ("address", "extents", "generation", "key", "mapping", "pages", "views")

    def __init__(self, tenant: str, pages: int, extents: tuple[Extent, ...], address: int, mapping: Mapping) -> None:
        self.key = tenant, pages
        self.pages, self.extents, self.address, self.mapping = pages, extents, address, mapping
        self.generation = 0
        self.views: Any = None

    def exporter(self) -> Any:
        """The object that every view of these bytes refers to, at whatever remove; it keeps the mapping."""
        if self.views is None:
            self.views = (ctypes.c_ubyte * (self.pages * PAGE)).from_address(self.address)
            self.views.mapping = self.mapping
        return self.views

    @property
    def seen(self) -> bool:
        """Whether somebody still has a view of it (an array, a memoryview, an Arrow buffer)."""
        return self.views is not None and self.references() > _ALONE

    def references(self) -> int:
        """References to what the views refer to, with the slab's own and those of the counting itself."""
        return sys.getrefcount(self.views)


def _alone() -> int:
    """What `references` counts when nobody looks: versions of Python differ in what they count themselves."""
    slab = Slab("", 0, (), 0, Mapping.nowhere())
    slab.views = object()
    return slab.references()


_ALONE = _alone()


class Idle:
    """Idle slabs: taken by tenant and size, the last used first; given up the least recently used first."""

    def __init__(self) -> None:
        self.pages = 0
        self._order: OrderedDict[Slab, None] = OrderedDict()
        self._of: dict[tuple[str, int], deque[Slab]] = {}

    def __len__(self) -> int:
        return len(self._order)

    def clear(self) -> None:
        """Forget all."""
        self.pages = 0
        self._order.clear()
        self._of.clear()

    def push(self, slab: Slab) -> None:
        """A slab that was used just now."""
        same = self._of.get(slab.key)
        if same is None:
            same = self._of[slab.key] = deque()
        same.append(slab)
        self._order[slab] = None
        self.pages += slab.pages

    def pop(self, key: tuple[str, int]) -> Slab | None:
        """One of this (tenant, pages), or None."""
        same = self._of.get(key)
        if not same:
            return None
        slab = same.pop()
        del self._order[slab]
        self.pages -= slab.pages
        return slab

    def pop_oldest(self) -> Slab | None:
        """The least recently used, or None."""
        if not self._order:
            return None
        slab = self._order.popitem(last=False)[0]
        same = self._of[slab.key]
        same.popleft()  # the oldest of all is the oldest of its kind
        if not same:
            del self._of[slab.key]
        self.pages -= slab.pages
        return slab
