"""Which jobs wait for their turn, by EdgeCluster. All of it comes out of reconciling the jobs, so it can be lost."""

from __future__ import annotations

from omnixan_operator.decide.dispatch import Line, Waiting
from omnixan_operator.keys import Key


class Lines:
    """A line for every EdgeCluster that has waiting jobs, by its uid."""

    def __init__(self) -> None:
        self._lines: dict[str, Line[Key]] = {}
        self._places: dict[Key, tuple[str, float]] = {}

    def of(self, cluster: str) -> Line[Key]:
        """The line of an EdgeCluster."""
        return self._lines.setdefault(cluster, Line())

    def enter(self, cluster: str, entry: Waiting[Key], now: float) -> float:
        """The job waits there; returns for how many seconds it has."""
        place = self._places.get(entry.key)
        if place is None or place[0] != cluster:
            self.leave(entry.key)
            place = self._places[entry.key] = cluster, now
        self.of(cluster).enter(entry)
        return now - place[1]

    def leave(self, key: Key) -> bool:
        """The job waits no more; whether it did."""
        place = self._places.pop(key, None)
        return place is not None and self.of(place[0]).leave(key)
