"""The rendered chart on a real API server, without the machinery that would run its pod."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from omnixan.edge_network.api.meta import API_VERSION
from tests.api.client import CLUSTER_SCOPED, Kube, RefusedError, new_namespace
from tests.api.conftest import until
from tests.api.enforcement import enforced, policies
from tests.api.tokens import bound, unbound
from tests.cases import good
from tests.cases.chart import Manifest, render
from tests.cases.edit import DELETE, edited

RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Installed:
    """Where the chart is: clients of the administrator in each namespace, and the manifests."""

    system: Kube
    """The operator's namespace, held to the restricted Pod Security level."""
    clusters: Kube
    """The EdgeClusters' namespace, held to it too."""
    tenant: Kube
    """Some other namespace."""
    manifests: list[Manifest]

    def where(self, manifest: Manifest) -> Kube:
        """The client of the manifest's namespace."""
        return self.clusters if manifest["metadata"].get("namespace") == self.clusters.namespace else self.system


@pytest.fixture(scope="module")
def installed(control_plane: Kube) -> Iterator[Installed]:
    """All manifests but CRDs (which are there already) and the Deployment (which nobody would run)."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    with (
        new_namespace(control_plane, **restricted) as system,
        new_namespace(control_plane, **restricted) as clusters,
        new_namespace(control_plane) as tenant,
    ):
        values = (f"clusterNamespace.name={clusters.namespace}", "clusterNamespace.create=false", "crds.install=false")
        release = Installed(system, clusters, tenant, render(*values, namespace=system.namespace))
        cluster_wide = []
        confining = policies(release.manifests)
        try:
            for manifest in release.manifests:
                if manifest["kind"] == "Deployment" or manifest in confining:
                    continue
                release.where(manifest).apply(manifest, "tests", force=True)
                if manifest["kind"] in CLUSTER_SCOPED:
                    cluster_wide.append(manifest)
            with enforced(control_plane, confining):
                yield release
        finally:
            for manifest in cluster_wide:
                control_plane.delete(manifest["kind"], manifest["metadata"]["name"], manifest["apiVersion"])


def role_binding(kube: Kube, name: str, role: str, account: str) -> Manifest:
    """A RoleBinding of a ClusterRole to an account, in the client's namespace."""
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": kube.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": kube.namespace}],
    }


def may(kube: Kube, method: str, api_version: str, kind: str, name: str = "", part: str = "") -> bool:
    """Whether RBAC lets the request through to validation and policies; the request itself changes nothing."""
    media = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = None
    if kind == "RoleBinding":
        body = role_binding(kube, name or "x", "omnixan-edge-agent", "x")
    elif method in ("POST", "PATCH"):
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name or "x"}}
    try:
        kube.request(method, kube.path(api_version, kind, name, part), body, media, dryRun="All")
    except RefusedError as refused:
        if refused.code == 403 and "ValidatingAdmissionPolicy" in refused.message:
            return True
        if refused.code == 403 and "cannot" in refused.message:
            return False
        assert refused.code in (400, 404, 409, 422), refused
    return True


@pytest.fixture(scope="module")
def operator(installed: Installed) -> Kube:
    """The operator, in the EdgeClusters' namespace."""
    return unbound(installed.system, "omnixan-operator").within(installed.clusters.namespace)


@dataclass(frozen=True)
class Site:
    """An EdgeCluster whose account, binding and EdgeNodes were made by the operator, as it makes them."""

    name: str
    account: str
    nodes: tuple[str, str]
    kube: Kube
    """The administrator in its namespace."""


def make_site(admin: Kube, operator: Kube) -> Site:
    """A site in the client's namespace."""
    name = f"edge-{uuid.uuid4().hex[:6]}"
    account, nodes = f"{name}-agent", (f"{name}-one", f"{name}-two")
    live = admin.create(edited(good.EDGE_CLUSTER, {"metadata.name": name, "status": DELETE}))
    owner = {key: live[key] for key in ("apiVersion", "kind")} | {key: live["metadata"][key] for key in ("name", "uid")}
    owned = {"ownerReferences": [owner | {"controller": True}]}
    here = {"name": account, "namespace": admin.namespace} | owned
    operator.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here}, "omnixan-operator")
    binding = role_binding(operator, account, "omnixan-edge-agent", account)
    operator.apply(binding | {"metadata": binding["metadata"] | owned}, "omnixan-operator")
    for number, node in enumerate(nodes):
        admin.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
        twin = edited(good.EDGE_NODE, {"metadata": {"name": node} | owned, "spec.nodeName": node, "status": DELETE})
        operator.create(twin)
        spec = good.RUN_PROGRAM["spec"] | {"nodeName": node}
        run = {"metadata": {"name": f"{name}-run-{number}"} | owned, "spec": spec}
        operator.create({"apiVersion": API_VERSION, "kind": "QuantumRun"} | run)
    return Site(name, account, nodes, admin)


def run_on(site: Site, number: int) -> str:
    """Name of the run on the site's node of that number."""
    return f"{site.name}-run-{number}"


@pytest.fixture(scope="module")
def site(installed: Installed, operator: Kube) -> Iterator[Site]:
    """An EdgeCluster with two nodes."""
    until(lambda: may(operator, "POST", "apps/v1", "DaemonSet"), "the operator's binding of the namespace counts")
    found = make_site(installed.clusters, operator)
    yield found
    for node in found.nodes:
        installed.clusters.delete("Node", node, "v1")


@pytest.fixture(scope="module")
def agent(site: Site) -> Kube:
    """The agent of the site's first node."""
    return bound(site.kube, site.account, site.nodes[0])
