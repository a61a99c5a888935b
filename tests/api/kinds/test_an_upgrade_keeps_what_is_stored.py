"""CRDs of the last release are replaced by today's, and back, on an API server that has objects of theirs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster.apiserver import BareControlPlane
from e2e.crd_changes import load
from omnixan.edge_network.api.meta import API_VERSION
from tests.api.client import Kube, Object, RefusedError
from tests.api.conftest import CRD, ROOT, served, until
from tests.cases.edit import contains

BASELINE = ROOT / "tests" / "baseline" / "0.1.0"
OBJECTS: list[Object] = list(yaml.safe_load_all((BASELINE / "objects.yaml").read_text()))


def install(admin: Kube, folder: Path) -> None:
    """Replace the CRDs, and wait until the API server answers by the new schema."""
    wanted = load(folder)
    for manifest in wanted.values():
        admin.apply(manifest, "tests", force=True)
    until(lambda: all(served(admin, m) for m in wanted.values()), "every CRD is served")
    for name, manifest in wanted.items():
        until(lambda name=name, m=manifest: _published(admin, name) == _digest(m), f"{name} has its new schema")


def _digest(crd: Object) -> Any:
    version = crd["spec"]["versions"][0]
    return version["schema"], version.get("subresources")


def _published(admin: Kube, name: str) -> Any:
    return _digest(admin.get("CustomResourceDefinition", name, api_version=CRD))


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Kube]:
    """The administrator of an API server whose objects are older than its CRDs."""
    with BareControlPlane() as plane:
        admin = Kube.of(plane.kubeconfig)
        install(admin, BASELINE / "crds")
        for manifest in OBJECTS:
            admin.create(manifest)
            if "status" in manifest:
                admin.replace(manifest, "status")
        install(admin, ROOT / "crds")
        # the schema by which objects are checked follows the CRD a moment later: a field of today is taken once it does
        until(lambda: _takes_new_fields(admin), "objects are checked by the new schema")
        yield admin


def _takes_new_fields(admin: Kube) -> bool:
    job = next(o for o in OBJECTS if o["kind"] == "QuantumJob")
    new = copy.deepcopy(job)
    new["metadata"]["name"] = "probe"
    new["spec"].setdefault("requirements", {})["simulatorAllowed"] = True
    try:
        admin.create(new, dry_run=True)
    except RefusedError:
        return False
    return True


def test_every_kind_has_a_stored_object() -> None:
    assert {o["kind"] for o in OBJECTS} == {crd["spec"]["names"]["kind"] for crd in load(BASELINE / "crds").values()}


@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda o: f"{o['kind']}-{o['metadata']['name']}")
def test_a_stored_object_keeps_its_fields_and_can_be_written(upgraded: Kube, manifest: Object) -> None:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    live = upgraded.get(kind, name)
    assert contains(live["spec"], manifest["spec"])
    assert contains(live.get("status", {}), manifest.get("status", {}))
    upgraded.patch(kind, name, {"metadata": {"labels": {"looked": "at"}}})
    upgraded.replace(manifest, dry_run=True)
    if "status" in manifest:
        upgraded.replace(manifest, "status", dry_run=True)


@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda o: f"{o['kind']}-{o['metadata']['name']}")
def test_a_manifest_of_the_last_release_can_be_created_again(upgraded: Kube, manifest: Object) -> None:
    again = {**manifest, "metadata": {"name": manifest["metadata"]["name"]}}
    live = upgraded.get(manifest["kind"], manifest["metadata"]["name"])
    upgraded.delete(manifest["kind"], manifest["metadata"]["name"])
    created = upgraded.create(again)
    assert contains(created["spec"], manifest["spec"])
    assert created["metadata"]["uid"] != live["metadata"]["uid"]
    if "status" in manifest:
        assert contains(upgraded.replace(manifest, "status")["status"], manifest["status"])


def test_the_way_back_keeps_what_the_last_release_knows(upgraded: Kube) -> None:
    install(upgraded, BASELINE / "crds")
    for manifest in OBJECTS:
        live = upgraded.get(manifest["kind"], manifest["metadata"]["name"], api_version=API_VERSION)
        assert contains(live["spec"], manifest["spec"])
