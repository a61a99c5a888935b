"""Whose bytes are in which page, so that nobody finds another tenant's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from omnixan.edge_network.memory_pooling.buddies import Extent

_NOBODY = 0


class Owners:
    """The tenant of every page; pages without memory have none."""

    def __init__(self, pages: int) -> None:
        self._owner = np.zeros(pages, dtype=np.uint32)
        self._numbers: dict[str, int] = {}

    def claim(self, extents: Iterable[Extent], tenant: str) -> list[tuple[int, int]]:
        """Give pages to a tenant; returns the runs that must be zeroed first, as (page of all these pages, pages)."""
        number = self._numbers.setdefault(tenant, len(self._numbers) + 1)
        foreign: list[tuple[int, int]] = []
        before = 0
        for first, pages in extents:
            owner = self._owner[first : first + pages]
            if ((owner != number) & (owner != _NOBODY)).any():
                foreign.append((before, pages))
            owner[:] = number
            before += pages
        return foreign

    def forget(self, extents: Iterable[Extent]) -> None:
        """These pages have no memory any more."""
        for first, pages in extents:
            self._owner[first : first + pages] = _NOBODY
