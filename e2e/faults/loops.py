"""An agent that is killed -9 in the middle of a QAOA of 60 iterations, on a node with a memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from e2e import install, manifests
from e2e.faults.field import NAMESPACE, Field
from e2e.kubectl import Kubectl, eventually, is_true

NAME = "loops"
FOLDER = "/mnt/pmem0"
LEVEL = "pod-security.kubernetes.io/enforce"
QUBITS = 18
PATIENCE = 300.0
TRIES = 3
"""Loops of which one at least is not over before its agent was killed twice."""
RING = [[a, (a + 1) % QUBITS] for a in range(QUBITS)] + [[a, a + 5] for a in range(0, QUBITS - 5, 2)]
LOOP: dict[str, Any] = {
    "algorithm": {"qaoa": {"problem": {"maxcut": {"edges": RING}}, "layers": 6}},
    "optimizer": {"name": "COBYLA", "maxIterations": 60},
    "primitive": {"sampler": {"shots": 256}},
    "checkpoint": {"everyIterations": 1},
    "execution": {"seed": 7},
}
_PID = "$(crictl inspect --output go-template --template '{{.info.pid}}' $(crictl ps -q --name '^agent$' "


@contextmanager
def remembering(field: Field) -> Iterator[str]:
    """An EdgeCluster of one node whose agent has an empty memory; the node's name. The namespace allows it meanwhile."""
    kubectl = field.kubectl
    node = install.label_workers(kubectl)[-1]
    field.cluster.node_shell(node, ["mkdir", "-p", FOLDER])
    field.cluster.node_shell(node, ["find", FOLDER, "-mindepth", "1", "-delete"])
    field.cluster.node_shell(node, ["chown", "0:0", FOLDER])
    level = (kubectl.get("namespace", NAMESPACE) or {})["metadata"]["labels"][LEVEL]
    pool = manifests.pool("memory", "compute", "compute", qubits=QUBITS, low=1, high=1)
    wish = manifests.edge_cluster(NAME, 1, pool, tenant="true")
    wish["spec"]["modules"] = {"persistentMemory": {"size": "64Mi"}}
    kubectl.run("label", "namespace", NAMESPACE, f"{LEVEL}=privileged", "--overwrite")
    try:
        kubectl.apply(wish)
        kubectl.until("edgecluster", NAME, NAMESPACE, is_true("Ready"), 180)
        kubectl.until("edgenode", node, NAMESPACE, is_true("PersistentMemoryReady"), 180)
        yield node
    finally:
        kubectl.delete("edgecluster", NAME, namespace=NAMESPACE)
        eventually(lambda: not field.release.labels_left(), "the node is given back", 90)
        kubectl.run("label", "namespace", NAMESPACE, f"{LEVEL}={level}", "--overwrite")


def undisturbed(field: Field, tenant: str, mark: str) -> dict[str, Any]:
    """The status of the loop that nobody disturbed."""
    field.kubectl.apply(manifests.job(f"{mark}-calm", tenant, NAME, **LOOP))
    found = field.kubectl.until("quantumjob", f"{mark}-calm", tenant, is_true("Complete"), PATIENCE)
    assert found is not None and "resumedFromIteration" not in found["status"]
    status: dict[str, Any] = found["status"]
    return status


def kill_twice(field: Field, tenant: str, node: str, calm: dict[str, Any], mark: str) -> dict[str, Any]:
    """Kill the agent of a loop twice; the evidence. AssertionError unless it ends as the one that nobody disturbed."""
    for number in range(TRIES):
        name = f"{mark}-killed-{number}"
        field.kubectl.apply(manifests.job(name, tenant, NAME, **LOOP))
        found = _killed_twice(field, tenant, node, calm, name)
        field.kubectl.delete("quantumjob", name, namespace=tenant)
        if found is not None:
            return found
    raise AssertionError(f"{TRIES} loops in a row were over before their agent was killed twice")


def _killed_twice(field: Field, tenant: str, node: str, calm: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The evidence; None if the loop was over before its agent was killed twice."""
    kubectl = field.kubectl
    evaluations = calm["result"]["summary"]["training"]["evaluations"]
    reported: list[int] = []
    killed = 0.0

    def far_enough(job: dict[str, Any] | None) -> bool:
        return iteration(job) >= (evaluations // 2 if reported else evaluations // 5) or is_true("Complete")(job)

    for _ in range(2):
        found = kubectl.until("quantumjob", name, tenant, far_enough, PATIENCE)
        if is_true("Complete")(found):
            return None
        reported.append(iteration(found))
        pod = agent_pod(kubectl)
        kill = f"kill -KILL {_PID} --label io.kubernetes.pod.name={pod})) && date +%s.%N"
        killed = float(field.cluster.node_shell(node, ["sh", "-c", kill]))
        if len(reported) > 1:  # the second crash of a pod would wait for its back-off
            kubectl.run("delete", "pod", pod, "-n", NAMESPACE, "--force", "--grace-period=0")
    found = kubectl.until("quantumjob", name, tenant, is_true("Complete"), PATIENCE)
    assert found is not None
    status = found["status"]
    resumed = status.get("resumedFromIteration", 0)
    run = kubectl.get("quantumrun", status["run"]["name"], NAMESPACE)
    assert run is not None
    ended = datetime.fromisoformat(run["status"]["completionTime"]).timestamp()
    if ended < killed or resumed == evaluations:  # both times are of the node's clock
        return None
    assert status["result"]["summary"] == calm["result"]["summary"], "the answer is another one"
    assert reported[-1] <= resumed < evaluations, f"{reported[-1]} were reported, it went on from {resumed}"
    assert status["usage"]["shots"] == calm["usage"]["shots"], "shots were taken twice"
    assert (status["run"]["attempt"], run["status"]["restarts"]) == (1, len(reported))
    return {"evaluations": evaluations, "reportedBeforeEachKill": reported, "resumedFromIteration": resumed}


def iteration(job: dict[str, Any] | None) -> int:
    """How far the loop of a job is said to be."""
    run = ((job or {}).get("status") or {}).get("run") or {}
    return int((run.get("progress") or {}).get("iteration", 0))


def agent_pod(kubectl: Kubectl) -> str:
    """The agent's pod that is not on its way out."""
    pods = kubectl.list("pods", NAMESPACE, f"edge.omnixan.io/cluster={NAME}")
    (pod,) = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    return str(pod["metadata"]["name"])
