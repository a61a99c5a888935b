"""A QAOA of 60 iterations whose agent is killed -9 in the middle, twice, on a node with a memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e import install, manifests
from e2e.kubectl import Kubectl, is_true
from e2e.scenarios.conftest import EdgeClusterMaker

NAMESPACE = manifests.CLUSTER_NAMESPACE
NAME = "continue"
FOLDER = "/mnt/pmem0"
LEVEL = "pod-security.kubernetes.io/enforce"
QUBITS, SHOTS = 18, 256
RING = [[a, (a + 1) % QUBITS] for a in range(QUBITS)] + [[a, a + 5] for a in range(0, QUBITS - 5, 2)]
LOOP = {
    "algorithm": {"qaoa": {"problem": {"maxcut": {"edges": RING}}, "layers": 6}},
    "optimizer": {"name": "COBYLA", "maxIterations": 60},
    "primitive": {"sampler": {"shots": SHOTS}},
    "checkpoint": {"everyIterations": 1},
    "execution": {"seed": 7},
}
PATIENCE = 300
_PID = "$(crictl inspect --output go-template --template '{{.info.pid}}' $(crictl ps -q --name '^agent$' "


@pytest.fixture(scope="module")
def node(kubectl: Kubectl, cluster: Any, release: install.Release) -> str:
    """The worker that has a folder for a memory; it is empty and root's."""
    name = install.label_workers(kubectl)[-1]
    cluster.node_shell(name, ["mkdir", "-p", FOLDER])
    cluster.node_shell(name, ["find", FOLDER, "-mindepth", "1", "-delete"])
    cluster.node_shell(name, ["chown", "0:0", FOLDER])
    return name


@pytest.fixture(scope="module")
def calm(
    kubectl: Kubectl, edge_cluster: EdgeClusterMaker, node: str, release: install.Release, tenant: str
) -> Iterator[dict[str, Any]]:
    """The loop as nobody disturbed it, on an EdgeCluster of that one node."""
    level = (kubectl.get("namespace", NAMESPACE) or {})["metadata"]["labels"][LEVEL]
    kubectl.run("label", "namespace", NAMESPACE, f"{LEVEL}=privileged", "--overwrite")
    wish = manifests.edge_cluster(
        NAME, 1, manifests.pool("memory", "compute", "compute", qubits=QUBITS, low=1, high=1), tenant="true"
    )
    wish["spec"]["modules"] = {"persistentMemory": {"size": "64Mi"}}
    try:
        with edge_cluster(wish):
            kubectl.until("edgenode", node, NAMESPACE, is_true("PersistentMemoryReady"), 180)
            kubectl.apply(manifests.job("undisturbed", tenant, NAME, **LOOP))
            found = kubectl.until("quantumjob", "undisturbed", tenant, is_true("Complete"), PATIENCE)
            assert found is not None and "resumedFromIteration" not in found["status"]
            yield found["status"]
    finally:
        kubectl.run("label", "namespace", NAMESPACE, f"{LEVEL}={level}", "--overwrite")


def iteration(obj: dict[str, Any] | None) -> int:
    """How far the loop of a job is said to be."""
    run = ((obj or {}).get("status") or {}).get("run") or {}
    return int((run.get("progress") or {}).get("iteration", 0))


def agent_pod(kubectl: Kubectl) -> str:
    """The name of the agent's pod that is not on its way out."""
    pods = kubectl.list("pods", NAMESPACE, f"edge.omnixan.io/cluster={NAME}")
    (pod,) = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    return str(pod["metadata"]["name"])


def test_a_job_whose_agent_is_killed_twice_goes_on_and_ends_as_if_nothing_had_happened(
    kubectl: Kubectl, cluster: Any, node: str, calm: dict[str, Any], tenant: str
) -> None:
    evaluations = calm["result"]["summary"]["training"]["evaluations"]
    kubectl.apply(manifests.job("disturbed", tenant, NAME, **LOOP))
    reported = 0
    for kill, least in enumerate((evaluations // 5, evaluations // 2)):
        found = kubectl.until("quantumjob", "disturbed", tenant, lambda o, n=least: iteration(o) >= n, PATIENCE)  # type: ignore[misc]
        reported = iteration(found)
        pod = agent_pod(kubectl)
        cluster.node_shell(node, ["sh", "-c", f"kill -KILL {_PID} --label io.kubernetes.pod.name={pod}))"])
        if kill:  # a second crash of the same pod would wait for its back-off
            kubectl.run("delete", "pod", pod, "-n", NAMESPACE, "--force", "--grace-period=0")
    found = kubectl.until("quantumjob", "disturbed", tenant, is_true("Complete"), PATIENCE)
    assert found is not None
    status = found["status"]
    assert status["result"]["summary"] == calm["result"]["summary"]
    assert reported <= status["resumedFromIteration"] < evaluations, "what was reported is not run again"
    assert status["usage"]["shots"] == calm["usage"]["shots"], "no shot was taken twice"
    assert status["run"]["attempt"] == 1 and "attempts" not in status
    run = kubectl.get("quantumrun", status["run"]["name"], NAMESPACE)
    assert run is not None and run["status"]["restarts"] == 2
