"""The status of an EdgeCluster out of what is claimed, what is ready and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from omnixan.edge_network.api.edgecluster import EdgeCluster, EdgeClusterStatus, PoolStatus
from omnixan.edge_network.api.meta import Condition
from omnixan_operator.decide.claiming import ClusterPlan
from omnixan_operator.desired.common import pods
from omnixan_operator.reasons import Reason
from omnixan_operator.status.conditions import Now, find, holds, merge, truth


@dataclass(frozen=True)
class Member:
    """A claimed node."""

    node: str
    pool: str
    ready: bool
    draining: bool


@dataclass(frozen=True)
class Problem:
    """A child that could not be made."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Seen:
    """What is seen of an EdgeCluster."""

    plan: ClusterPlan
    members: tuple[Member, ...]
    """Nodes that carry its claim."""
    updated: dict[str, int]
    """Per pool: nodes whose agent runs the current template."""
    problems: tuple[Problem, ...] = ()
    paused: bool = False


def status(cluster: EdgeCluster, seen: Seen, moment: datetime) -> EdgeClusterStatus:
    """The whole status."""
    generation = cluster.metadata.generation
    conditions = merge(cluster.status.conditions, _current(seen), generation, moment)
    pools = _pools(cluster, seen)
    return EdgeClusterStatus(
        observed_generation=generation,
        phase=phase(conditions),
        nodes=len(seen.members),
        ready_nodes=sum(member.ready for member in seen.members),
        desired_nodes=seen.plan.desired,
        selector=pods(cluster.metadata.name),
        pools=pools,
        conditions=conditions,
    )


def stalled(last: EdgeClusterStatus, generation: int, message: str, moment: datetime) -> EdgeClusterStatus:
    """The spec cannot be read: nothing is changed until it can."""
    current = [
        Now("Ready", "False", Reason.INVALID_SPEC, message),
        Now("Stalled", "True", Reason.INVALID_SPEC, message),
    ]
    conditions = merge(last.conditions, current, generation, moment)
    return last.model_copy(update={"observed_generation": generation, "phase": phase(conditions), "conditions": conditions})


def phase(conditions: Sequence[Condition]) -> str:
    """One word for printing."""
    if holds(conditions, "Paused"):
        return "Paused"
    if holds(conditions, "Stalled"):
        return "Stalled"
    if holds(conditions, "Ready"):
        return "Ready"
    available = find(conditions, "NodesAvailable")
    return "Progressing" if available is None or available.status == "True" else "Short"


def _current(seen: Seen) -> list[Now]:
    """Ready and NodesAvailable always, Reconciling, Stalled and Paused while they are true."""
    shortage = seen.plan.shortage
    if shortage is None:
        available = Now("NodesAvailable", "True", Reason.ENOUGH_NODES, f"{seen.plan.desired} nodes are wanted")
    else:
        available = Now("NodesAvailable", "False", shortage.reason, shortage.message)
    if seen.problems:
        first = seen.problems[0]
        message = "; ".join(problem.message for problem in seen.problems)
        return [
            Now("Ready", "False", first.reason, message),
            available,
            Now("Stalled", "True", first.reason, message),
            *_paused(seen),
        ]
    ready, reason, message = _readiness(seen)
    current = [Now("Ready", truth(ready), reason, message), available]
    rolling = sum(seen.updated.values()) < len(seen.members)
    if not ready:
        current.append(Now("Reconciling", "True", reason, message))
    elif rolling:
        text = f"{sum(seen.updated.values())} of {len(seen.members)} agents run the current template"
        current.append(Now("Reconciling", "True", Reason.ROLLING_OUT, text))
    return [*current, *_paused(seen)]


def _readiness(seen: Seen) -> tuple[bool, Reason, str]:
    plan, members = seen.plan, seen.members
    if plan.shortage is not None:
        return False, plan.shortage.reason, plan.shortage.message
    draining = sorted(member.node for member in members if member.draining)
    staying = len(members) - len(draining)
    if staying < plan.desired:
        return False, Reason.CLAIMING, f"{staying} of {plan.desired} nodes are claimed"
    if draining or staying > plan.desired:
        return False, Reason.DRAINING, f"being given back: {_names(draining)}" if draining else "nodes are given back"
    waiting = sorted(member.node for member in members if not member.ready)
    if waiting:
        return False, Reason.NODES_NOT_READY, f"{len(waiting)} of {len(members)} nodes are not ready: {_names(waiting)}"
    return True, Reason.READY, f"all {len(members)} nodes are ready"


def _names(nodes: list[str]) -> str:
    return ", ".join(nodes[:8]) + (f" and {len(nodes) - 8} more" if len(nodes) > 8 else "")


def _paused(seen: Seen) -> list[Now]:
    message = "nodes and agents stay as they are until the annotation is removed"
    return [Now("Paused", "True", Reason.PAUSED, message)] if seen.paused else []


def _pools(cluster: EdgeCluster, seen: Seen) -> list[PoolStatus]:
    names = [pool.name for pool in cluster.spec.pools]
    names += sorted({member.pool for member in seen.members} - set(names))  # removed pools while they drain
    return [
        PoolStatus(
            name=name,
            desired=seen.plan.pools.get(name, 0),
            claimed=sum(member.pool == name for member in seen.members),
            ready=sum(member.pool == name and member.ready for member in seen.members),
            updated=seen.updated.get(name, 0),
        )
        for name in names
    ][:32]
