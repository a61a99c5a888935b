"""What the nodes of an EdgeCluster offer, out of the store."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from math import ceil
from statistics import fmean
from typing import Any

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan_operator.decide.dispatch import QUEUE_LIMIT
from omnixan_operator.decide.esp import Quality, quality_of
from omnixan_operator.decide.placement import Offer
from omnixan_operator.kinds import Object
from omnixan_operator.reconcile import placing
from omnixan_operator.reconcile.context import Context, alive, condition
from omnixan_operator.store import EDGE_NODES_BY_CLUSTER, OPEN_RUNS_BY_NODE, name_of, namespace_of

DEFAULT_SHOTS, MAX_SHOTS = 1024, 1_000_000
DEFAULT_PRECISION = 1 / 64
LOOKED_AT = 32
"""Of a longer queue the first runs are looked at, and the rest taken to be like them: placement must stay quick."""
MAX_REMEMBERED = 10_000

Place = tuple[str, str]
"""Namespace and name."""

_qualities: OrderedDict[Place, tuple[Any, Quality | None]] = OrderedDict()
"""Parsed calibrations by node. An entry holds the very object it was parsed from, so that none can pass for another's."""
_offers: OrderedDict[Place, tuple[Object, int, tuple[Place, ...], Offer]] = OrderedDict()
"""What nodes offered last: every decision looks at all of them, and few have changed since the one before. Each with what
it follows from: the very EdgeNode, its backlog, and which runs are on it (a run's shots never change)."""


def offers(ctx: Context, cluster: EdgeCluster) -> list[Offer]:
    """One offer for every living EdgeNode of the cluster. Runs on their way to the API server count as queued."""
    on_their_way = placing.places(ctx)
    return [
        _offer(ctx, obj, on_their_way) for obj in ctx.store.find(EDGE_NODES_BY_CLUSTER, cluster.metadata.uid) if alive(obj)
    ]


def _offer(ctx: Context, node: Object, on_their_way: Counter[Place]) -> Offer:
    place = namespace_of(node), name_of(node)
    runs = ctx.store.places_by(OPEN_RUNS_BY_NODE, place)
    backlog = len(runs) + on_their_way[place] if on_their_way else len(runs)
    known = _offers.get(place)
    if known is None or known[0] is not node or known[1] != backlog or known[2] != runs:
        known = _offers[place] = node, backlog, runs, _made(ctx, place, node, backlog)
        while len(_offers) > MAX_REMEMBERED:
            _offers.popitem(last=False)
    return known[3]


def _made(ctx: Context, place: Place, node: Object, backlog: int) -> Offer:
    ready, status = condition(node, "Ready"), node.get("status", {})
    calibration = status.get("calibration")
    quality = _quality(place, calibration) if calibration is not None else None
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
        wait_seconds=None if quality is None else _wait(ctx, place, backlog, quality),
    )


def _quality(place: Place, calibration: Mapping[str, Any]) -> Quality | None:
    known = _qualities.get(place)
    if known is None or known[0] is not calibration:
        known = _qualities[place] = calibration, quality_of(calibration)
        while len(_qualities) > MAX_REMEMBERED:
            _qualities.popitem(last=False)
    return known[1]


def _wait(ctx: Context, place: Place, backlog: int, quality: Quality) -> float:
    """Time of the device for the runs before: their shots, each with its readout and the pause after it."""
    if not backlog:
        return 0.0
    shots = [shots_of(run) for run in ctx.store.find(OPEN_RUNS_BY_NODE, place)[:LOOKED_AT]] or [DEFAULT_SHOTS]
    return backlog * fmean(shots) * quality.shot_seconds()


def shots_of(run: Object) -> int:
    """Shots of a run; an estimator's as if one circuit measured all its strings, for grouping them takes too long here."""
    primitive = run["spec"].get("primitive", {})
    estimator = primitive.get("estimator")
    if estimator is not None:
        return min(ceil(float(estimator.get("precision", DEFAULT_PRECISION)) ** -2), MAX_SHOTS)
    return int((primitive.get("sampler") or {}).get("shots", DEFAULT_SHOTS))
