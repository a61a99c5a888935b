"""Operator and agents with real tokens: they can do their work, and nothing that would hurt if their token leaked."""

from __future__ import annotations

import pytest

from omnixan.edge_network.api.meta import API_VERSION, CLAIM_LABEL, HEARTBEAT_LABEL
from tests.api.chart.conftest import RBAC, Installed, Site, may, role_binding, run_on
from tests.api.client import Kube, RefusedError
from tests.api.conftest import until
from tests.cases import agents, good
from tests.cases.edit import DELETE, edited

CORE, APPS, LEASES = "v1", "apps/v1", "coordination.k8s.io/v1"
EVENT = {
    "apiVersion": CORE,
    "kind": "Event",
    "metadata": {"name": "told"},
    "involvedObject": {"apiVersion": API_VERSION, "kind": "EdgeNode", "name": "worker-1"},
    "source": {"component": "omnixan-agent"},
    "reason": "Told",
    "message": "something happened",
    "type": "Normal",
}
DAEMON_SET = {
    "apiVersion": APPS,
    "kind": "DaemonSet",
    "metadata": {"name": "edge-gateway"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": agents.pod("edge-agent")},
    },
}
OPERATORS_EVENT = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "told-by-the-operator"},
    "eventTime": good.MICRO_TIME,
    "reportingController": "omnixan-operator",
    "reportingInstance": "omnixan-operator-0",
    "regarding": {"apiVersion": API_VERSION, "kind": "QuantumJob", "name": "job"},
    "reason": "Told",
    "action": "Telling",
    "note": "something happened",
    "type": "Normal",
}


def applied(manifest: good.Manifest, kube: Kube) -> good.Manifest:
    """The manifest without status, in the client's namespace."""
    out = {key: value for key, value in manifest.items() if key != "status"}
    return edited(out, {"metadata.namespace": kube.namespace})


@pytest.fixture(scope="module", autouse=True)
def authorized(agent: Kube, operator: Kube) -> None:
    """Wait until the authorizer has seen the bindings."""
    until(lambda: may(operator, "GET", API_VERSION, "EdgeCluster"), "the operator's binding counts")
    until(lambda: may(operator, "POST", APPS, "DaemonSet"), "the operator's binding of the namespace counts")
    until(lambda: may(agent, "GET", API_VERSION, "QuantumRun"), "the agent's binding counts")


def owned_by(owner: good.Manifest) -> list[good.Manifest]:
    """The reference to an object that controls another."""
    of = {key: owner[key] for key in ("apiVersion", "kind")} | {key: owner["metadata"][key] for key in ("name", "uid")}
    return [of | {"controller": True}]


def test_the_operator_does_its_work(installed: Installed, operator: Kube) -> None:
    manager = "omnixan-operator"
    cluster = installed.clusters.create(applied(good.EDGE_CLUSTER, installed.clusters))
    job = installed.tenant.create(applied(good.JOB_PROGRAM, installed.tenant))

    account = {"metadata.namespace": operator.namespace, "metadata.ownerReferences": owned_by(cluster)}
    pods = account | {("spec", "template", "spec", "serviceAccountName"): "edge-agent"}
    operator.apply(edited(DAEMON_SET, pods), manager)
    operator.apply(applied(good.EDGE_NODE, operator), manager)
    operator.create(applied(good.RUN_PROGRAM, operator))
    for kube, manifest in ((operator, good.EDGE_CLUSTER), (operator, good.EDGE_NODE)):
        kube.apply(edited(applied(manifest, kube), {"spec": DELETE, "status": {"observedGeneration": 1}}), manager, "status")

    tenant = operator.within(installed.tenant.namespace)
    status = {"observedGeneration": 1, "phase": "Running"}
    tenant.apply(edited(applied(good.JOB_PROGRAM, tenant), {"spec": DELETE, "status": status}), manager, "status")
    name = f"{job['metadata']['name']}-result"
    result = {
        "apiVersion": CORE,
        "kind": "ConfigMap",
        "metadata": {"name": name, "ownerReferences": owned_by(job)},
        "data": {"result.json": "{}"},
    }
    tenant.apply(result, manager)
    tenant.create(edited(OPERATORS_EVENT, {"regarding.namespace": tenant.namespace}))
    tenant.delete("ConfigMap", name, CORE)

    operator.delete("QuantumRun", good.RUN_PROGRAM["metadata"]["name"])
    operator.delete("EdgeNode", "worker-1")
    operator.delete("DaemonSet", "edge-gateway", APPS)


def test_the_operator_labels_a_node(control_plane: Kube, operator: Kube) -> None:
    name = f"node-of-{operator.namespace}"
    control_plane.create({"apiVersion": CORE, "kind": "Node", "metadata": {"name": name}})
    try:
        labelled = operator.patch("Node", name, {"metadata": {"labels": {CLAIM_LABEL: "p.0"}}}, "", CORE)
        assert labelled["metadata"]["labels"][CLAIM_LABEL] == "p.0"
        assert not may(operator, "DELETE", CORE, "Node", name)
        assert not may(operator, "PATCH", CORE, "Node", name, "status")
    finally:
        control_plane.delete("Node", name, CORE)


@pytest.mark.parametrize(
    ("method", "api_version", "kind", "name", "part"),
    [
        ("GET", CORE, "Secret", "x", ""),
        ("POST", CORE, "Secret", "", ""),
        ("GET", CORE, "Pod", "", ""),
        ("POST", CORE, "Pod", "", ""),
        ("POST", CORE, "ServiceAccount", "omnixan-operator", "token"),
        ("PATCH", API_VERSION, "EdgeCluster", "edge", ""),
        ("POST", API_VERSION, "EdgeCluster", "", ""),
        ("DELETE", API_VERSION, "EdgeCluster", "edge", ""),
        ("PATCH", API_VERSION, "QuantumJob", "job", ""),
        ("PATCH", API_VERSION, "QuantumRun", "run", ""),
        ("PATCH", API_VERSION, "QuantumRun", "run", "status"),
        ("PATCH", LEASES, "Lease", "worker-1", ""),
        ("POST", CORE, "Namespace", "", ""),
        ("POST", RBAC, "ClusterRoleBinding", "", ""),
        ("PATCH", RBAC, "ClusterRole", "omnixan-operator", ""),
        ("PATCH", "apiextensions.k8s.io/v1", "CustomResourceDefinition", "edgenodes.edge.omnixan.io", ""),
    ],
)
def test_the_operator_may_not(operator: Kube, method: str, api_version: str, kind: str, name: str, part: str) -> None:
    assert not may(operator, method, api_version, kind, name, part)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        (APPS, "DaemonSet"),
        (CORE, "ServiceAccount"),
        (RBAC, "RoleBinding"),
        (API_VERSION, "EdgeNode"),
        (API_VERSION, "QuantumRun"),
    ],
)
def test_the_operator_makes_children_only_where_edgeclusters_live(
    installed: Installed, operator: Kube, api_version: str, kind: str
) -> None:
    assert may(operator, "POST", api_version, kind)
    for other in (installed.tenant.namespace, installed.system.namespace, "kube-system"):
        assert may(operator.within(other), "GET", api_version, kind)
        assert not may(operator.within(other), "POST", api_version, kind)


@pytest.mark.parametrize("role", ["cluster-admin", "system:node", "system:aggregate-to-edit"])
def test_the_operator_hands_out_no_role_with_more_rights_than_its_own(operator: Kube, role: str) -> None:
    with pytest.raises(RefusedError, match="attempting to grant RBAC permissions not currently held") as refused:
        operator.create(role_binding(operator, "up", role, "default"))
    assert refused.value.code == 403


def test_an_agent_does_its_work(site: Site, agent: Kube) -> None:
    manager, node = "omnixan-agent", site.nodes[0]
    twin = agent.get("EdgeNode", node)
    report = {"version": "0.1.0", "qubits": 12, "conditions": [good.condition("AgentReady")]}
    status = {"apiVersion": API_VERSION, "kind": "EdgeNode", "metadata": {"name": node}, "status": report}
    agent.apply(status, manager, "status")
    lease = {
        "apiVersion": LEASES,
        "kind": "Lease",
        "metadata": {
            "name": node,
            "namespace": agent.namespace,
            "labels": {HEARTBEAT_LABEL: "true"},
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": "EdgeNode", "name": node, "uid": twin["metadata"]["uid"]}
            ],
        },
        "spec": {"holderIdentity": "pod", "leaseDurationSeconds": 40, "renewTime": good.MICRO_TIME},
    }
    for holder in ("pod", "pod-of-the-next-version"):
        agent.apply(edited(lease, {"spec.holderIdentity": holder}), manager, force=True)
        assert site.kube.get("Lease", node, api_version=LEASES)["spec"]["holderIdentity"] == holder

    (run,) = agent.list("QuantumRun", fieldSelector=f"spec.nodeName={node}")
    name = run["metadata"]["name"]
    assert name == run_on(site, 0)
    agent.patch("QuantumRun", name, {"status": {"state": "Running", "startTime": good.MICRO_TIME}}, "status")
    agent.create(edited(EVENT, {"involvedObject.namespace": agent.namespace, "involvedObject.name": node}))


@pytest.mark.parametrize(
    ("method", "api_version", "kind", "name", "part"),
    [
        ("GET", CORE, "Secret", "", ""),
        ("GET", CORE, "ConfigMap", "", ""),
        ("GET", CORE, "ConfigMap", "kube-root-ca.crt", ""),
        ("GET", CORE, "Pod", "", ""),
        ("GET", CORE, "Node", "", ""),
        ("GET", CORE, "Namespace", "", ""),
        ("POST", CORE, "Pod", "", ""),
        ("POST", CORE, "ServiceAccount", "omnixan-operator", "token"),
        ("GET", API_VERSION, "EdgeCluster", "", ""),
        ("GET", API_VERSION, "QuantumJob", "", ""),
        ("POST", API_VERSION, "QuantumRun", "", ""),
        ("PATCH", API_VERSION, "QuantumRun", "run", ""),
        ("DELETE", API_VERSION, "QuantumRun", "run", ""),
        ("PATCH", API_VERSION, "EdgeNode", "worker-1", ""),
        ("DELETE", API_VERSION, "EdgeNode", "worker-1", ""),
        ("GET", LEASES, "Lease", "", ""),
        ("GET", LEASES, "Lease", "worker-1", ""),
        ("DELETE", LEASES, "Lease", "worker-1", ""),
        ("POST", RBAC, "RoleBinding", "", ""),
    ],
)
def test_an_agent_may_not(agent: Kube, method: str, api_version: str, kind: str, name: str, part: str) -> None:
    assert not may(agent, method, api_version, kind, name, part)


@pytest.mark.parametrize("kind", ["QuantumRun", "EdgeNode"])
def test_an_agent_sees_no_other_namespace(installed: Installed, agent: Kube, kind: str) -> None:
    assert may(agent, "GET", API_VERSION, kind)
    for other in (installed.tenant.namespace, installed.system.namespace, "default"):
        assert not may(agent.within(other), "GET", API_VERSION, kind)
        assert not may(agent.within(other), "PATCH", API_VERSION, kind, "x", "status")
    with pytest.raises(RefusedError, match="at the cluster scope"):
        agent.request("GET", f"/apis/{API_VERSION}/quantumruns")


def test_the_api_server_lists_the_same_rights_for_an_agent(agent: Kube) -> None:
    review = agent.request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": agent.namespace},
        },
    )
    reached = {
        f"{group}/{resource}"
        for rule in review["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if group not in ("authorization.k8s.io", "authentication.k8s.io")
    }
    assert reached == {
        "edge.omnixan.io/quantumruns",
        "edge.omnixan.io/quantumruns/status",
        "edge.omnixan.io/edgenodes",
        "edge.omnixan.io/edgenodes/status",
        "coordination.k8s.io/leases",
        "/events",
    }
