"""The next free place in the queues of an EdgeCluster's nodes: the job whose turn it is is woken, and takes it."""

from __future__ import annotations

from collections.abc import Sequence

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan_operator import kinds
from omnixan_operator.decide.dispatch import Waiting
from omnixan_operator.decide.placement import Need, Offer, has_place
from omnixan_operator.keys import Key, dispatch_key
from omnixan_operator.reconcile.context import Context, parse_cluster
from omnixan_operator.store import OPEN_RUNS_BY_TENANT, alive


async def reconcile(ctx: Context, key: Key) -> float | None:
    """Wake the job whose turn it is; when it has taken its place, it has this done again."""
    found = ctx.store.get(kinds.EDGE_CLUSTER, key.namespace, key.name)
    if found is None or not alive(found) or not len(ctx.lines.of(found["metadata"]["uid"])):
        return None
    cluster = parse_cluster(found)
    if not isinstance(cluster, str):
        first = _first(ctx, cluster, ctx.offers.of(cluster.metadata.uid))
        if first is not None:
            ctx.queue.add(first)
    return None


def enter(ctx: Context, key: Key, job: QuantumJob, cluster: EdgeCluster, need: Need) -> float:
    """The job waits for its turn; returns for how many seconds it has."""
    meta = job.metadata
    entry = Waiting(key, meta.namespace, job.spec.priority, meta.creation_timestamp, meta.uid, need)
    return ctx.lines.enter(cluster.metadata.uid, entry, ctx.monotonic())


def takes_turn(ctx: Context, key: Key, cluster: EdgeCluster, nodes: Sequence[Offer]) -> bool:
    """Whether it is this job's turn, which it takes then; else the one whose turn it is is woken."""
    first = _first(ctx, cluster, nodes)
    if first is not None and first != key:
        ctx.queue.add(first)
    if first != key:
        return False
    ctx.lines.leave(key)
    ctx.lines.of(cluster.metadata.uid).go(key.namespace)
    ctx.queue.add(dispatch_key(cluster.metadata.namespace, cluster.metadata.name))
    return True


def turn_is_over(ctx: Context, key: Key, cluster: EdgeCluster) -> None:
    """The job that took its turn has its run, or got none."""
    ctx.lines.of(cluster.metadata.uid).gone(key.namespace)


def leave(ctx: Context, key: Key, job: QuantumJob | None = None) -> None:
    """The job does not wait for its turn (any more)."""
    if ctx.lines.leave(key) and job is not None:  # it may have been the one that was woken
        reference = job.spec.cluster_ref
        ctx.queue.add(dispatch_key(reference.namespace or key.namespace, reference.name))


def _first(ctx: Context, cluster: EdgeCluster, nodes: Sequence[Offer]) -> Key | None:
    free = [node for node in nodes if not node.full and node.ready and not node.draining]
    if not free:
        return None
    known: dict[Need, bool] = {}

    def fits(need: Need) -> bool:
        if need not in known:
            known[need] = has_place(need, free)
        return known[need]

    uid = cluster.metadata.uid
    found = ctx.lines.of(uid).first(lambda tenant: ctx.store.count_by(OPEN_RUNS_BY_TENANT, (uid, tenant)), fits)
    return found.key if found is not None else None
