"""On a real cluster: the policies are type-checked, and a token of a real agent's pod reaches its own node's things only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e import manifests
from e2e.kubectl import Kubectl, KubectlError, eventually
from e2e.scenarios.conftest import EdgeClusterMaker

NAME = "confined"
REFUSAL = r"a token that is\s+bound to a pod on spec\.nodeName"
HERE = ("-n", manifests.CLUSTER_NAMESPACE)
POLICIES = "validatingadmissionpolicies"


@pytest.fixture(scope="module")
def agents(kubectl: Kubectl, edge_cluster: EdgeClusterMaker) -> Iterator[dict[str, str]]:
    """The pods of an EdgeCluster's agents on two nodes, by node."""
    gateway = manifests.pool("gateway", "gateway", "gateway", qubits=8, low=2, high=2)
    with edge_cluster(manifests.edge_cluster(NAME, 2, gateway, tenant="true")):
        pods = kubectl.list("pods", manifests.CLUSTER_NAMESPACE, f"edge.omnixan.io/cluster={NAME}")
        yield {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in pods}


def as_agent(kubectl: Kubectl, folder: Path, *bound: str) -> Kubectl:
    """kubectl with a token of the agents' account; `bound`: options that say to what it is bound."""
    token = kubectl.run("create", "token", f"{NAME}-agent", *HERE, *bound).strip()
    config = json.loads(kubectl.run("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return replace(kubectl, kubeconfig=path)


def report(kubectl: Kubectl, node: str) -> None:
    """What an agent writes, as a dry run. (`kubectl patch` would read the status first, which agents need not.)"""
    twin = {"apiVersion": "edge.omnixan.io/v1alpha1", "kind": "EdgeNode", "metadata": {"name": node}}
    options = ("--server-side", "--force-conflicts", "--subresource=status", "--dry-run=server", "--validate=false")
    kubectl.run("apply", *HERE, *options, "-f", "-", stdin=json.dumps(twin | {"status": {"version": "9"}}))


def test_type_checking_finds_nothing(kubectl: Kubectl, agents: dict[str, str]) -> None:
    chosen = "app.kubernetes.io/part-of=omnixan-edge"

    def statuses() -> dict[str, dict[str, object]]:
        return {p["metadata"]["name"]: p.get("status", {}) for p in kubectl.list(POLICIES, selector=chosen)}

    eventually(lambda: all("typeChecking" in status for status in statuses().values()), "all policies are type-checked")
    assert len(statuses()) >= 11
    assert {name: status["typeChecking"] for name, status in statuses().items() if status["typeChecking"]} == {}
    assert len(kubectl.list("validatingadmissionpolicybindings", selector=chosen)) == len(statuses())


def test_an_agents_token_reports_for_its_own_node_only(kubectl: Kubectl, agents: dict[str, str], tmp_path: Path) -> None:
    own, other = sorted(agents)
    agent = as_agent(kubectl, tmp_path, "--bound-object-kind=Pod", f"--bound-object-name={agents[own]}")
    report(agent, own)
    with pytest.raises(KubectlError, match=REFUSAL):
        report(agent, other)
    for kind in ("secrets", "configmaps", "pods", "quantumjobs"):
        with pytest.raises(KubectlError, match=r"[Ff]orbidden"):
            agent.run("get", kind, *HERE)


def test_a_token_that_is_bound_to_no_node_writes_nothing(kubectl: Kubectl, agents: dict[str, str], tmp_path: Path) -> None:
    loose = as_agent(kubectl, tmp_path)
    for node in agents:
        with pytest.raises(KubectlError, match=REFUSAL):
            report(loose, node)


def test_a_job_says_who_submitted_it(kubectl: Kubectl, agents: dict[str, str], tenant: str) -> None:
    job = manifests.program_job("stamped", tenant, NAME, manifests.ghz(2))
    job["metadata"]["annotations"] = {"edge.omnixan.io/submitted-by": "somebody-else"}
    kubectl.apply(job)
    found = kubectl.get("quantumjob", "stamped", tenant)
    assert found is not None
    assert found["metadata"]["annotations"]["edge.omnixan.io/submitted-by"] == kubectl.run(
        "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"
    )
