"""wait, explain, scale and get work as they do for any kind, and fit a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e import manifests
from e2e.kubectl import Kubectl, KubectlError, eventually
from e2e.scenarios.conftest import EdgeClusterMaker

NAMESPACE = manifests.CLUSTER_NAMESPACE
GATEWAY = manifests.pool("gateway", "gateway", "gateway", qubits=12, low=1, high=2)
COMPUTE = manifests.pool("compute", "compute", "compute", qubits=16, low=0, high=1)


@pytest.fixture(scope="module")
def ready(edge_cluster: EdgeClusterMaker) -> Iterator[str]:
    """An EdgeCluster of three nodes."""
    with edge_cluster(manifests.edge_cluster("typed", 3, GATEWAY, COMPUTE, tenant="true")):
        yield "typed"


def test_wait_returns_when_the_job_is_complete(kubectl: Kubectl, ready: str, tenant: str) -> None:
    kubectl.apply(manifests.program_job("x", tenant, ready, manifests.ghz(5)))
    out = kubectl.run("wait", "--for=condition=Complete", "qj/x", "-n", tenant, "--timeout=60s")
    assert "condition met" in out


def test_wait_on_a_failed_job_can_be_told_apart(kubectl: Kubectl, ready: str, tenant: str) -> None:
    kubectl.apply(manifests.program_job("broken", tenant, ready, "OPENQASM 3.0; qubit[2] q; h q[0"))
    out = kubectl.run("wait", "--for=condition=Failed", "qj/broken", "-n", tenant, "--timeout=60s")
    assert "condition met" in out


def test_explain_describes_the_fields(kubectl: Kubectl, ready: str) -> None:
    text = kubectl.run("explain", "quantumjob.spec.algorithm.qaoa")
    assert "quantum approximate optimisation algorithm" in text.lower()
    assert "layers" in text
    assert "problem" in text


def test_scale_moves_the_cluster_both_ways(kubectl: Kubectl, ready: str) -> None:
    for replicas in (2, 3):
        kubectl.run("scale", f"ec/{ready}", "-n", NAMESPACE, f"--replicas={replicas}")
        eventually(
            lambda wanted=replicas: (  # type: ignore[misc]
                len(kubectl.list("edgenodes", NAMESPACE)) == wanted
                and (kubectl.get("edgecluster", ready, NAMESPACE) or {})["status"].get("readyNodes") == wanted
            ),
            f"{replicas} nodes are ready",
            120,
        )


def test_scaling_below_the_pools_minimum_is_refused_with_the_reason(kubectl: Kubectl, ready: str) -> None:
    with pytest.raises(KubectlError, match="nodes must be at least the sum"):
        kubectl.run("scale", f"ec/{ready}", "-n", NAMESPACE, "--replicas=0")


def test_tables_fit_a_terminal(kubectl: Kubectl, ready: str, tenant: str) -> None:
    text = kubectl.run("get", "ec,en,qj", "-n", NAMESPACE) + kubectl.run("get", "ec,en,qj", "-n", tenant)
    assert "edgecluster.edge.omnixan.io/typed" in text
    assert "quantumjob.edge.omnixan.io/x" in text
    assert max(len(line) for line in text.splitlines()) <= 120
