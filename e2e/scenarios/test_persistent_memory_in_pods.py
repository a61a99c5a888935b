"""Agents with a folder of their node as persistent memory: handed over, proven, labelled; refused where it is no DAX."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import install, manifests
from e2e.kubectl import Kubectl, condition, eventually, is_true
from e2e.scenarios.conftest import EdgeClusterMaker

NAMESPACE = manifests.CLUSTER_NAMESPACE
NAME = "memory"
FOLDER = "/mnt/pmem0"
AGENT = "65532"
LEVEL = "pod-security.kubernetes.io/enforce"
TIER_LABEL = "edge.omnixan.io.node-restriction.kubernetes.io/memory-tier"
MIB = 1 << 20


@pytest.fixture(scope="module")
def node(kubectl: Kubectl, cluster: Any, release: install.Release) -> str:
    """The worker that has a folder of this machine there (kind_config.py); it is empty and root's, as after mkfs."""
    name = install.label_workers(kubectl)[-1]
    cluster.node_shell(name, ["mkdir", "-p", FOLDER])
    cluster.node_shell(name, ["find", FOLDER, "-mindepth", "1", "-delete"])
    cluster.node_shell(name, ["chown", "0:0", FOLDER])
    cluster.node_shell(name, ["chmod", "0755", FOLDER])
    return name


@pytest.fixture(scope="module")
def edge(kubectl: Kubectl, edge_cluster: EdgeClusterMaker, node: str) -> Iterator[None]:
    """An EdgeCluster of that one node, that asks for both modules in a namespace that forbids the folder."""
    level = (kubectl.get("namespace", NAMESPACE) or {})["metadata"]["labels"][LEVEL]
    assert level == "restricted", "as the chart makes it"
    pool = manifests.pool("memory", "compute", "compute", qubits=12, low=1, high=1)
    wish = manifests.edge_cluster(NAME, 1, pool, tenant="true")
    wish["spec"]["modules"] = {
        "persistentMemory": {"size": "64Mi", "checkpointInterval": "5s"},
        "memoryPooling": {"poolSize": "256Mi"},
    }
    try:
        with edge_cluster(wish):
            yield
    finally:
        kubectl.run("label", "namespace", NAMESPACE, f"{LEVEL}={level}", "--overwrite")


@pytest.fixture(scope="module")
def allowed(kubectl: Kubectl, edge: None, node: str) -> dict[str, Any]:
    """The EdgeNode, once the namespace allows the folder and the agent has opened its store."""
    kubectl.run("label", "namespace", NAMESPACE, f"{LEVEL}=privileged", "--overwrite")
    found = kubectl.until("edgenode", node, NAMESPACE, is_true("PersistentMemoryReady"), 180)
    assert found is not None
    return found


def modules_ready(kubectl: Kubectl, status: str, reason: str) -> dict[str, Any]:
    """The EdgeCluster, as soon as its condition ModulesReady is so; it is Ready all the while."""

    def holds(obj: dict[str, Any] | None) -> bool:
        found = condition(obj, "ModulesReady")
        return (found.get("status"), found.get("reason")) == (status, reason)

    found = kubectl.until("edgecluster", NAME, NAMESPACE, holds, 120)
    assert found is not None
    return found


def agent_pod(kubectl: Kubectl) -> dict[str, Any]:
    """The agent's pod that is not on its way out."""
    pods = kubectl.list("pods", NAMESPACE, f"edge.omnixan.io/cluster={NAME}")
    (pod,) = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    return pod


def test_where_the_namespace_forbids_it_agents_run_without(kubectl: Kubectl, edge: None, node: str, tenant: str) -> None:
    found = modules_ready(kubectl, "False", "NamespaceNotPrivileged")
    assert is_true("Ready")(found)
    assert "memoryPooling" in found["status"]["pools"][0]["modules"], "the other module is there"
    assert not [volume for volume in agent_pod(kubectl)["spec"]["volumes"] if "hostPath" in volume]
    kubectl.apply(manifests.program_job("without", tenant, NAME, manifests.ghz(3)))
    kubectl.until("quantumjob", "without", tenant, is_true("Complete"), 90)


def test_the_folder_is_handed_over_and_its_tier_is_proven_and_labelled(
    kubectl: Kubectl, cluster: Any, allowed: dict[str, Any], node: str
) -> None:
    memory = allowed["status"]["persistentMemory"]
    assert memory["tier"] == "T3-file" and memory["size"] == 64 * MIB
    assert any("MAP_SYNC refused" in line for line in memory["proof"]), memory["proof"]
    labels = kubectl.until("node", node, None, lambda o: TIER_LABEL in (o or {})["metadata"]["labels"])
    assert labels is not None and labels["metadata"]["labels"][TIER_LABEL] == "T3-file"
    assert cluster.node_shell(node, ["stat", "-c", "%u:%g %a", FOLDER]).strip() == f"{AGENT}:{AGENT} 700"
    assert cluster.node_shell(node, ["stat", "-c", "%u %s", f"{FOLDER}/omnixan.store"]).split() == [AGENT, str(64 * MIB)]
    pod = agent_pod(kubectl)["metadata"]["name"]
    assert "handed over to user 65532" in kubectl.run("logs", "-n", NAMESPACE, pod, "-c", "handover")
    looked = json.loads(kubectl.run("exec", "-n", NAMESPACE, pod, "--", "omnixan", "pmem", "inspect", FOLDER, "-o", "json"))
    assert looked["tier"] == "T3-file", "what a person finds who looks there"
    assert looked["library"] == "libpmem2"
    assert looked["ndctl"]["state"] in ("None", "Found"), looked["ndctl"]["message"]
    found = modules_ready(kubectl, "True", "ModulesReady")
    assert found["status"]["pools"][0]["persistentMemoryReady"] == 1
    assert found["status"]["pools"][0]["modules"]["persistentMemory"]["checkpointInterval"] == "5s"


def test_the_pool_of_memory_is_there(kubectl: Kubectl, allowed: dict[str, Any], node: str) -> None:
    found = kubectl.until("edgenode", node, NAMESPACE, is_true("MemoryPoolReady"))
    assert found is not None and found["status"]["memory"]["pool"] == 256 * MIB
    limits = agent_pod(kubectl)["spec"]["containers"][0]["resources"]["limits"]
    assert limits["memory"] == "2304Mi"


def test_dax_where_there_is_none_is_refused_without_a_crash(
    kubectl: Kubectl, allowed: dict[str, Any], node: str, tenant: str
) -> None:
    def refused(obj: dict[str, Any] | None) -> bool:
        found = condition(obj, "PersistentMemoryReady")
        return (found.get("status"), found.get("reason")) == ("False", "NoDAX")

    patch = {"spec": {"modules": {"persistentMemory": {"mode": "dax"}}}}
    kubectl.run("patch", "edgecluster", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(patch))
    found = kubectl.until("edgenode", node, NAMESPACE, refused, 180)
    assert found is not None and "T3-file" in condition(found, "PersistentMemoryReady")["message"]
    assert "tier" not in found["status"].get("persistentMemory", {})
    cluster = modules_ready(kubectl, "False", "ModulesNotReady")
    assert f"{node} (NoDAX)" in condition(cluster, "ModulesReady")["message"]
    assert cluster["status"]["pools"][0]["persistentMemoryReady"] == 0
    kubectl.until("node", node, None, lambda o: TIER_LABEL not in (o or {})["metadata"]["labels"])
    kubectl.until("edgecluster", NAME, NAMESPACE, is_true("Ready"), 120)
    kubectl.apply(manifests.program_job("on-ordinary-memory", tenant, NAME, manifests.ghz(3)))
    kubectl.until("quantumjob", "on-ordinary-memory", tenant, is_true("Complete"), 90)
    status = agent_pod(kubectl)["status"]
    containers = status["containerStatuses"] + status["initContainerStatuses"]
    assert {c["name"]: c["restartCount"] for c in containers} == {"agent": 0, "handover": 0}


def test_the_label_goes_with_the_claim(kubectl: Kubectl, allowed: dict[str, Any], node: str) -> None:
    patch = {"spec": {"modules": {"persistentMemory": {"mode": "auto"}}}}
    kubectl.run("patch", "edgecluster", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(patch))
    kubectl.until("node", node, None, lambda o: TIER_LABEL in (o or {})["metadata"]["labels"], 180)
    empty = {"spec": {"nodes": 0, "pools": [manifests.pool("memory", "compute", "compute", qubits=12, low=0, high=1)]}}
    kubectl.run("patch", "edgecluster", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(empty))
    eventually(lambda: not kubectl.list("nodes", selector=TIER_LABEL), "no node has the label any more", 120)
