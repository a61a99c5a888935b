"""Whether the node of a job's run is cut off, and how much longer that is borne."""

from __future__ import annotations

from datetime import datetime

from omnixan.edge_network.api.edgecluster import EdgeCluster, Pool
from omnixan.edge_network.api.meta import seconds_of
from omnixan_operator import kinds
from omnixan_operator.decide.heartbeat import Pulse, pulse
from omnixan_operator.decide.joblife import RunSeen, Silence
from omnixan_operator.kinds import Object
from omnixan_operator.reconcile.context import Context
from omnixan_operator.reconcile.edgenode import DEFAULT_DURATION
from omnixan_operator.store import condition


def of(ctx: Context, cluster: EdgeCluster, run: RunSeen, job: Object) -> Silence | None:
    """The silence of the run's node; None if its heartbeat is there.

    The pool's autonomyDuration counts from the moment at which the heartbeat is lost, which is when the Lease's own
    duration has passed without a change that the operator saw. No two wall clocks are compared.
    """
    lease = ctx.store.get(kinds.LEASE, run.namespace, run.node)
    node = ctx.store.get(kinds.EDGE_NODE, run.namespace, run.node)
    beat, now = ctx.feed.last_beat(run.namespace, run.node), ctx.monotonic()
    duration = float((lease or {}).get("spec", {}).get("leaseDurationSeconds") or DEFAULT_DURATION)
    autonomy = _autonomy(cluster, node)
    match pulse(beat, duration, now):
        case Pulse.FRESH:
            return None
        case Pulse.UNKNOWN:  # just after the operator's start: the job says what it said before
            known = condition(job, "Detached").get("status") == "True"
            return Silence(autonomy, seconds_of(autonomy) + duration) if known else None
        case Pulse.LOST:
            assert beat is not None
            return Silence(autonomy, beat.seen + duration + seconds_of(autonomy) - now)
        case Pulse.NONE:
            return _without_lease(ctx, node, autonomy)


def _without_lease(ctx: Context, node: Object | None, autonomy: str) -> Silence | None:
    """A Lease that was deleted and does not come back: counted from when the EdgeNode was found not ready."""
    ready = condition(node, "Ready")
    if ready.get("status") != "False":
        return None
    gone = (ctx.now() - datetime.fromisoformat(ready["lastTransitionTime"])).total_seconds()
    return Silence(autonomy, seconds_of(autonomy) - gone)


def _autonomy(cluster: EdgeCluster, node: Object | None) -> str:
    name = (node or {}).get("spec", {}).get("pool")
    default: str = Pool.model_fields["autonomy_duration"].default
    return next((pool.autonomy_duration for pool in cluster.spec.pools if pool.name == name), default)
