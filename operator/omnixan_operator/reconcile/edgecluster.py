"""An EdgeCluster's children and status. Which nodes it gets is decided in `claims`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from omnixan.edge_network.api.edgecluster import EdgeCluster, EdgeClusterStatus
from omnixan.edge_network.api.meta import CLAIM_LABEL, POOL_LABEL
from omnixan_operator import kinds
from omnixan_operator.apiserver import ForbiddenError, InvalidError, NotFoundError
from omnixan_operator.decide.claiming import ClusterPlan
from omnixan_operator.decide.confinement import message
from omnixan_operator.decide.modules import ENFORCE_LABEL, Given, judge
from omnixan_operator.desired.common import claim_mark, claim_value
from omnixan_operator.desired.daemonset import daemon_set
from omnixan_operator.desired.drift import immutable_differs, needs_apply
from omnixan_operator.desired.edgenode import edge_node, pool_named
from omnixan_operator.desired.rolebinding import role_binding
from omnixan_operator.desired.serviceaccount import service_account
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile.context import Context, parse, parse_cluster, paused
from omnixan_operator.status import edgecluster as status
from omnixan_operator.status.edgecluster import Member, Problem, Report, Seen
from omnixan_operator.status.same import same
from omnixan_operator.store import (
    DAEMON_SETS_BY_CLUSTER,
    EDGE_NODES_BY_CLUSTER,
    NODES_BY_CLAIM,
    alive,
    condition,
    controller_of,
    name_of,
    namespace_of,
)
from omnixan_operator.trim import trim

RETRY = 30.0
"""Seconds until a child that was refused is tried again: what was in its way may not be watched."""


async def reconcile(ctx: Context, key: Key) -> float | None:
    """Children first, then what is owned but not wanted, then one status write if it differs."""
    live = ctx.store.get(kinds.EDGE_CLUSTER, key.namespace, key.name)
    if live is None or not alive(live):
        return None
    cluster = parse_cluster(live)
    if isinstance(cluster, str):
        await _stall(ctx, live, cluster)
        return None
    plan = ctx.plan.clusters.get(cluster.metadata.uid) if ctx.plan is not None else None
    if plan is None or plan.generation != cluster.metadata.generation or ctx.confinement.problems is None:
        # The claiming pass and the first look at the policies come first; both wake this key. With the plan of an older spec
        # the status would call a spec done that nobody has looked at.
        return None
    problems: list[Problem] = []
    modules = _modules(ctx, cluster)
    if not paused(live):
        children = list(_children(ctx, cluster, plan, modules))
        problems = _unconfined(ctx)
        made = [child for child in children if not problems or child[0] is not kinds.DAEMON_SET]
        problems += [problem for child in made if (problem := await _ensure(ctx, cluster, *child)) is not None]
        await _prune(ctx, cluster, children)
    await _write_status(ctx, live, cluster, plan, modules, problems)
    return RETRY if problems else None


def _unconfined(ctx: Context) -> list[Problem]:
    """The problem that agents must not be started now, if it is there."""
    found = ctx.confinement.problems
    return [Problem(Reason.POLICIES_MISSING, message(found))] if found else []


def _modules(ctx: Context, cluster: EdgeCluster) -> dict[str, Given]:
    """By pool: the modules that its agents are given now."""
    namespace = ctx.store.get(kinds.NAMESPACE, "", cluster.metadata.namespace) or {}
    level = (namespace.get("metadata", {}).get("labels") or {}).get(ENFORCE_LABEL)
    return {pool.name: judge(cluster, pool, level) for pool in cluster.spec.pools}


def _children(
    ctx: Context, cluster: EdgeCluster, plan: ClusterPlan, modules: dict[str, Given]
) -> Iterator[tuple[Kind, Object]]:
    """All children that are wanted now. An EdgeNode is made once the claim is on its Node, not before."""
    yield kinds.SERVICE_ACCOUNT, service_account(cluster)
    yield kinds.ROLE_BINDING, role_binding(cluster, ctx.settings.agent_cluster_role)
    for pool in cluster.spec.pools:
        given, wanted = modules[pool.name].given, ctx.settings
        yield kinds.DAEMON_SET, daemon_set(cluster, pool, wanted.agent_image, given, token_seconds=wanted.token_seconds)
    for node, assignment in plan.nodes.items():
        if _claim(ctx, node) != claim_value(assignment.pool, cluster.metadata.uid):
            continue
        spec = pool_named(cluster, assignment.pool)
        tier = spec.tier if spec is not None else _tier_so_far(ctx, cluster, node)
        if tier is not None:
            yield kinds.EDGE_NODE, edge_node(cluster, assignment.pool, tier, node, assignment.drain)


def _claim(ctx: Context, node: str) -> str | None:
    obj = ctx.store.get(kinds.NODE, "", node)
    return None if obj is None else (obj["metadata"].get("labels") or {}).get(CLAIM_LABEL)


def _tier_so_far(ctx: Context, cluster: EdgeCluster, node: str) -> str | None:
    """The tier of a node whose pool was removed, until it is given back."""
    obj = ctx.store.get(kinds.EDGE_NODE, cluster.metadata.namespace, node)
    return None if obj is None else obj["spec"]["tier"]


async def _ensure(ctx: Context, cluster: EdgeCluster, kind: Kind, desired: Object) -> Problem | None:
    """Put one child right, if it is not; the problem, if it cannot be."""
    uid = cluster.metadata.uid
    live = ctx.store.get(kind, namespace_of(desired), name_of(desired))
    if live is not None and not needs_apply(desired, live):
        return None
    try:
        if live is None and kind.selector:
            # Somebody else's object of that name has no label of ours, so the watch does not show it.
            live = await _look_up(ctx, kind, desired)
            if live is not None and not needs_apply(desired, live):
                return None  # ours, made by a write whose answer was lost: its watch event is on the way
        if live is not None and _on_its_way_out(kind, live, cluster):
            return None  # its deletion wakes this key
        if live is not None and not _ours(live, uid) and not (kind is kinds.EDGE_NODE and controller_of(live) is None):
            return Problem(Reason.NAME_TAKEN, f"{kind.name} {name_of(desired)} exists and belongs to another owner")
        if live is not None and immutable_differs(kind.name, desired, live):
            await ctx.delete(kind, live)
            live = None
        await ctx.apply_over(kind, desired, live)
    except (InvalidError, ForbiddenError) as error:
        return Problem(Reason.CHILD_REJECTED, f"{kind.name} {name_of(desired)}: {error}")
    if kind is not kinds.EDGE_NODE and cluster.status.observed_generation == cluster.metadata.generation:
        what = f"{kind.name} {name_of(desired)} {'differed from what is wanted' if live else 'was missing'}"
        parent = kinds.EDGE_CLUSTER, {"metadata": cluster.metadata.wire()}
        ctx.recorder.normal(*parent, Reason.CHILD_RESTORED, f"{what} and was put right")
    return None


async def _look_up(ctx: Context, kind: Kind, desired: Object) -> Object | None:
    try:
        return trim(kind, await ctx.api.get(kind, namespace_of(desired), name_of(desired)))
    except NotFoundError:
        return None


def _ours(obj: Object, uid: str) -> bool:
    owner = controller_of(obj)
    return owner is not None and owner["uid"] == uid


def _on_its_way_out(kind: Kind, obj: Object, cluster: EdgeCluster) -> bool:
    """Whether an object is about to be deleted: a node's former EdgeCluster does so, and the garbage collector does
    with what a deleted EdgeCluster of the same name has left."""
    owner = controller_of(obj)
    if owner is None or owner["uid"] == cluster.metadata.uid or owner["kind"] != kinds.EDGE_CLUSTER.name:
        return False
    return kind is kinds.EDGE_NODE or owner["name"] == cluster.metadata.name


async def _prune(ctx: Context, cluster: EdgeCluster, children: list[tuple[Kind, Object]]) -> None:
    """Delete what the EdgeCluster owns and no longer wants. A removed pool's agents stay until its nodes are free."""
    uid = cluster.metadata.uid
    wanted = {(kind, name_of(obj)) for kind, obj in children}
    for obj in ctx.store.find(EDGE_NODES_BY_CLUSTER, uid):
        if (kinds.EDGE_NODE, name_of(obj)) not in wanted and alive(obj):
            await ctx.delete(kinds.EDGE_NODE, obj)
    in_use = {member.pool for member in _members(ctx, cluster)}
    for obj in ctx.store.find(DAEMON_SETS_BY_CLUSTER, uid):
        pool = obj["metadata"].get("labels", {}).get(POOL_LABEL)
        if (kinds.DAEMON_SET, name_of(obj)) not in wanted and pool not in in_use and alive(obj):
            await ctx.delete(kinds.DAEMON_SET, obj)


async def _write_status(
    ctx: Context,
    live: Object,
    cluster: EdgeCluster,
    plan: ClusterPlan,
    modules: dict[str, Given],
    problems: list[Problem],
) -> None:
    members = tuple(_members(ctx, cluster))
    seen = Seen(plan, members, _updated(ctx, cluster), tuple(problems), paused(live), modules)
    wanted = status.status(cluster, seen, ctx.now())
    if same(wanted, cluster.status):
        return
    await ctx.write_status(kinds.EDGE_CLUSTER, live, wanted.wire())
    for problem in problems:
        ctx.recorder.warning(kinds.EDGE_CLUSTER, live, problem.reason, problem.message)
    if plan.shortage is not None:
        ctx.recorder.warning(kinds.EDGE_CLUSTER, live, plan.shortage.reason, plan.shortage.message)
    for withheld in status.withheld(modules):
        ctx.recorder.warning(kinds.EDGE_CLUSTER, live, withheld.reason, withheld.message)


def _members(ctx: Context, cluster: EdgeCluster) -> Iterator[Member]:
    """Nodes that carry the EdgeCluster's claim, with what their EdgeNodes say."""
    mark = claim_value("", cluster.metadata.uid)
    for node in ctx.store.find(NODES_BY_CLAIM, claim_mark(cluster.metadata.uid)):
        claim = (node["metadata"].get("labels") or {}).get(CLAIM_LABEL, "")
        if not claim.endswith(mark):
            continue
        twin = ctx.store.get(kinds.EDGE_NODE, cluster.metadata.namespace, name_of(node))
        if twin is not None and not _ours(twin, cluster.metadata.uid):
            twin = None
        ready = condition(twin, "Ready").get("status") == "True"
        draining = twin is not None and bool(twin["spec"].get("drain"))
        found = {module: condition(twin, kind) for module, kind in status.MODULES.items()}
        reports = {m: Report(c.get("status") == "True", c.get("reason", "")) for m, c in found.items() if c}
        yield Member(name_of(node), claim.removesuffix(mark), ready, draining, reports)


def _updated(ctx: Context, cluster: EdgeCluster) -> dict[str, int]:
    """Per pool: agents of the current template, by the DaemonSet controller's own count."""
    counts: Counter[str] = Counter()
    for obj in ctx.store.find(DAEMON_SETS_BY_CLUSTER, cluster.metadata.uid):
        seen = obj.get("status", {})
        if seen.get("observedGeneration") == obj["metadata"].get("generation"):
            pool = obj["metadata"].get("labels", {}).get(POOL_LABEL, "")
            counts[pool] = seen.get("updatedNumberScheduled", 0)
    return dict(counts)


async def _stall(ctx: Context, live: Object, message: str) -> None:
    last = parse(EdgeClusterStatus, live.get("status") or {})
    before = EdgeClusterStatus() if isinstance(last, str) else last
    wanted = status.stalled(before, live["metadata"].get("generation", 0), message, ctx.now())
    if not same(wanted, before):
        await ctx.write_status(kinds.EDGE_CLUSTER, live, wanted.wire())
        ctx.recorder.warning(kinds.EDGE_CLUSTER, live, Reason.INVALID_SPEC, message)
