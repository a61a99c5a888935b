"""The status of an EdgeCluster out of what is claimed, what is ready and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel

from omnixan.edge_network.api.edgecluster import EdgeCluster, EdgeClusterStatus, PoolStatus
from omnixan.edge_network.api.meta import Condition
from omnixan.edge_network.api.modules import EffectiveModules
from omnixan_operator.decide.claiming import ClusterPlan
from omnixan_operator.decide.modules import Given, Withheld
from omnixan_operator.desired.common import pods
from omnixan_operator.reasons import Reason
from omnixan_operator.status.conditions import Now, find, holds, merge, truth

MODULES = {"persistent_memory": "PersistentMemoryReady", "memory_pooling": "MemoryPoolReady"}
"""By module: the condition by which an agent says on its EdgeNode whether it is in use."""


@dataclass(frozen=True)
class Report:
    """What a node's agent says of a module."""

    ready: bool
    reason: str


@dataclass(frozen=True)
class Member:
    """A claimed node."""

    node: str
    pool: str
    ready: bool
    draining: bool
    reports: Mapping[str, Report] = field(default_factory=dict)
    """By module: what its agent says of those that it was told of."""


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
    modules: Mapping[str, Given] = field(default_factory=dict)
    """Per pool: what its agents are given."""


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
            *_modules_ready(seen),
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
    return [*current, *_modules_ready(seen), *_paused(seen)]


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


def withheld(modules: Mapping[str, Given]) -> list[Withheld]:
    """The modules that were asked for and are not given, of all pools in their order."""
    return [one for given in modules.values() for one in given.withheld]


def _modules_ready(seen: Seen) -> list[Now]:
    """ModulesReady where modules are asked for. Nothing else depends on it: jobs run without them."""
    asked = [given for given in seen.modules.values() if given.asked.memory_pooling or given.asked.persistent_memory]
    if not asked:
        return []
    if missing := withheld(seen.modules):
        return [Now("ModulesReady", "False", missing[0].reason, "; ".join(one.message for one in missing))]
    troubles, silent = [], set()
    for module in MODULES:
        users = [m for m in seen.members if m.pool in seen.modules and getattr(seen.modules[m.pool].given, module)]
        silent |= {m.node for m in users if module not in m.reports}
        lacking = sorted(
            f"{m.node} ({report.reason})" for m in users if (report := m.reports.get(module)) and not report.ready
        )
        if lacking:
            troubles.append(f"{to_camel(module)} on {len(lacking)} of {len(users)} nodes: {_names(lacking)}")
    if troubles:
        message = f"{'; '.join(troubles)}. They run jobs without it; their EdgeNodes say more"
        return [Now("ModulesReady", "False", Reason.MODULES_NOT_READY, message)]
    if silent:
        message = f"{len(silent)} of {len(seen.members)} nodes have not reported yet: {_names(sorted(silent))}"
        return [Now("ModulesReady", "False", Reason.MODULES_STARTING, message)]
    return [Now("ModulesReady", "True", Reason.MODULES_READY, "the modules that are asked for are in use")]


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
            **_of_modules(seen, name),
        )
        for name in names
    ][:32]


def _of_modules(seen: Seen, pool: str) -> dict[str, Any]:
    """The modules of a pool as they are given, and on how many of its nodes each is in use."""
    found = seen.modules.get(pool)
    if found is None or found.given == EffectiveModules():
        return {}
    members = [member for member in seen.members if member.pool == pool]
    return {"modules": found.given} | {
        f"{module}_ready": sum(module in m.reports and m.reports[module].ready for m in members)
        for module in MODULES
        if getattr(found.given, module)
    }
