"""Claiming: one pass for all EdgeClusters writes the Node labels and publishes who gets what."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping

from omnixan.edge_network.api.meta import CLAIM_LABEL, MEMORY_TIER_LABEL
from omnixan_operator import kinds
from omnixan_operator.decide import claiming
from omnixan_operator.decide.claiming import Claimant, Machine, Plan, Taint, Twin
from omnixan_operator.desired.common import claim_mark
from omnixan_operator.keys import Key, key_of
from omnixan_operator.kinds import Object
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile.context import Context, parse_cluster, paused
from omnixan_operator.store import EDGE_NODES_BY_CLUSTER, OPEN_RUNS_BY_NODE, alive, name_of, namespace_of, uid_of

REST = 3.0
"""After a pass that took a while there is none for so many times as long: a thousand new EdgeClusters need no thousand
passes over a thousand nodes."""
RECHECK = 1.0
FIELD_MANAGER = "omnixan-operator-claims"


async def reconcile(ctx: Context, _key: Key) -> float | None:
    """Decide who gets which node; label the nodes; wake the EdgeClusters for which something changed."""
    if ctx.monotonic() < ctx.claims_rest:
        return ctx.claims_rest - ctx.monotonic()
    gone = await _gone(ctx)
    begin = ctx.monotonic()
    clusters = [obj for obj in ctx.store.all(kinds.EDGE_CLUSTER) if alive(obj)]
    nodes, unheard = {name_of(node): node for node in ctx.store.all(kinds.NODE)}, _unheard(ctx) - gone
    machines = [_machine(node) for node in nodes.values() if _mark(node) not in unheard]
    plan = claiming.plan([_claimant(ctx, obj) for obj in clusters], machines)
    _publish(ctx, clusters, plan)
    now = ctx.monotonic()
    ctx.claims_rest = now + REST * (now - begin)
    changes = [_label(ctx, nodes[name], value) for name, value in plan.labels.items()]
    changes += [_unlabel(ctx, nodes[name]) for name in left_over(nodes, plan)]
    failures = [error for error in await asyncio.gather(*changes, return_exceptions=True) if error is not None]
    if failures:
        raise failures[0]
    return RECHECK if unheard else None


def _unheard(ctx: Context) -> set[str]:
    """Marks on nodes of EdgeClusters that the store does not have.

    They may exist all the same: watches of different kinds are not in step, and a new leader may see the claim that the
    former one wrote for a new EdgeCluster before the EdgeCluster itself.
    """
    known = {claim_mark(uid_of(obj)) for obj in ctx.store.all(kinds.EDGE_CLUSTER)}
    return {_mark(node) for node in ctx.store.all(kinds.NODE)} - known - {""}


async def _gone(ctx: Context) -> set[str]:
    """Those whose EdgeClusters the API server does not have either: their nodes are free."""
    unheard = _unheard(ctx)
    if not unheard:
        return unheard
    listed, _ = await ctx.api.list_known(kinds.EDGE_CLUSTER)
    return unheard - {claim_mark(one.uid) for one in listed}


def _mark(node: Object) -> str:
    """Of the EdgeCluster in a Node's claim; empty without one."""
    return str((node["metadata"].get("labels") or {}).get(CLAIM_LABEL) or "").rpartition(".")[2]


def _publish(ctx: Context, clusters: list[Object], plan: Plan) -> None:
    last, ctx.plan = ctx.plan, plan
    for obj in clusters:
        uid = uid_of(obj)
        if last is None or last.clusters.get(uid) != plan.clusters[uid]:
            ctx.queue.add(key_of(kinds.EDGE_CLUSTER, obj))


async def _label(ctx: Context, node: Object, value: str | None) -> None:
    """Set or remove a node's claim, if the Node is still the version that was decided on.

    The uid, too: an apply without it would create a Node that has been deleted meanwhile.
    """
    metadata = {"name": name_of(node), "uid": uid_of(node), "resourceVersion": node["metadata"]["resourceVersion"]}
    if value is not None:
        await ctx.apply(kinds.NODE, {"metadata": metadata | {"labels": {CLAIM_LABEL: value}}}, FIELD_MANAGER)
        ctx.recorder.normal(kinds.NODE, node, Reason.NODE_CLAIMED, f"claimed: {CLAIM_LABEL}={value}")
    else:
        # What the claim brought goes with it, in the same write.
        labels = {CLAIM_LABEL: None, MEMORY_TIER_LABEL: None}
        await ctx.merge(kinds.NODE, node, {"metadata": metadata | {"labels": labels}}, FIELD_MANAGER)
        ctx.recorder.normal(kinds.NODE, node, Reason.NODE_RELEASED, f"given back: {CLAIM_LABEL} removed")


def left_over(nodes: Mapping[str, Object], plan: Plan) -> list[str]:
    """Nodes without a claim that still carry what a claim brought: somebody tore the claim off as it was given back."""
    labels = {name: node["metadata"].get("labels") or {} for name, node in nodes.items()}
    return [
        name
        for name, found in labels.items()
        if MEMORY_TIER_LABEL in found and CLAIM_LABEL not in found and name not in plan.labels
    ]


async def _unlabel(ctx: Context, node: Object) -> None:
    metadata = {"uid": uid_of(node), "resourceVersion": node["metadata"]["resourceVersion"]}
    patch = {"metadata": metadata | {"labels": {MEMORY_TIER_LABEL: None}}}
    await ctx.merge(kinds.NODE, node, patch, FIELD_MANAGER)


def _claimant(ctx: Context, obj: Object) -> Claimant:
    cluster = parse_cluster(obj)
    on_their_way = ctx.offers.on_their_way()
    return Claimant(
        uid=uid_of(obj),
        created=str(obj["metadata"].get("creationTimestamp", "")),
        cluster=None if isinstance(cluster, str) else cluster,
        frozen=paused(obj),
        twins={name_of(twin): _twin(ctx, twin, on_their_way) for twin in ctx.store.find(EDGE_NODES_BY_CLUSTER, uid_of(obj))},
    )


def _twin(ctx: Context, obj: Object, on_their_way: Container[tuple[str, str]]) -> Twin:
    place = (namespace_of(obj), name_of(obj))
    busy = ctx.store.count_by(OPEN_RUNS_BY_NODE, place) > 0 or place in on_their_way
    return Twin(draining=bool(obj.get("spec", {}).get("drain")), busy=busy)


def _machine(node: Object) -> Machine:
    labels = node["metadata"].get("labels") or {}
    spec = node.get("spec", {})
    return Machine(
        name=name_of(node),
        labels=labels,
        claim=labels.get(CLAIM_LABEL),
        ready=any(condition["status"] == "True" for condition in node["status"]["conditions"]),
        schedulable=not spec.get("unschedulable") and alive(node),
        taints=tuple(
            Taint(taint.get("key", ""), taint.get("value", ""), taint.get("effect", ""))
            for taint in spec.get("taints") or ()
        ),
    )
