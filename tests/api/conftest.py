"""A real kube-apiserver with etcd and our CRDs, and a namespace of its own for every test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.api.client import Kube, Object, RefusedError, new_namespace

ROOT = Path(__file__).resolve().parents[2]
GIVEN = "OMNIXAN_API_KUBECONFIG"
"""Environment variable: a kubeconfig of an API server to use instead of one of our own. Its CRDs are replaced."""
CRD = "apiextensions.k8s.io/v1"
PATIENCE_SECONDS = 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests below this folder need an API server."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.api)
            item.add_marker(pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"))


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """Of an API server without our CRDs."""
    if given := os.environ.get(GIVEN):
        yield Path(given)
        return
    from e2e.cluster.apiserver import BareControlPlane

    with BareControlPlane() as plane:
        yield plane.kubeconfig


@pytest.fixture(scope="session")
def control_plane(kubeconfig: Path) -> Kube:
    """The administrator of an API server that serves our kinds."""
    admin = Kube.of(kubeconfig)
    manifests = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    for manifest in manifests:
        admin.apply(manifest, "tests", force=True)
    until(lambda: all(served(admin, m) for m in manifests), "every CRD is established and served")
    return admin


def served(admin: Kube, crd: Object) -> bool:
    """Whether the API server has taken the CRD as it is now."""
    live = admin.get("CustomResourceDefinition", crd["metadata"]["name"], api_version=CRD)
    conditions = {c["type"]: c["status"] for c in live.get("status", {}).get("conditions", ())}
    if conditions.get("Established") != "True" or conditions.get("NonStructuralSchema") == "True":
        return False
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]["name"]
    try:
        admin.request("GET", f"/apis/{crd['spec']['group']}/{version}/{names['plural']}")
    except RefusedError:
        return False
    return True


def until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition; fails with `what` if it does not come true in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"after {seconds} s it is not so that {what}"
        time.sleep(0.05)


@pytest.fixture
def kube(control_plane: Kube) -> Iterator[Kube]:
    """The administrator in a namespace of the test's own."""
    with new_namespace(control_plane) as own:
        yield own


@pytest.fixture(scope="module")
def shared(control_plane: Kube) -> Iterator[Kube]:
    """The administrator in a namespace of the module's own, for requests that leave nothing behind (dry runs)."""
    with new_namespace(control_plane) as own:
        yield own
