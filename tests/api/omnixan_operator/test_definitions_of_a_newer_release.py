"""CustomResourceDefinitions of a newer release, with this operator: it works on, and loses nothing that it does not know."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.api.client import Kube, Object
from tests.api.conftest import CRD, ROOT, served, until
from tests.api.omnixan_operator.harness import APPS, AWHILE, Agents, Operator, Site, wait

NEW_TEXT = {"type": "string", "maxLength": 63}


def newer(manifest: Object) -> Object:
    """The definition with an optional field more in spec and status, and another version that is served beside ours."""
    changed = copy.deepcopy(manifest)
    for version in changed["spec"]["versions"]:
        properties = version["schema"]["openAPIV3Schema"]["properties"]
        for part in ("spec", "status"):
            if part in properties:
                properties[part]["properties"]["addedLater"] = NEW_TEXT
    another = copy.deepcopy(changed["spec"]["versions"][0]) | {"name": "v1beta1", "storage": False}
    changed["spec"]["versions"].append(another)
    return changed


@pytest.fixture
def newer_definitions(control_plane: Kube) -> Iterator[None]:
    """The newer definitions while a test runs; then this release's again."""
    manifests = [yaml.safe_load(path.read_text()) for path in sorted(Path(ROOT / "crds").glob("*.yaml"))]
    try:
        for manifest in manifests:
            control_plane.apply(newer(manifest), "tests", force=True)
        until(lambda: all(_serves(control_plane, m, "v1beta1") for m in manifests), "the newer version is served")
        yield
    finally:
        for manifest in manifests:
            control_plane.apply(manifest, "tests", force=True)
        until(lambda: all(served(control_plane, m) for m in manifests), "this release's version is served")


def _serves(admin: Kube, manifest: Object, version: str) -> bool:
    code, _ = admin.answer("GET", f"/apis/{manifest['spec']['group']}/{version}/{manifest['spec']['names']['plural']}")
    live = admin.get("CustomResourceDefinition", manifest["metadata"]["name"], api_version=CRD)
    return code == 200 and live["status"]["conditions"] is not None


def test_the_operator_works_on_and_keeps_what_it_does_not_know(
    newer_definitions: None, site: Site, agents: Agents, operator: Operator
) -> None:
    operator.restart()  # its first lists and watches are of the newer definitions
    site.node("n0")
    site.cluster(1, addedLater="x")
    site.is_so("EdgeCluster", "ec", "Ready")
    site.kube.patch("EdgeCluster", "ec", {"status": {"addedLater": "y"}}, "status")
    site.job(addedLater="z")
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert job["spec"]["addedLater"] == "z"
    site.kube.patch("EdgeCluster", "ec", {"spec": {"region": "elsewhere"}})
    wait("the change is observed", lambda: _observed(site))
    live = site.kube.get("EdgeCluster", "ec")
    assert (live["spec"]["addedLater"], live["status"]["addedLater"]) == ("x", "y")
    operator.settled(AWHILE)
    before = operator.requests()
    site.kube.patch("EdgeCluster", "ec", {"spec": {"addedLater": "w"}})
    wait("the change is observed", lambda: _observed(site))
    operator.settled()
    made = {k: v - before.get(k, 0) for k, v in operator.requests().items() if v != before.get(k, 0)}
    assert made == {("apply_status", "EdgeCluster"): 1}, "what it does not know makes no work but to say that it was seen"
    assert len(site.kube.list("DaemonSet", APPS)) == 1


def _observed(site: Site) -> bool:
    live = site.kube.get("EdgeCluster", "ec")
    return bool(live["status"].get("observedGeneration") == live["metadata"]["generation"])
