"""What the nodes of an EdgeCluster offer, kept until something changes: every placement looks at all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil
from statistics import fmean
from typing import Any

from omnixan_operator import kinds
from omnixan_operator.decide.dispatch import QUEUE_LIMIT
from omnixan_operator.decide.esp import Quality, quality_of
from omnixan_operator.decide.placement import Offer
from omnixan_operator.kinds import Object
from omnixan_operator.store import EDGE_NODES_BY_CLUSTER, OPEN_RUNS_BY_NODE, Store, alive, condition, name_of, namespace_of

DEFAULT_SHOTS, MAX_SHOTS = 1024, 1_000_000
DEFAULT_PRECISION = 1 / 64
LOOKED_AT = 32
"""Of a longer queue the first runs are looked at, and the rest taken to be like them: placement must stay quick."""

Place = tuple[str, str]
"""Namespace and name."""


class Offers:
    """The offers of all EdgeNodes that were asked for, out of the store.

    `placing` has the runs on their way to the API server, by name: namespace and node. They count as queued there.
    """

    def __init__(self, store: Store, placing: Mapping[str, Place]) -> None:
        self._store = store
        self._placing = placing
        self._changed_clusters = store.follow(EDGE_NODES_BY_CLUSTER)
        self._changed_queues = store.follow(OPEN_RUNS_BY_NODE)
        self._nodes: dict[str, dict[Place, Object]] = {}
        """Living EdgeNodes by uid of their EdgeCluster, sorted by name."""
        self._offers: dict[Place, Offer] = {}
        self._qualities: dict[Place, tuple[Any, Quality | None]] = {}
        """Parsed calibrations. An entry holds the very object it was parsed from, so that none can pass for another's."""
        self._counted: Counter[Place] = Counter()
        """The runs on their way that `_offers` count."""

    def of(self, cluster: str) -> tuple[Offer, ...]:
        """One offer for every living EdgeNode of the EdgeCluster of this uid, sorted by name."""
        self._forget_what_changed()
        if cluster not in self._nodes:
            self._look_at_nodes(cluster)
        nodes, offers = self._nodes.get(cluster, {}), self._offers
        for place in nodes.keys() - offers.keys():
            offers[place] = self._made(place, nodes[place])
        return tuple([offers[place] for place in nodes])

    def on_their_way(self) -> Counter[Place]:
        """How many runs are on their way, by namespace and node.

        One that the store knows counts as what it is there: the answer to its creation may come after its end, and its end
        is the last event that wakes anybody for its place.
        """
        store = self._store
        return Counter(
            place for name, place in self._placing.items() if store.get(kinds.QUANTUM_RUN, place[0], name) is None
        )

    def _forget_what_changed(self) -> None:
        for cluster in self._nodes.keys() & self._changed_clusters:
            self._look_at_nodes(cluster)
        self._changed_clusters.clear()
        for place in self._offers.keys() & self._changed_queues:
            del self._offers[place]
        self._changed_queues.clear()
        now = self.on_their_way()
        for place in now.keys() | self._counted.keys():
            if now[place] != self._counted[place]:
                self._offers.pop(place, None)
        self._counted = now

    def _look_at_nodes(self, cluster: str) -> None:
        before = self._nodes.pop(cluster, {})
        found = (node for node in self._store.find(EDGE_NODES_BY_CLUSTER, cluster) if alive(node))
        nodes = {_place(node): node for node in sorted(found, key=name_of)}
        for place, node in before.items():
            if nodes.get(place) is not node:
                self._offers.pop(place, None)
            if place not in nodes:
                self._qualities.pop(place, None)
        if nodes:
            self._nodes[cluster] = nodes

    def _made(self, place: Place, node: Object) -> Offer:
        backlog = self._store.count_by(OPEN_RUNS_BY_NODE, place) + self._counted[place]
        ready, status = condition(node, "Ready"), node.get("status", {})
        calibration = status.get("calibration")
        quality = self._quality(place, calibration) if calibration is not None else None
        return Offer(
            node=name_of(node),
            tier=node["spec"]["tier"],
            qubits=status.get("qubits") or 0,
            ready=ready.get("status") == "True",
            draining=bool(node["spec"].get("drain")),
            backlog=backlog,
            state=ready.get("message", "not looked at yet"),
            backend=status.get("backend") or "simulator",
            quality=quality,
            full=backlog >= QUEUE_LIMIT,
            wait_seconds=None if quality is None else self._wait(place, backlog, quality),
        )

    def _quality(self, place: Place, calibration: Mapping[str, Any]) -> Quality | None:
        known = self._qualities.get(place)
        if known is None or known[0] is not calibration:
            known = self._qualities[place] = calibration, quality_of(calibration)
        return known[1]

    def _wait(self, place: Place, backlog: int, quality: Quality) -> float:
        """Time of the device for the runs before: their shots, each with its readout and the pause after it."""
        if not backlog:
            return 0.0
        shots = [shots_of(run) for run in self._store.find(OPEN_RUNS_BY_NODE, place)[:LOOKED_AT]] or [DEFAULT_SHOTS]
        return backlog * fmean(shots) * quality.shot_seconds()


def shots_of(run: Object) -> int:
    """Shots of a run; an estimator's as if one circuit measured all its strings, for grouping them takes too long here."""
    primitive = run["spec"].get("primitive", {})
    estimator = primitive.get("estimator")
    if estimator is not None:
        return min(ceil(float(estimator.get("precision", DEFAULT_PRECISION)) ** -2), MAX_SHOTS)
    return int((primitive.get("sampler") or {}).get("shots", DEFAULT_SHOTS))


def _place(node: Object) -> Place:
    return namespace_of(node), name_of(node)
