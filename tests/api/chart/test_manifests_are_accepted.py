"""Every manifest of the chart passes a real API server with strict field validation and Pod Security."""

from __future__ import annotations

from omnixan.edge_network.api.crd import KINDS
from tests.api.chart.conftest import Installed
from tests.api.client import Kube
from tests.cases.chart import of_kind, one, render
from tests.cases.edit import edited

CRD = "apiextensions.k8s.io/v1"


def test_the_api_server_knows_every_field(installed: Installed) -> None:
    for manifest in installed.manifests:
        installed.where(manifest).apply(manifest | {"metadata": manifest["metadata"]}, "tests", force=True, dry_run=True)


def test_the_namespace_is_accepted(control_plane: Kube) -> None:
    control_plane.create(edited(one(render(), "Namespace"), {"metadata.name": "not-there-yet"}), dry_run=True)


def test_the_crds_of_the_chart_change_nothing(control_plane: Kube) -> None:
    for manifest in of_kind(render(), "CustomResourceDefinition"):
        before = control_plane.get("CustomResourceDefinition", manifest["metadata"]["name"], api_version=CRD)
        after = control_plane.apply(manifest, "tests", force=True, dry_run=True)
        assert after["spec"] == before["spec"]
    assert len(of_kind(render(), "CustomResourceDefinition")) == len(KINDS)


def test_the_operators_pod_passes_the_restricted_pod_security_level(installed: Installed) -> None:
    template = one(installed.manifests, "Deployment")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator"} | template["metadata"]}
    installed.system.create(pod | {"spec": template["spec"]}, dry_run=True)
