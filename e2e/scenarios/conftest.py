"""One cluster and one release for all scenarios; every scenario has its own EdgeCluster and tenants."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e import install, manifests
from e2e.cluster import open_cluster
from e2e.cluster.golang import program
from e2e.cluster.images import ensure_images
from e2e.cluster.pypi import helm
from e2e.gitops.replay import recorded
from e2e.kubectl import Kubectl, eventually, is_true

TEST_SECONDS = 1200
"""A scenario, and what it has made first: a cluster at most. Every wait in it has a bound of its own."""
EdgeClusterMaker = Callable[[dict[str, Any]], AbstractContextManager[dict[str, Any]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real nodes that are lost and found take their minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """The real cluster; taken down at the end unless OMNIXAN_KEEP_CLUSTER is set."""
    opened = open_cluster()
    opened.up()
    yield opened
    if not os.environ.get("OMNIXAN_KEEP_CLUSTER"):
        opened.down()


@pytest.fixture(scope="session")
def kubectl(cluster: Any) -> Kubectl:
    """kubectl on the cluster."""
    return Kubectl(program("kubectl"), cluster.kubeconfig)


@pytest.fixture(scope="session")
def release(cluster: Any, kubectl: Kubectl) -> install.Release:
    """The installed product, on clean nodes: what an earlier run left is removed first."""
    images = ensure_images(cluster)
    found = install.Release(kubectl, helm(), images.operator, images.agent)
    install.label_workers(kubectl)
    found.install()
    kubectl.run("delete", "edgeclusters", "--all", "--all-namespaces", "--wait=true")
    kubectl.run("delete", "quantumjobs", "--all", "--all-namespaces", "--wait=true")
    eventually(lambda: not found.claimed_nodes(), "no node carries a claim of an earlier run")
    return found


@pytest.fixture(scope="session", autouse=True)
def recording(release: install.Release, cluster: Any) -> Iterator[None]:
    """Every transition of every object in every scenario is what GitOps tools may rely on: see e2e/gitops/kstatus.py."""
    with recorded(Path(cluster.kubeconfig)):
        yield


@pytest.fixture(scope="session")
def edge_cluster(release: install.Release, kubectl: Kubectl) -> EdgeClusterMaker:
    """Makes an EdgeCluster, waits until it is Ready, and takes it away again."""

    @contextmanager
    def make(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
        name = manifest["metadata"]["name"]
        kubectl.apply(manifest)
        ready = None
        try:
            ready = kubectl.until("edgecluster", name, manifests.CLUSTER_NAMESPACE, is_true("Ready"), 120)
            assert ready is not None
            yield ready
        finally:
            found = kubectl.get("edgecluster", name, manifests.CLUSTER_NAMESPACE) or ready
            kubectl.delete("edgecluster", name, namespace=manifests.CLUSTER_NAMESPACE)
            uid = found["metadata"]["uid"] if found else ""
            eventually(lambda: not release.claimed_nodes(uid), f"the nodes of {name} are given back")

    return make


@pytest.fixture(scope="module")
def tenant(kubectl: Kubectl, release: install.Release, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the module's own whose jobs are taken."""
    name = request.module.__name__.rsplit(".", 1)[-1].removeprefix("test_").replace("_", "-")[:40]
    install.make_tenant(kubectl, name)
    kubectl.run("delete", "quantumjobs", "--all", "-n", name)
    yield name
    kubectl.delete("namespace", name, wait=False)
