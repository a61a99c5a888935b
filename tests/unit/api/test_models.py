"""The models as a program uses them: defaults, immutability, wire format, names."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.edgecluster import (
    Agent,
    AgentOverride,
    EdgeCluster,
    PullSecret,
    Resources,
    effective_agent,
)
from omnixan.edge_network.api.meta import Condition, ObjectMeta
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan.edge_network.api.quantumrun import QuantumRun, run_name, workload_of
from omnixan.edge_network.api.workload import Problem
from tests.cases import good
from tests.cases.edit import DELETE, edited

SMALL_CLUSTER = good.manifest(
    "EdgeCluster",
    "small",
    {"nodes": 1, "pools": [{"name": "p", "tier": "compute", "nodeSelector": {"a": "b"}, "qpu": {"qubits": 5}}]},
)
SMALL_JOB = good.manifest(
    "QuantumJob", "small", {"clusterRef": {"name": "small"}, "program": {"inline": {"data": good.PROGRAM}}}
)


def test_an_edgecluster_has_safe_defaults() -> None:
    spec = EdgeCluster.model_validate(SMALL_CLUSTER).spec
    (pool,) = spec.pools
    assert spec.tenants is None, "its own namespace only"
    assert (spec.region, spec.agent, pool.min_nodes, pool.max_nodes) == ("", Agent(), 0, 5000)
    assert (pool.qpu.backend, pool.tolerations, pool.agent) == ("simulator", None, None)


def test_a_job_has_the_documented_defaults() -> None:
    spec = QuantumJob.model_validate(SMALL_JOB).spec
    assert spec.primitive.sampler.shots == 1024
    assert (spec.execution.seed, spec.execution.timeout_seconds) == (None, 3600)
    assert (spec.requirements.min_qubits, spec.requirements.tiers) == (None, None)
    assert spec.cluster_ref.namespace is None


def test_the_status_of_a_new_object_is_not_settled() -> None:
    assert QuantumJob.model_validate(SMALL_JOB).status.observed_generation == -1
    assert EdgeCluster.model_validate(SMALL_CLUSTER).status.wire() == {"observedGeneration": -1}
    assert not QuantumRun.model_validate(good.RUN_PROGRAM).over
    assert QuantumRun.model_validate(edited(good.RUN_PROGRAM, {"status.state": "Failed"})).over


def test_objects_cannot_be_changed_in_place() -> None:
    job = QuantumJob.model_validate(SMALL_JOB)
    with pytest.raises(ValidationError, match="frozen"):
        job.spec.execution.timeout_seconds = 1


def test_fields_of_a_newer_release_are_passed_over() -> None:
    newer = edited(SMALL_CLUSTER, {"spec.topology": "mesh", "metadata.managedFields": []})
    assert EdgeCluster.model_validate(newer) == EdgeCluster.model_validate(SMALL_CLUSTER)


def test_the_wire_format_leaves_out_what_is_absent() -> None:
    condition = Condition(type="Ready", status="True", reason="Fine", last_transition_time=good.TIME)
    assert condition.wire() == {
        "type": "Ready",
        "status": "True",
        "reason": "Fine",
        "message": "",
        "lastTransitionTime": good.TIME,
        "observedGeneration": 0,
    }
    assert "deletionTimestamp" not in ObjectMeta(name="x").wire()


def test_a_run_gets_the_jobs_workload_and_nothing_else() -> None:
    job = QuantumJob.model_validate(good.JOB_KNAPSACK)
    workload = workload_of(job.spec)
    assert workload == {k: v for k, v in good.JOB_KNAPSACK["spec"].items() if k not in good.JOB_REST}
    run = QuantumRun.model_validate(good.manifest("QuantumRun", run_name(good.UID, 1), workload | good.RUN_REST))
    assert workload_of(run.spec) == workload


def test_the_name_of_a_run_fits_a_label_value() -> None:
    assert run_name(good.UID, 1) == f"{good.UID}-1"
    assert len(run_name(good.UID, 16)) <= 63


@pytest.mark.parametrize(
    ("problem", "variables"),
    [
        ({"knapsack": good.KNAPSACK}, 3),
        ({"maxcut": {"edges": [[0, 1], [1, 7]]}}, 8),
        ({"qubo": good.QUBO}, 2),
    ],
)
def test_a_problem_knows_its_width(problem: good.Manifest, variables: int) -> None:
    assert Problem.model_validate(problem).variables == variables


def test_only_what_the_surroundings_did_is_tried_again() -> None:
    assert {category for category in Category if category.retriable} == {
        Category.NODE_UNREACHABLE,
        Category.RUN_LOST,
        Category.SUSPENDED,
        Category.AGENT_RESTARTED,
        Category.BACKEND_ERROR,
    }


LARGE, SMALL = Resources(limits={"memory": "2Gi"}), Resources(requests={"cpu": "100m"})


@pytest.mark.parametrize(
    ("agent", "override", "effective"),
    [
        (Agent(image="a:1", resources=LARGE), None, Agent(image="a:1", resources=LARGE)),
        (Agent(image="a:1", resources=LARGE), AgentOverride(), Agent(image="a:1", resources=LARGE)),
        (Agent(image="a:1"), AgentOverride(image="a:2"), Agent(image="a:2")),
        (Agent(image="a:1", resources=LARGE), AgentOverride(image="a:2"), Agent(image="a:2", resources=LARGE)),
        (Agent(image="a:1", resources=LARGE), AgentOverride(resources=SMALL), Agent(image="a:1", resources=SMALL)),
        (Agent(), AgentOverride(image="a:2", resources=SMALL), Agent(image="a:2", resources=SMALL)),
        (Agent(image="a:1"), AgentOverride(image=None), Agent(image="a:1")),
        (
            Agent(image_pull_secrets=[PullSecret(name="a"), PullSecret(name="b")], priority_class_name="low"),
            AgentOverride(image_pull_secrets=[PullSecret(name="c")]),
            Agent(image_pull_secrets=[PullSecret(name="c")], priority_class_name="low"),
        ),
        (Agent(), AgentOverride(), Agent()),
    ],
)
def test_a_pool_overrides_what_it_names_and_nothing_else(
    agent: Agent, override: AgentOverride | None, effective: Agent
) -> None:
    before = agent.wire(), override.wire() if override else None
    assert effective_agent(agent, override) == effective
    assert isinstance(effective_agent(agent, override), Agent)
    assert (agent.wire(), override.wire() if override else None) == before


def test_an_override_can_name_every_field_of_an_agent_and_has_no_default() -> None:
    assert AgentOverride.model_fields.keys() == Agent.model_fields.keys()
    assert AgentOverride().wire() == {}


def test_two_entries_of_one_key_are_named() -> None:
    with pytest.raises(ValidationError, match="two entries with row 0, column 0"):
        Problem.model_validate(edited({"qubo": good.QUBO}, {"qubo.terms.1.column": 0}))
    with pytest.raises(ValidationError, match="two entries with 'gateway'"):
        QuantumJob.model_validate(edited(good.JOB_PROGRAM, {"spec.requirements.tiers": ["gateway", "gateway"]}))


def test_a_job_without_a_spec_is_refused() -> None:
    with pytest.raises(ValidationError, match="spec"):
        QuantumJob.model_validate(edited(SMALL_JOB, {"spec": DELETE}))
