"""Every wrong wish is refused or fails with category, reason and advice, while the neighbours' jobs run on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from e2e import install, manifests
from e2e.kubectl import Kubectl, KubectlError, condition, is_true
from e2e.scenarios.conftest import EdgeClusterMaker

HEADER = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
NAME = "bad-input"


def nested_gates(depth: int) -> str:
    """A short program whose gate, expanded, has 2**depth gates."""
    text = HEADER + "gate g0 a { h a; }\n"
    for level in range(1, depth + 1):
        text += f"gate g{level} a {{ g{level - 1} a; g{level - 1} a; }}\n"
    return text + f"qubit[1] q;\nbit[1] c;\ng{depth} q[0];\nc = measure q;\n"


# name → (program, category, a part of the message)
PROGRAMS = {
    "truncated": (HEADER + "qubit[2] q;\nh q[0", "INVALID_PROGRAM", "cut off"),
    "unknown-gate": (
        HEADER + "qubit[2] q;\nbit[2] c;\nfrobnicate q[0];\nc = measure q;\n",
        "INVALID_PROGRAM",
        "frobnicate",
    ),
    "measures-nothing": (HEADER + "qubit[2] q;\nh q[0];\n", "INVALID_PROGRAM", "measure"),
    "includes-a-file": (
        'OPENQASM 3.0;\ninclude "/etc/passwd";\nqubit[1] q;\n',
        "PAYLOAD_REJECTED",
        "include",
    ),
    "huge-register": (HEADER + "qubit[100000000] q;\nbit[1] c;\nc[0] = measure q[0];\n", "PAYLOAD_REJECTED", "qubits"),
    "expands-without-end": (nested_gates(40), "PAYLOAD_REJECTED", "program"),
}


@pytest.fixture(scope="module")
def ready(kubectl: Kubectl, edge_cluster: EdgeClusterMaker) -> Iterator[str]:
    """An EdgeCluster of one gateway."""
    gateway = manifests.pool("gateway", "gateway", "gateway", qubits=8, low=1, high=1)
    with edge_cluster(manifests.edge_cluster(NAME, 1, gateway, tenant="true")):
        yield NAME


def failed(kubectl: Kubectl, name: str, namespace: str, timeout: float = 60) -> dict[str, Any]:
    found = kubectl.until("quantumjob", name, namespace, is_true("Failed"), timeout)
    assert found is not None
    failure: dict[str, Any] = found["status"]["failure"]
    assert condition(found, "Failed")["reason"] == failure["reason"]
    assert found["status"]["phase"] == "Failed"
    return failure


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_bad_program_fails_with_its_category_and_a_neighbour_completes(
    kubectl: Kubectl, ready: str, tenant: str, name: str
) -> None:
    program, category, part = PROGRAMS[name]
    kubectl.apply(
        manifests.program_job(name, tenant, ready, program),
        manifests.program_job(f"{name}-neighbour", tenant, ready, manifests.ghz(3)),
    )
    failure = failed(kubectl, name, tenant)
    assert failure["category"] == category
    assert part in failure["message"].lower()
    kubectl.until("quantumjob", f"{name}-neighbour", tenant, is_true("Complete"))


def test_a_parser_bomb_is_killed_within_five_seconds(kubectl: Kubectl, ready: str, tenant: str) -> None:
    expression = "(" * 4000 + "1" + ")" * 4000
    bomb = HEADER + "qubit[1] q;\nbit[1] c;\n" + f"rz({expression}) q[0];\n" * 12 + "c = measure q;\n"
    kubectl.apply(
        manifests.program_job("bomb", tenant, ready, bomb),
        manifests.program_job("beside-the-bomb", tenant, ready, manifests.ghz(3)),
    )
    kubectl.until("quantumjob", "beside-the-bomb", tenant, is_true("Complete"))
    failure = failed(kubectl, "bomb", tenant)
    assert failure["category"] == "PAYLOAD_REJECTED"
    over = kubectl.get("quantumjob", "bomb", tenant)
    assert over is not None
    # Five seconds for the parser; the rest is the cluster. By the cluster's own clock: kubectl takes as long as it does.
    ended = datetime.fromisoformat(over["status"]["completionTime"])
    assert ended - datetime.fromisoformat(over["metadata"]["creationTimestamp"]) < timedelta(seconds=5 + 10)


def test_a_wrong_digest_is_refused(kubectl: Kubectl, ready: str, tenant: str) -> None:
    job = manifests.program_job("pinned", tenant, ready, manifests.ghz(2))
    job["spec"]["program"]["sha256"] = "0" * 64
    kubectl.apply(job)
    failure = failed(kubectl, "pinned", tenant)
    assert (failure["category"], failure["reason"]) == ("PAYLOAD_REJECTED", "DigestMismatch")


def test_sixty_four_qubits_fail_at_once_because_no_node_can_ever_hold_them(
    kubectl: Kubectl, ready: str, tenant: str
) -> None:
    kubectl.apply(manifests.program_job("sixty-four", tenant, ready, manifests.ghz(64)))
    failure = failed(kubectl, "sixty-four", tenant)
    assert (failure["category"], failure["reason"]) == ("CAPABILITY_MISMATCH", "TooManyQubits")
    assert "64" in failure["message"] and "24" in failure["message"]


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"knapsack": {"values": [1, 2], "weights": [1, -2], "capacity": 3}}, "weights"),
        ({"knapsack": {"values": [1] * 40, "weights": [1] * 40, "capacity": 3}}, "at most 20 items"),
        ({"knapsack": {"values": [1], "weights": [1, 2], "capacity": 3}}, "same number"),
    ],
    ids=["negative-weight", "forty-items", "unequal-lists"],
)
def test_a_bad_problem_is_refused_at_admission(
    kubectl: Kubectl, ready: str, tenant: str, spec: dict[str, Any], part: str
) -> None:
    with pytest.raises(KubectlError) as refused:
        kubectl.apply(manifests.job("bad-problem", tenant, ready, algorithm={"qaoa": {"problem": spec}}))
    assert part in refused.value.output


def test_a_program_over_128_kib_is_refused_at_admission(kubectl: Kubectl, ready: str, tenant: str) -> None:
    big = manifests.ghz(2) + "// " + "x" * (128 * 1024)
    with pytest.raises(KubectlError) as refused:
        kubectl.run("create", "-f", "-", stdin=json.dumps(manifests.program_job("big", tenant, ready, big)))
    assert "131072" in refused.value.output


def test_an_unknown_cluster_is_waited_for(kubectl: Kubectl, ready: str, tenant: str) -> None:
    kubectl.apply(manifests.program_job("early", tenant, "not-there-yet", manifests.ghz(2)))
    waiting = kubectl.until(
        "quantumjob", "early", tenant, lambda j: condition(j, "Placed").get("reason") == "ClusterNotFound"
    )
    assert "not-there-yet" in condition(waiting, "Placed")["message"]


def test_a_namespace_that_is_no_tenant_waits_and_is_taken_when_it_becomes_one(kubectl: Kubectl, ready: str) -> None:
    stranger = "stranger"
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stranger}})
    kubectl.run("label", "namespace", stranger, f"{install.TENANT_LABEL}-")
    try:
        kubectl.apply(manifests.program_job("outside", stranger, ready, manifests.ghz(2)))
        kubectl.until(
            "quantumjob", "outside", stranger, lambda j: condition(j, "Placed").get("reason") == "TenantNotAllowed"
        )
        kubectl.run("label", "namespace", stranger, f"{install.TENANT_LABEL}=true")
        kubectl.until("quantumjob", "outside", stranger, is_true("Complete"))
    finally:
        kubectl.delete("namespace", stranger, wait=False)


def test_jobs_of_a_deleted_cluster_fail_and_those_still_waiting_wait(
    kubectl: Kubectl, ready: str, edge_cluster: EdgeClusterMaker, tenant: str
) -> None:
    doomed = manifests.pool("compute", "compute", "compute", qubits=20, low=1, high=1)
    with edge_cluster(manifests.edge_cluster("doomed", 1, doomed, tenant="true")):
        # 20 variables and 10 layers on one core: minutes of work, so it is surely running when the cluster goes.
        problem = {"knapsack": {"values": list(range(1, 21)), "weights": list(range(1, 21)), "capacity": 60}}
        kubectl.apply(
            manifests.job("long", tenant, "doomed", algorithm={"qaoa": {"problem": problem, "layers": 10}}),
            manifests.program_job("never-placed", tenant, "doomed", manifests.ghz(22)),
        )
        kubectl.until("quantumjob", "long", tenant, lambda j: (j or {}).get("status", {}).get("phase") == "Running")
        kubectl.delete("edgecluster", "doomed", namespace=manifests.CLUSTER_NAMESPACE)
        failure = failed(kubectl, "long", tenant)
        assert (failure["category"], failure["reason"]) == ("CLUSTER_DELETED", "ClusterDeleted")
        kubectl.until(
            "quantumjob", "never-placed", tenant, lambda j: condition(j, "Placed").get("reason") == "ClusterNotFound"
        )
    kubectl.apply(manifests.program_job("unhurt", tenant, ready, manifests.ghz(3)))
    kubectl.until("quantumjob", "unhurt", tenant, is_true("Complete"))
