"""The status of an EdgeCluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omnixan.edge_network.api.edgecluster import EdgeClusterStatus
from omnixan.edge_network.api.modules import Modules
from omnixan_operator.decide.claiming import Assignment, ClusterPlan, Shortage
from omnixan_operator.decide.modules import judge
from omnixan_operator.reasons import Reason
from omnixan_operator.status.edgecluster import Member, Problem, Report, Seen, stalled, status
from tests.unit.omnixan_operator.operator_makers import assert_clean, at, cluster, kstatus, pool

NODES = {"n1": Assignment("gateway"), "n2": Assignment("gateway")}
PLAN = ClusterPlan(2, {"gateway": 2}, NODES)
READY = (Member("n1", "gateway", ready=True, draining=False), Member("n2", "gateway", ready=True, draining=False))
SEEN = Seen(PLAN, READY, {"gateway": 2})
POOL = cluster().spec.pools[0]


def conclude(seen: Seen, **more: Any) -> tuple[str, str, dict[str, tuple[str, str]]]:
    wire = status(cluster(nodes=2, **more), seen, at(0)).wire()
    assert_clean(wire)
    assert EdgeClusterStatus.model_validate(wire).wire() == wire
    return wire["phase"], kstatus(1, wire), {c["type"]: (c["status"], c["reason"]) for c in wire["conditions"]}


def test_all_is_well() -> None:
    phase, verdict, conditions = conclude(SEEN)
    assert (phase, verdict) == ("Ready", "Current")
    assert conditions == {"Ready": ("True", "Ready"), "NodesAvailable": ("True", "EnoughNodes")}


@pytest.mark.parametrize(
    ("seen", "phase", "reason"),
    [
        (replace(SEEN, members=READY[:1]), "Progressing", "Claiming"),
        (replace(SEEN, members=(READY[0], replace(READY[1], ready=False))), "Progressing", "NodesNotReady"),
        (
            replace(SEEN, members=(*READY, Member("n3", "gateway", ready=True, draining=True)), updated={"gateway": 3}),
            "Progressing",
            "Draining",
        ),
        (replace(SEEN, plan=replace(PLAN, shortage=Shortage(1, Reason.CLAIMED_BY_OTHER, "x"))), "Short", "ClaimedByOther"),
    ],
)
def test_it_is_under_way(seen: Seen, phase: str, reason: str) -> None:
    found, verdict, conditions = conclude(seen)
    assert (found, verdict) == (phase, "InProgress")
    assert conditions["Ready"] == ("False", reason) and conditions["Reconciling"] == ("True", reason)


def test_a_rollout_does_not_make_it_unready() -> None:
    phase, verdict, conditions = conclude(replace(SEEN, updated={"gateway": 1}))
    assert (phase, verdict) == ("Ready", "InProgress")
    assert conditions["Reconciling"] == ("True", "RollingOut")


def test_a_refused_child_stalls_it() -> None:
    problem = Problem(Reason.CHILD_REJECTED, "DaemonSet x: bad")
    phase, verdict, conditions = conclude(replace(SEEN, problems=(problem,)))
    assert (phase, verdict) == ("Stalled", "Failed") and conditions["Ready"] == ("False", "ChildRejected")


def test_a_pause_is_shown() -> None:
    phase, _, conditions = conclude(replace(SEEN, paused=True))
    assert phase == "Paused" and conditions["Paused"] == ("True", "Paused")


def test_pools_are_counted_each_with_removed_ones_while_they_drain() -> None:
    members = (*READY, Member("n3", "old", ready=False, draining=True))
    wire = status(cluster(nodes=2, pools=[pool(), pool("compute")]), replace(SEEN, members=members), at(0)).wire()
    assert wire["pools"] == [
        {"name": "gateway", "desired": 2, "claimed": 2, "ready": 2, "updated": 2},
        {"name": "compute", "desired": 0, "claimed": 0, "ready": 0, "updated": 0},
        {"name": "old", "desired": 0, "claimed": 1, "ready": 0, "updated": 0},
    ]
    assert (wire["nodes"], wire["readyNodes"], wire["desiredNodes"]) == (3, 2, 2)
    assert wire["selector"] == "edge.omnixan.io/cluster=ec,app.kubernetes.io/component=node-agent"


def test_the_same_observation_gives_the_same_status() -> None:
    own = cluster(nodes=2)
    first = status(own, SEEN, at(0))
    assert status(own.model_copy(update={"status": first}), SEEN, at(500)) == first


def test_an_unreadable_spec_stalls() -> None:
    wire = stalled(EdgeClusterStatus(), 4, "spec.nodes: missing", at(0)).wire()
    assert_clean(wire)
    assert kstatus(4, wire) == "Failed" and wire["phase"] == "Stalled"


MEMORY = Modules.model_validate({"persistentMemory": {}, "memoryPooling": {"poolSize": "512Mi"}})
DURABLE, NO_DAX, OPEN = Report(True, "Durable"), Report(False, "NoDAX"), Report(True, "PoolOpen")
BOTH = {"persistent_memory": DURABLE, "memory_pooling": OPEN}
WITH_MODULES = replace(SEEN, modules={"gateway": judge(cluster(modules=MEMORY.wire()), POOL, "privileged")})


@pytest.mark.parametrize(
    ("reports", "condition", "said"),
    [
        (({}, {}), ("False", "ModulesStarting"), "2 of 2 nodes have not reported yet: n1, n2"),
        ((BOTH, {"memory_pooling": OPEN}), ("False", "ModulesStarting"), "1 of 2 nodes have not reported yet: n2"),
        ((BOTH, BOTH), ("True", "ModulesReady"), "in use"),
        (
            (BOTH, BOTH | {"persistent_memory": NO_DAX}),
            ("False", "ModulesNotReady"),
            "persistentMemory on 1 of 2 nodes: n2 (NoDAX)",
        ),
        (({}, BOTH | {"memory_pooling": Report(False, "PoolTooLarge")}), ("False", "ModulesNotReady"), "n2 (PoolTooLarge)"),
    ],
)
def test_modules_are_judged_by_what_agents_say(reports: Any, condition: tuple[str, str], said: str) -> None:
    members = tuple(replace(member, reports=found) for member, found in zip(READY, reports, strict=True))
    seen = replace(WITH_MODULES, members=members)
    phase, verdict, conditions = conclude(seen)
    assert (phase, verdict) == ("Ready", "Current"), "jobs run without them"
    assert conditions["ModulesReady"] == condition
    wire = status(cluster(nodes=2), seen, at(0)).wire()
    assert said in next(c["message"] for c in wire["conditions"] if c["type"] == "ModulesReady")
    of_pool = wire["pools"][0]
    assert of_pool["modules"]["persistentMemory"]["pmemPath"] == "/mnt/pmem0"
    assert of_pool["modules"]["memoryPooling"]["poolSize"] == "512Mi"
    for field, module in (("persistentMemoryReady", "persistent_memory"), ("memoryPoolingReady", "memory_pooling")):
        assert of_pool[field] == sum(module in found and found[module].ready for found in reports)


def test_a_module_that_cannot_be_given_is_told_and_the_others_stay() -> None:
    judged = judge(cluster(modules=MEMORY.wire()), POOL, "restricted")
    _, _, conditions = conclude(replace(WITH_MODULES, modules={"gateway": judged}))
    assert conditions["ModulesReady"] == ("False", "NamespaceNotPrivileged")
    wire = status(cluster(nodes=2), replace(WITH_MODULES, modules={"gateway": judged}), at(0)).wire()
    assert wire["pools"][0]["modules"].keys() == {"memoryPooling"} and "persistentMemoryReady" not in wire["pools"][0]


def test_without_modules_nothing_is_said_of_them() -> None:
    seen = replace(SEEN, modules={"gateway": judge(cluster(), POOL, "restricted")})
    assert status(cluster(nodes=2), seen, at(0)) == status(cluster(nodes=2), SEEN, at(0))
