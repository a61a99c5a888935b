"""Who submitted a job cannot be forged; statuses have one writer; the operator's own account is held to its work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from omnixan.edge_network.api.meta import API_VERSION, CLAIM_LABEL, HEARTBEAT_LABEL, MEMORY_TIER_LABEL
from tests.api.chart.conftest import RBAC, Installed, Site, may, role_binding, run_on
from tests.api.client import MERGE, Kube, RefusedError
from tests.api.conftest import until
from tests.api.tokens import bound, unbound
from tests.cases import agents, good
from tests.cases.edit import DELETE, edited

SUBMITTER = "edge.omnixan.io/submitted-by"
LEASES = "coordination.k8s.io/v1"


@pytest.fixture(scope="module")
def tenant(installed: Installed) -> Kube:
    """Somebody with the right to edit jobs in the tenant's namespace, and every other right of a namespace's owner."""
    kube = installed.tenant
    kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "alice"}})
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    kube.create({"apiVersion": RBAC, "kind": "Role", "metadata": {"name": "owner"}, "rules": rules})
    binding = role_binding(kube, "alice", "owner", "alice")
    kube.create(edited(binding, {"roleRef.kind": "Role"}))
    alice = unbound(kube, "alice")
    until(lambda: may(alice, "GET", API_VERSION, "QuantumJob"), "the tenant's binding counts")
    return alice


def job(name: str, **annotations: str) -> Any:
    """A job, with what its manifest says about its submitter."""
    return edited(good.JOB_PROGRAM, {"metadata": {"name": name, "annotations": annotations}, "status": DELETE})


def submitter(obj: Any) -> str:
    """Who submitted it, as it stands there."""
    return str(obj["metadata"]["annotations"][SUBMITTER])


def test_a_job_carries_who_created_it_whatever_its_manifest_says(installed: Installed, tenant: Kube) -> None:
    alice = f"system:serviceaccount:{tenant.namespace}:alice"
    assert submitter(tenant.create(job("plain"))) == alice
    assert submitter(tenant.create(job("forged", **{SUBMITTER: "bob"}))) == alice
    assert submitter(tenant.apply(job("applied", **{SUBMITTER: "bob"}), "tests")) == alice
    assert submitter(installed.tenant.create(job("by-the-admin"))) == "omnixan-admin"


@pytest.mark.parametrize("value", ["bob", "", None])
def test_who_created_a_job_is_not_changed_later(tenant: Kube, installed: Installed, value: str | None) -> None:
    name = f"kept-{value or ('empty' if value == '' else 'removed')}"
    created = submitter(tenant.create(job(name)))
    for kube in (tenant, installed.tenant):
        change = {"metadata": {"annotations": {SUBMITTER: value}}}
        if value is None:  # nobody is refused who only leaves it out: it stays
            assert submitter(kube.patch("QuantumJob", name, change)) == created
            continue
        with pytest.raises(RefusedError, match="it says who created the QuantumJob"):
            kube.patch("QuantumJob", name, change)
    assert submitter(tenant.replace(job(name))) == created


@pytest.mark.parametrize("kind", ["QuantumJob", "EdgeCluster", "EdgeNode", "QuantumRun"])
def test_the_owner_of_a_namespace_writes_no_status(installed: Installed, tenant: Kube, kind: str) -> None:
    name = f"of-{kind.lower()}"
    installed.tenant.create(edited(good.GOOD[kind][0], {"metadata.name": name, "status": DELETE}))
    with pytest.raises(RefusedError, match=r"is written by the operator|is written by its own agent") as refused:
        tenant.patch(kind, name, {"status": {"phase": "Ready", "state": "Running"}}, "status")
    assert refused.value.code == 403
    if kind in ("EdgeNode", "QuantumRun"):
        for method in ("DELETE", "PATCH", "POST"):
            path = tenant.path(API_VERSION, kind, "" if method == "POST" else name)
            body = edited(good.GOOD[kind][0], {"metadata.name": "another", "status": DELETE})
            media = "application/json"
            if method == "PATCH":
                body, media = {"metadata": {"labels": {"a": "b"}}}, MERGE
            with pytest.raises(RefusedError, match="by the operator alone"):
                tenant.request(method, path, None if method == "DELETE" else body, media)


def test_a_token_of_another_node_is_refused_with_what_to_do(site: Site) -> None:
    other = bound(site.kube, site.account, site.nodes[1])
    until(lambda: may(other, "GET", API_VERSION, "QuantumRun"), "the binding counts")
    with pytest.raises(RefusedError, match=r"token that is bound to a pod on spec.nodeName") as refused:
        other.patch("QuantumRun", run_on(site, 0), {"status": {"state": "Running", "startTime": good.MICRO_TIME}}, "status")
    assert refused.value.code == 403
    with pytest.raises(RefusedError, match=r"token that is bound to a pod on spec\.nodeName"):
        other.patch("EdgeNode", site.nodes[0], {"status": {"version": "9"}}, "status")
    assert "state" not in site.kube.get("QuantumRun", run_on(site, 0)).get("status", {})


def test_an_agent_does_not_say_what_the_operator_concludes(site: Site, agent: Kube) -> None:
    conditions = [good.condition("AgentReady"), good.condition("Ready")]
    with pytest.raises(RefusedError, match="the conditions Ready and Draining of an EdgeNode are the operator's"):
        agent.patch("EdgeNode", site.nodes[0], {"status": {"conditions": conditions}}, "status")


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ({"metadata.name": "somebodys"}, "named as the node"),
        ({("metadata", "labels"): {}}, "with the label"),
    ],
)
def test_an_agent_writes_no_other_lease(site: Site, agent: Kube, edits: Any, why: str) -> None:
    metadata = {"name": site.nodes[0], "namespace": agent.namespace, "labels": {HEARTBEAT_LABEL: "true"}}
    lease = {"apiVersion": LEASES, "kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": "x"}}
    with pytest.raises(RefusedError, match=why):
        agent.create(edited(lease, edits), dry_run=True)
    agent.create(lease, dry_run=True)
    with pytest.raises(RefusedError, match="by the agent of its node alone"):
        _as_stranger(site, lease)


def _as_stranger(site: Site, lease: Any) -> None:
    kube = site.kube
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stranger"}}, "tests")
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}]
    kube.apply({"apiVersion": RBAC, "kind": "Role", "metadata": {"name": "stranger"}, "rules": rules}, "tests")
    kube.apply(edited(role_binding(kube, "stranger", "stranger", "stranger"), {"roleRef.kind": "Role"}), "tests")
    stranger = unbound(kube, "stranger")
    until(lambda: may(stranger, "POST", LEASES, "Lease"), "the stranger's binding counts")
    stranger.create(edited(lease, {"metadata.name": "own", "metadata.labels": {}}), dry_run=True)
    stranger.create(lease, dry_run=True)


CONTROLLERS = "system:serviceaccount:kube-system"


@pytest.mark.parametrize("plural", ["edgenodes", "quantumruns", "leases"])
def test_kubernetes_cleans_up_and_does_nothing_else(site: Site, agent: Kube, plural: str) -> None:
    api_version = LEASES if plural == "leases" else API_VERSION
    if plural == "leases":
        metadata = {"name": site.nodes[0], "namespace": agent.namespace, "labels": {HEARTBEAT_LABEL: "true"}}
        lease = {"apiVersion": LEASES, "kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": "x"}}
        agent.apply(lease, "omnixan-agent", force=True)
    collector = site.kube.acting_as(f"{CONTROLLERS}:generic-garbage-collector")
    name = {"quantumruns": run_on(site, 0)}.get(plural, site.nodes[0])
    collection = f"/apis/{api_version}/namespaces/{site.kube.namespace}/{plural}"
    for path in (f"{collection}/{name}", collection):
        remover = collector if path.endswith(name) else site.kube.acting_as(f"{CONTROLLERS}:namespace-controller")
        assert remover.answer("DELETE", path, dryRun="All") == (200, "")
    orphan = {"metadata": {"ownerReferences": None}}
    assert collector.answer("PATCH", f"{collection}/{name}", orphan, MERGE, dryRun="All") == (200, "")
    if plural != "leases":
        code, message = collector.answer("PATCH", f"{collection}/{name}/status", {"status": {"version": "1"}}, MERGE)
        assert code == 403 and "own agent" in message


@pytest.fixture(scope="module")
def node(control_plane: Kube, installed: Installed) -> Iterator[str]:
    """A Node with a label and an annotation of others."""
    name = f"held-{installed.clusters.namespace}"
    metadata = {"name": name, "labels": {"zone": "a"}, "annotations": {"note": "b"}}
    control_plane.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    yield name
    control_plane.delete("Node", name, "v1")


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"labels": {"zone": "b"}}},
        {"metadata": {"labels": {"zone": None}}},
        {"metadata": {"labels": {CLAIM_LABEL: "p.0", "node-role.kubernetes.io/control-plane": ""}}},
        {"metadata": {"annotations": {"note": "c"}}},
        {"metadata": {"annotations": {"scheduler": "x"}}},
        {"spec": {"unschedulable": True}},
        {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}},
    ],
)
def test_the_operator_changes_nothing_of_a_node_but_the_claim(operator: Kube, node: str, change: Any) -> None:
    with pytest.raises(RefusedError, match="changes nothing of a Node but the labels"):
        operator.patch("Node", node, change, "", "v1")
    for claim, tier in (("p.0", None), ("p.0", "T3-file"), (None, None)):
        labels = {CLAIM_LABEL: claim, MEMORY_TIER_LABEL: tier}
        operator.patch("Node", node, {"metadata": {"labels": labels}}, "", "v1")


OF = {"apiVersion": API_VERSION, "uid": "u", "controller": True}
OF_JOB = [OF | {"kind": "QuantumJob", "name": "job"}]
OF_CLUSTER = [OF | {"kind": "EdgeCluster", "name": "ec"}]


def pods(account: str, edits: Any = None, **modules: Any) -> Any:
    """The DaemonSet of the EdgeCluster ec's agents with that account; `edits` are of its pod spec."""
    labels = agents.template()["metadata"]["labels"]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "ec-pool", "ownerReferences": OF_CLUSTER},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": agents.pod(account, edits, **modules)},
        },
    }


def binding(role: str, subject: str) -> Any:
    """A RoleBinding of the EdgeCluster ec's agents."""
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": "ec-agent", "ownerReferences": OF_CLUSTER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": "HERE"}],
    }


def core(kind: str, name: str, owners: Any) -> Any:
    """A ConfigMap or ServiceAccount."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "ownerReferences": owners}}


REFUSED: dict[str, Any] = {
    "a ConfigMap of somebody": core("ConfigMap", "job-result", []),
    "a ConfigMap that is no result": core("ConfigMap", "kube-root-ca.crt", OF_JOB),
    "a result of another kind": core("ConfigMap", "ec-result", OF_CLUSTER),
    "an account of somebody": core("ServiceAccount", "default", OF_CLUSTER),
    "pods with another account": pods("default"),
    "pods in the host's network": pods("ec-agent", {"hostNetwork": True}),
    "pods among the host's processes": pods("ec-agent", {"hostPID": True}),
    **{f"agents {what}": pods("ec-agent", edits) for what, edits in agents.SPOILT.items()},
    **{
        f"a handover with {what}": pods("ec-agent", edits, persistentMemory={})
        for what, edits in agents.SPOILT_HANDOVERS.items()
    },
    "memory in a folder that the chart does not name": pods("ec-agent", persistentMemory={"pmemPath": "/srv/pmem"}),
    "its own rights for agents": binding("omnixan-operator-children", "ec-agent"),
    "agents' rights for somebody": binding("omnixan-edge-agent", "default"),
}
ALLOWED: dict[str, Any] = {
    "a result": core("ConfigMap", "job-result", OF_JOB),
    "the agents' account": core("ServiceAccount", "ec-agent", OF_CLUSTER),
    "agents": pods("ec-agent"),
    "agents with a pool of memory": pods("ec-agent", memoryPooling={}),
    "agents with persistent memory": pods("ec-agent", persistentMemory={}),
    "agents with a device-dax": pods("ec-agent", persistentMemory={"pmemPath": "/dev/dax0.0"}),
    "the agents' rights": binding("omnixan-edge-agent", "ec-agent"),
}


def _here(manifest: Any, kube: Kube) -> Any:
    if manifest["kind"] == "RoleBinding":
        return edited(manifest, {"subjects.0.namespace": kube.namespace})
    return manifest


@pytest.mark.parametrize("what", REFUSED)
def test_the_operator_makes_nothing_but_its_children(site: Site, operator: Kube, what: str) -> None:
    said = r"the operator (writes|binds)|agents (do not )?(run|mount|have)|containers of agents|the only container that runs"
    with pytest.raises(RefusedError, match=said) as refused:
        operator.create(_here(REFUSED[what], operator), dry_run=True)
    assert refused.value.code == 403


@pytest.mark.parametrize("what", ALLOWED)
def test_the_operator_makes_its_children(site: Site, operator: Kube, what: str) -> None:
    operator.create(_here(ALLOWED[what], operator), dry_run=True)


def test_the_operator_deletes_a_job_only_when_it_is_over_and_may_go(installed: Installed, operator: Kube) -> None:
    tenant, own = installed.tenant, operator.within(installed.tenant.namespace)
    over = {"phase": "Complete", "completionTime": good.TIME}
    for name, ttl, status in (("running", 0, {}), ("to-stay", None, over), ("may-go", 0, over)):
        spec = good.JOB_PROGRAM["spec"] | ({"ttlSecondsAfterFinished": ttl} if ttl is not None else {})
        spec = {key: value for key, value in spec.items() if ttl is not None or key != "ttlSecondsAfterFinished"}
        tenant.create(good.manifest("QuantumJob", name, spec))
        if status:
            tenant.patch("QuantumJob", name, {"status": status}, "status")
    for name in ("running", "to-stay"):
        with pytest.raises(RefusedError, match="deletes no QuantumJob but one that is over"):
            own.delete("QuantumJob", name)
    own.delete("QuantumJob", "may-go")
