"""What is broken by hand or by accident becomes true again; what is foreign survives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import install, manifests
from e2e.kubectl import Kubectl, condition, eventually, is_true
from e2e.scenarios.conftest import EdgeClusterMaker
from omnixan.edge_network.api.meta import CLAIM_LABEL

NAMESPACE = manifests.CLUSTER_NAMESPACE
NAME = "mend"
DAEMONSET = f"{NAME}-gateway"


@pytest.fixture(scope="module")
def done(kubectl: Kubectl, edge_cluster: EdgeClusterMaker, tenant: str) -> Iterator[dict[str, Any]]:
    """A Complete job on an EdgeCluster of two gateways."""
    gateways = manifests.pool("gateway", "gateway", "gateway", qubits=12, low=1, high=2)
    with edge_cluster(manifests.edge_cluster(NAME, 2, gateways, tenant="true")):
        kubectl.apply(manifests.program_job("before", tenant, NAME, manifests.ghz(4), execution={"seed": 7}))
        found = kubectl.until("quantumjob", "before", tenant, is_true("Complete"))
        assert found is not None
        yield found


def run_another(kubectl: Kubectl, tenant: str, name: str) -> None:
    kubectl.apply(manifests.program_job(name, tenant, NAME, manifests.ghz(3)))
    kubectl.until("quantumjob", name, tenant, is_true("Complete"), 90)


def test_a_killed_agent_comes_back_and_runs_jobs(kubectl: Kubectl, done: dict[str, Any], tenant: str) -> None:
    before = install.agent_pods(kubectl)
    kubectl.run("delete", "pods", "-n", NAMESPACE, *before, "--force", "--grace-period=0", "--wait=true")
    kubectl.until("edgecluster", NAME, NAMESPACE, is_true("Ready"), 120)
    run_another(kubectl, tenant, "after-agents-died")
    assert not set(before) & set(install.agent_pods(kubectl))


def test_a_daemonset_edited_by_hand_is_as_it_was_and_foreign_labels_stay(kubectl: Kubectl, done: dict[str, Any]) -> None:
    original = kubectl.get("daemonset", DAEMONSET, NAMESPACE)
    assert original is not None
    kubectl.run("label", "daemonset", DAEMONSET, "-n", NAMESPACE, "example.com/owner=platform")
    patch = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["omnixan-agent", "--nonsense"]},
        {"op": "remove", "path": "/metadata/labels/app.kubernetes.io~1component"},
    ]
    kubectl.run("patch", "daemonset", DAEMONSET, "-n", NAMESPACE, "--type=json", "-p", json.dumps(patch))

    def restored(obj: dict[str, Any] | None) -> bool:
        return (
            obj is not None
            and obj["spec"]["template"] == original["spec"]["template"]
            and obj["metadata"]["labels"] == {**original["metadata"]["labels"], "example.com/owner": "platform"}
        )

    kubectl.until("daemonset", DAEMONSET, NAMESPACE, restored)
    kubectl.until("edgecluster", NAME, NAMESPACE, is_true("Ready"), 120)


def test_a_deleted_result_configmap_comes_back_the_same(kubectl: Kubectl, done: dict[str, Any], tenant: str) -> None:
    ref = done["status"]["result"]["ref"]["name"]
    before = kubectl.get("configmap", ref, tenant)
    assert before is not None
    kubectl.delete("configmap", ref, namespace=tenant)
    after = kubectl.until("configmap", ref, tenant, lambda o: o is not None)
    assert after is not None
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["data"] == before["data"]


def test_a_deleted_edgenode_comes_back_ready(kubectl: Kubectl, done: dict[str, Any]) -> None:
    node = kubectl.list("edgenodes", NAMESPACE)[0]
    name, uid = node["metadata"]["name"], node["metadata"]["uid"]
    kubectl.delete("edgenode", name, namespace=NAMESPACE)
    again = kubectl.until("edgenode", name, NAMESPACE, lambda o: o is not None and o["metadata"]["uid"] != uid)
    assert again is not None
    kubectl.until("edgenode", name, NAMESPACE, is_true("Ready"), 90)
    kubectl.until("edgecluster", NAME, NAMESPACE, is_true("Ready"))


def test_a_restarted_operator_changes_nothing_and_goes_on(kubectl: Kubectl, done: dict[str, Any], tenant: str) -> None:
    def versions() -> dict[str, str]:
        # Of a DaemonSet the generation: its status is written by Kubernetes' own controller.
        kinds = ("edgeclusters", "daemonsets", "serviceaccounts", "rolebindings", "quantumruns")
        found = [o for kind in kinds for o in kubectl.list(kind, NAMESPACE)]
        found += kubectl.list("quantumjobs", tenant) + kubectl.list("configmaps", tenant)
        version = {"DaemonSet": "generation"}
        return {
            f"{o['kind']}/{o['metadata']['name']}": str(o["metadata"][version.get(o["kind"], "resourceVersion")])
            for o in found
        }

    def settled(obj: dict[str, Any] | None) -> bool:
        return is_true("Ready")(obj) and not condition(obj, "Reconciling")

    # What earlier tests broke is whole again, and said to be: nothing more changes by itself.
    kubectl.run("rollout", "status", f"daemonset/{DAEMONSET}", "-n", NAMESPACE, "--timeout=120s")
    kubectl.until("edgecluster", NAME, NAMESPACE, settled, 120)
    before = versions()
    kubectl.run("rollout", "restart", "deployment/omnixan-operator", "-n", install.SYSTEM_NAMESPACE)
    kubectl.run("rollout", "status", "deployment/omnixan-operator", "-n", install.SYSTEM_NAMESPACE, "--timeout=120s")
    run_another(kubectl, tenant, "after-restart")  # proof that the new one has gone through its work
    after = versions()
    assert {k: after.get(k) for k in before} == before


def test_a_node_label_torn_off_is_put_back(kubectl: Kubectl, done: dict[str, Any], release: install.Release) -> None:
    claimed = release.claimed_nodes()
    kubectl.run("label", "node", claimed[0], f"{CLAIM_LABEL}-")
    eventually(lambda: release.claimed_nodes() == claimed, "the node is claimed again")
    kubectl.until("edgecluster", NAME, NAMESPACE, is_true("Ready"), 120)
