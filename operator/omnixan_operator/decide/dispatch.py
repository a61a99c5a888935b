"""Whose turn it is: the jobs that wait for a place in the queues of one EdgeCluster's nodes.

A node holds a few runs (QUEUE_LIMIT), so that it never idles between two short ones; all other jobs wait here, where
they can still be ordered. The next place goes to the tenant with the fewest unfinished runs on the EdgeCluster (of
equals, to the one whose first job has waited longest), and of its jobs to the one of highest priority, then the oldest.
So ten thousand jobs of one tenant cost another one a place in turn, not ten thousand places.

A tenant's jobs wait in one heap, and once more in a heap for each need, so that what fits no node is skipped as a whole and
holds up nobody. Adding and removing cost O(log jobs); choosing costs a look at the head of every tenant's heap, and only
where a need fits no node one at the heads of that tenant's needs.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from omnixan_operator.decide.placement import Need

K = TypeVar("K", bound=Hashable)

QUEUE_LIMIT = 4
"""Unfinished runs on a node: the one that runs, and enough to go on with until the operator has sent another."""

Rank = tuple[int, str, str]


@dataclass(frozen=True)
class Waiting(Generic[K]):
    """A job that waits for its turn."""

    key: K
    tenant: str
    priority: int
    created: str
    """creationTimestamp: of one length, so that it sorts as text."""
    uid: str
    need: Need

    @property
    def rank(self) -> Rank:
        """Sort key within its tenant."""
        return -self.priority, self.created, self.uid


class Line(Generic[K]):
    """The waiting jobs of one EdgeCluster, and those that have got their turn but have no run yet."""

    def __init__(self) -> None:
        self._entries: dict[K, Waiting[K]] = {}
        self._orders: dict[str, list[tuple[Rank, K]]] = defaultdict(list)
        self._heaps: dict[str, dict[Need, list[tuple[Rank, K]]]] = defaultdict(dict)
        self._going: Counter[str] = Counter()

    def __len__(self) -> int:
        """Jobs that wait."""
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def enter(self, entry: Waiting[K]) -> None:
        """The job waits, from now on as `entry` says."""
        if self._entries.get(entry.key) == entry:
            return
        self._entries[entry.key] = entry
        heapq.heappush(self._orders[entry.tenant], (entry.rank, entry.key))
        heapq.heappush(self._heaps[entry.tenant].setdefault(entry.need, []), (entry.rank, entry.key))

    def leave(self, key: K) -> bool:
        """The job waits no more; whether it did. Its place in a heap is given up when it comes to the head."""
        return self._entries.pop(key, None) is not None

    def go(self, tenant: str) -> None:
        """A job of the tenant got its turn: it counts as an unfinished run until `gone`."""
        self._going[tenant] += 1

    def gone(self, tenant: str) -> None:
        """Its run exists, and is counted as such, or it got none."""
        self._going[tenant] -= 1
        if not self._going[tenant]:
            del self._going[tenant]

    def first(self, open_runs: Callable[[str], int], fits: Callable[[Need], bool]) -> Waiting[K] | None:
        """The job whose turn it is. `open_runs` counts a tenant's unfinished runs, `fits` says of what jobs need
        whether a node with a free place has it."""
        blocked: set[Need] = set()
        heads: dict[str, Waiting[K] | None] = {tenant: self._oldest(tenant) for tenant in list(self._orders)}
        while True:
            best: tuple[tuple[int, str, str], Waiting[K]] | None = None
            for tenant, head in heads.items():
                if head is not None:
                    rank = open_runs(tenant) + self._going[tenant], head.created, tenant
                    if best is None or rank < best[0]:
                        best = rank, head
            if best is None:
                return None
            chosen = best[1]
            if fits(chosen.need):
                return chosen
            blocked.add(chosen.need)
            heads = {
                tenant: self._head(tenant, blocked) if head is not None and head.need == chosen.need else head
                for tenant, head in heads.items()
            }

    def _oldest(self, tenant: str) -> Waiting[K] | None:
        """The tenant's first job; a tenant without any is forgotten."""
        heap = self._orders[tenant]
        while heap:
            rank, key = heap[0]
            entry = self._entries.get(key)
            if entry is not None and entry.rank == rank and entry.tenant == tenant:
                return entry
            heapq.heappop(heap)
        del self._orders[tenant]
        self._heaps.pop(tenant, None)
        return None

    def _head(self, tenant: str, blocked: set[Need]) -> Waiting[K] | None:
        """The tenant's first job of those whose need is not blocked."""
        best: Waiting[K] | None = None
        heaps = self._heaps[tenant]
        for need in list(heaps):
            head = self._top(heaps[need])
            if head is None:
                del heaps[need]
            elif need not in blocked and (best is None or head.rank < best.rank):
                best = head
        return best

    def _top(self, heap: list[tuple[Rank, K]]) -> Waiting[K] | None:
        while heap:
            rank, key = heap[0]
            entry = self._entries.get(key)
            if entry is not None and entry.rank == rank and self._heaps[entry.tenant].get(entry.need) is heap:
                return entry
            heapq.heappop(heap)
        return None
