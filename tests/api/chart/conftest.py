"""The rendered chart on a real API server, without the machinery that would run its pod."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.api.client import CLUSTER_SCOPED, Kube, RefusedError, new_namespace
from tests.cases.chart import Manifest, render

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
        try:
            for manifest in release.manifests:
                if manifest["kind"] == "Deployment":
                    continue
                release.where(manifest).apply(manifest, "tests", force=True)
                if manifest["kind"] in CLUSTER_SCOPED:
                    cluster_wide.append(manifest)
            yield release
        finally:
            for manifest in cluster_wide:
                control_plane.delete(manifest["kind"], manifest["metadata"]["name"], manifest["apiVersion"])


def bearer(kube: Kube, account: str) -> Kube:
    """A ServiceAccount of the client's namespace, with a token of the API server's own making."""
    path = kube.path("v1", "ServiceAccount", account, "token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return kube.with_token(kube.request("POST", path, request)["status"]["token"])


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
    """Whether the API server lets the request through to validation; the request itself changes nothing."""
    media = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = None
    if kind == "RoleBinding":
        body = role_binding(kube, name or "x", "omnixan-edge-agent", "x")
    elif method in ("POST", "PATCH"):
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name or "x"}}
    try:
        kube.request(method, kube.path(api_version, kind, name, part), body, media, dryRun="All")
    except RefusedError as refused:
        if refused.code == 403 and "cannot" in refused.message:
            return False
        assert refused.code in (400, 404, 409, 422), refused
    return True


@pytest.fixture(scope="module")
def operator(installed: Installed) -> Kube:
    """The operator, in the EdgeClusters' namespace."""
    return bearer(installed.system, "omnixan-operator").within(installed.clusters.namespace)


@pytest.fixture(scope="module")
def agent(installed: Installed, operator: Kube) -> Kube:
    """A node agent whose account and binding were made by the operator, as it makes them for an EdgeCluster."""
    name = f"edge-{uuid.uuid4().hex[:6]}-agent"
    here = {"name": name, "namespace": installed.clusters.namespace}
    operator.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here}, "omnixan-operator")
    operator.apply(role_binding(operator, name, "omnixan-edge-agent", name), "omnixan-operator")
    return bearer(installed.clusters, name)
