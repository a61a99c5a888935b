"""Claiming: who gets which node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnixan_operator.decide.claiming import Claimant, Machine, Plan, Taint, Twin, plan
from omnixan_operator.desired.common import claim_mark, claim_value
from omnixan_operator.reasons import Reason
from tests.unit.omnixan_operator.operator_makers import Object, cluster, meta, pool

COMPUTE = pool("compute", "cp", "compute")


def claimant(
    nodes: int, *pools: Object, uid: str = "a" * 10, created: str = "2026-01-01T00:00:00Z", **more: Any
) -> Claimant:
    own = cluster(nodes=nodes, pools=list(pools) or None, metadata=meta("ec", uid=uid))
    return Claimant(uid, created, own, **more)


def machine(name: str, role: str = "gw", claim: str | None = None, **more: Any) -> Machine:
    return Machine(name, {"role": role}, claim, **more)


def held(name: str, role: str = "gw", pool: str = "gateway", uid: str = "a" * 10, **more: Any) -> Machine:
    return machine(name, role, claim_value(pool, uid), **more)


def nodes_of(decided: Plan, uid: str = "a" * 10) -> dict[str, str]:
    return {n: a.pool + ("!" if a.drain else "") for n, a in decided.clusters[uid].nodes.items()}


def test_minimums_come_first_then_pools_in_order() -> None:
    own = claimant(4, pool(minNodes=1), COMPUTE | {"minNodes": 2})
    machines = [machine(f"g{i}") for i in range(4)] + [machine(f"c{i}", "cp") for i in range(4)]
    decided = plan([own], machines)
    assert nodes_of(decided) == {"g0": "gateway", "g1": "gateway", "c0": "compute", "c1": "compute"}
    assert decided.clusters["a" * 10].pools == {"gateway": 2, "compute": 2}
    assert decided.labels["g0"] == claim_value("gateway", "a" * 10)


def test_what_a_pool_cannot_fill_goes_to_the_next() -> None:
    decided = plan([claimant(3, pool(), COMPUTE)], [machine("g0"), machine("c0", "cp"), machine("c1", "cp")])
    assert nodes_of(decided) == {"g0": "gateway", "c0": "compute", "c1": "compute"}
    assert decided.clusters["a" * 10].shortage is None


def test_a_pool_never_exceeds_its_maximum() -> None:
    decided = plan([claimant(3, pool(maxNodes=2), COMPUTE)], [machine(f"g{i}") for i in range(3)])
    assert nodes_of(decided) == {"g0": "gateway", "g1": "gateway"}
    short = decided.clusters["a" * 10].shortage
    assert short is not None and short.missing == 1 and short.reason is Reason.NO_CANDIDATE_NODES
    assert decided.clusters["a" * 10].pools == {"gateway": 2, "compute": 1}


def test_claims_are_not_moved_back_when_a_node_appears() -> None:
    own = claimant(2, pool(), COMPUTE)
    decided = plan([own], [held("c0", "cp", "compute"), held("c1", "cp", "compute"), machine("g0")])
    assert nodes_of(decided) == {"c0": "compute", "c1": "compute"} and not decided.labels


def test_a_raised_minimum_takes_a_node_from_another_pool() -> None:
    own = claimant(2, pool(minNodes=1), COMPUTE, twins={"c0": Twin(False, False), "c1": Twin(False, False)})
    decided = plan([own], [held("c0", "cp", "compute"), held("c1", "cp", "compute"), machine("g0")])
    assert nodes_of(decided) == {"c0": "compute", "c1": "compute!", "g0": "gateway"}


@pytest.mark.parametrize(
    ("twins", "ready", "victim"),
    [
        ({}, {}, "g2"),
        ({"g2": Twin(False, True)}, {}, "g1"),
        ({"g0": Twin(False, True), "g1": Twin(False, True), "g2": Twin(False, True)}, {"g0": False}, "g0"),
        ({"g0": Twin(True, True)}, {"g1": False}, "g0"),
    ],
    ids=["the last by name", "an idle one", "an unready one", "one that drains already"],
)
def test_scaling_down_spares_work(twins: Mapping[str, Twin], ready: Mapping[str, bool], victim: str) -> None:
    known = {name: Twin(False, False) for name in ("g0", "g1", "g2")} | dict(twins)
    machines = [held(name, ready=ready.get(name, True)) for name in ("g0", "g1", "g2")]
    decided = plan([claimant(2, twins=known)], machines)
    assert [n for n, p in nodes_of(decided).items() if p == "gateway"] == sorted({"g0", "g1", "g2"} - {victim})


def test_pools_shrink_from_the_last_and_keep_their_minimum() -> None:
    twins = {name: Twin(False, False) for name in ("g0", "g1", "c0", "c1")}
    own = claimant(2, pool(), COMPUTE | {"minNodes": 1}, twins=twins)
    machines = [held("g0"), held("g1"), held("c0", "cp", "compute"), held("c1", "cp", "compute")]
    assert nodes_of(plan([own], machines)) == {"g0": "gateway", "g1": "gateway!", "c0": "compute", "c1": "compute!"}


@pytest.mark.parametrize(
    ("twin", "ready", "kept"),
    [
        (None, True, False),
        (Twin(draining=False, busy=False), True, True),
        (Twin(draining=True, busy=True), True, True),
        (Twin(draining=True, busy=False), True, False),
        (Twin(draining=True, busy=True), False, False),
    ],
    ids=["never had an EdgeNode", "drains first", "busy", "drained", "unready: nobody knows when it returns"],
)
def test_a_node_is_given_back_when_its_runs_are_over(twin: Twin | None, ready: bool, kept: bool) -> None:
    decided = plan([claimant(0, twins={"g0": twin} if twin else {})], [held("g0", ready=ready)])
    assert (nodes_of(decided) == {"g0": "gateway!"}) == kept
    assert decided.labels == ({} if kept else {"g0": None})


def test_scaling_up_again_cancels_a_drain() -> None:
    decided = plan([claimant(1, twins={"g0": Twin(True, True)})], [held("g0"), machine("g1")])
    assert nodes_of(decided) == {"g0": "gateway"}


def test_a_node_that_no_longer_matches_is_replaced_and_drained() -> None:
    own = claimant(1, twins={"g0": Twin(False, True)})
    decided = plan([own], [held("g0", role="moved"), machine("g1")])
    assert nodes_of(decided) == {"g0": "gateway!", "g1": "gateway"}


def test_a_removed_pools_nodes_drain() -> None:
    own = claimant(1, twins={"c0": Twin(False, True)})
    decided = plan([own], [held("c0", "cp", "compute"), machine("g0")])
    assert nodes_of(decided) == {"c0": "compute!", "g0": "gateway"}


def test_cordoned_and_unready_nodes_are_not_claimed_but_kept() -> None:
    machines = [machine("g0", schedulable=False), machine("g1", ready=False), held("g2", schedulable=False, ready=False)]
    decided = plan([claimant(3)], machines)
    assert nodes_of(decided) == {"g2": "gateway"}
    short = decided.clusters["a" * 10].shortage
    assert short is not None and "2 matching nodes are cordoned or not Ready" in short.message


@pytest.mark.parametrize(
    ("tolerations", "fits"),
    [
        (None, False),
        ([{"operator": "Exists"}], True),
        ([{"key": "edge", "operator": "Exists"}], True),
        ([{"key": "edge", "value": "yes", "effect": "NoSchedule"}], True),
        ([{"key": "edge", "value": "no"}], False),
        ([{"key": "edge", "value": "yes", "effect": "NoExecute"}], False),
    ],
)
def test_nodes_where_agents_could_not_run_are_no_candidates(tolerations: list[Object] | None, fits: bool) -> None:
    taints = (Taint("edge", "yes", "NoSchedule"), Taint("node.kubernetes.io/disk-pressure", "", "NoSchedule"))
    decided = plan([claimant(1, pool(tolerations=tolerations))], [machine("g0", taints=taints)])
    assert bool(nodes_of(decided)) == fits


def test_the_older_cluster_comes_first_then_the_lower_uid() -> None:
    young = claimant(1, uid="a" * 10, created="2026-02-01T00:00:00Z")
    old, twin = claimant(1, uid="c" * 10), claimant(1, uid="b" * 10)
    decided = plan([young, old, twin], [machine("g0")])
    assert nodes_of(decided, "b" * 10) == {"g0": "gateway"}
    for loser in ("a" * 10, "c" * 10):
        short = decided.clusters[loser].shortage
        assert short is not None and short.reason is Reason.CLAIMED_BY_OTHER


def test_no_cluster_takes_a_claimed_node() -> None:
    young = claimant(1, uid="b" * 10, created="2026-02-01T00:00:00Z")
    decided = plan([claimant(1), young], [held("g0", uid="b" * 10)])
    assert nodes_of(decided, "b" * 10) == {"g0": "gateway"} and not nodes_of(decided)


def test_claims_of_dead_clusters_are_removed_and_can_be_taken() -> None:
    decided = plan([claimant(1)], [held("g0", uid="dead" * 3), held("g1", "cp", uid="dead" * 3), machine("x", claim="?")])
    assert decided.labels == {"g0": claim_value("gateway", "a" * 10), "g1": None, "x": None}


@pytest.mark.parametrize("own", [claimant(0, frozen=True), replace(claimant(0), cluster=None)], ids=["paused", "unreadable"])
def test_a_frozen_cluster_keeps_what_it_has(own: Claimant) -> None:
    own = replace(own, twins={"g0": Twin(True, False)})
    decided = plan([own, claimant(5, uid="b" * 10)], [held("g0"), held("g1", "moved")])
    assert nodes_of(decided) == {"g0": "gateway!", "g1": "gateway"} and not decided.labels


ROLES = st.sampled_from(["gw", "cp", "none"])
POOLS = st.lists(
    st.builds(
        lambda role, low, span: {"nodeSelector": {"role": role}, "minNodes": low, "maxNodes": max(1, low + span)},
        ROLES,
        st.integers(0, 2),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Claimant], list[Machine]]:
    uids = draw(st.lists(st.sampled_from(["a" * 10, "b" * 10, "c" * 10]), min_size=1, max_size=3, unique=True))
    claimants = []
    names = [f"n{i}" for i in range(draw(st.integers(0, 8)))]
    for uid in uids:
        pools = [pool(f"p{i}") | fields for i, fields in enumerate(draw(POOLS))]
        least = sum(p["minNodes"] for p in pools)
        twins = {n: Twin(draw(st.booleans()), draw(st.booleans())) for n in names if draw(st.booleans())}
        created = f"2026-01-0{draw(st.integers(1, 3))}T00:00:00Z"
        nodes = draw(st.integers(least, least + 6))
        claimants.append(claimant(nodes, *pools, uid=uid, created=created, frozen=draw(st.booleans()), twins=twins))
    values = [None] + [f"p{i}.{claim_mark(uid)}" for i in range(4) for uid in [*uids, "d" * 10]]
    machines = [
        machine(n, draw(ROLES), draw(st.sampled_from(values)), ready=draw(st.booleans()), schedulable=draw(st.booleans()))
        for n in names
    ]
    return claimants, machines


@settings(max_examples=150, deadline=None)
@given(worlds(), st.randoms())
def test_whatever_the_world_the_rules_hold(world: tuple[list[Claimant], list[Machine]], random: Any) -> None:
    claimants, machines = world
    decided = plan(claimants, machines)
    shuffled = list(claimants), list(machines)
    random.shuffle(shuffled[0]), random.shuffle(shuffled[1])
    assert plan(*shuffled) == decided, "the order of the arguments does not matter"
    by_name = {m.name: m for m in machines}
    owners = [name for one in decided.clusters.values() for name in one.nodes]
    assert len(owners) == len(set(owners)), "a node has one owner"
    for own in claimants:
        mine = decided.clusters[own.uid]
        if own.frozen:
            continue
        assert own.cluster is not None
        pools = {p.name: p for p in own.cluster.spec.pools}
        staying = {n: a for n, a in mine.nodes.items() if not a.drain}
        assert len(staying) <= mine.desired
        for name, assignment in staying.items():
            machine_ = by_name[name]
            assert pools[assignment.pool].node_selector["role"] == machine_.labels["role"]
            if machine_.claim != claim_value(assignment.pool, own.uid):
                assert machine_.ready and machine_.schedulable, "newly claimed"
        for name, one in pools.items():
            assert sum(a.pool == name for a in staying.values()) <= one.max_nodes
        assert (mine.shortage is not None) == (len(staying) < mine.desired)
        for name, assignment in mine.nodes.items():
            if assignment.drain:
                assert by_name[name].claim == claim_value(assignment.pool, own.uid), "only a held node drains"


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_doing_what_is_decided_settles(world: tuple[list[Claimant], list[Machine]]) -> None:
    """Labels and drains carried out, runs ended: after a few passes nothing changes any more."""
    claimants, machines = world
    for _ in range(8):
        decided = plan(claimants, machines)
        settled = not decided.labels
        machines = [replace(m, claim=decided.labels.get(m.name, m.claim)) for m in machines]
        following = []
        for own in claimants:
            nodes = decided.clusters[own.uid].nodes
            twins = {n: Twin(a.drain, False) for n, a in nodes.items()}
            settled = settled and twins == own.twins
            following.append(replace(own, twins=twins))
        claimants = following
        if settled:
            return
    raise AssertionError("it never settles")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_plan_says_which_generation_it_was_made_for(frozen: bool) -> None:
    own = cluster(nodes=1, pools=[pool()], metadata=meta("ec", uid="a" * 10, generation=7))
    decided = plan([Claimant("a" * 10, "2026-01-01T00:00:00Z", own, frozen=frozen)], [machine("g0")])
    assert decided.clusters["a" * 10].generation == 7
