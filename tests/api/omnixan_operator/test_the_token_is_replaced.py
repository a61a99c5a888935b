"""The kubelet replaces the operator's token, in time or too late: the same process goes on, and leads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api.agent.proxy import Link
from tests.api.client import Kube, new_namespace
from tests.api.omnixan_operator.harness import ROOT, Agents, Operator, Site, wait
from tests.api.rotation import Mount

RBAC = "rbac.authorization.k8s.io"


class InAPod(Operator):
    """The operator with a mounted service account instead of a kubeconfig, behind a link."""

    def __init__(self, folder: Path, link: Link, socket: Path, log: Path) -> None:
        address = urlsplit(link.url)
        super().__init__(
            Path(),
            socket,
            log,
            KUBECONFIG="",
            KUBERNETES_SERVICE_HOST=str(address.hostname),
            KUBERNETES_SERVICE_PORT=str(address.port),
            PYTHONPATH=os.pathsep.join(str(ROOT / part) for part in ("operator", "node_agent", "")),
        )
        self.command = ("tests.api.omnixan_operator.in_a_pod", str(folder))


@pytest.fixture(scope="module")
def link(control_plane: Kube, kubeconfig: Path) -> Iterator[Link]:
    with Link(control_plane.host) as found:
        yield found


@pytest.fixture(scope="module")
def mount(control_plane: Kube, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """The volume with the token of an account that may do everything."""
    authority = kubeconfig.parent / "ca.crt"
    if not authority.exists():
        pytest.skip("the CA of this API server is not at hand")
    with new_namespace(control_plane) as kube:
        kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}})
        binding = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": kube.namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": kube.namespace}],
        }
        kube.create(binding)
        try:
            yield Mount(kube, "operator", tmp_path_factory.mktemp("pod") / "serviceaccount", authority)
        finally:
            kube.delete("ClusterRoleBinding", kube.namespace, f"{RBAC}/v1")


@pytest.fixture(scope="module")
def operator(
    mount: Mount, link: Link, recording: None, analyzer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The one that is in a pod."""
    running = InAPod(mount.folder, link, analyzer, tmp_path_factory.mktemp("operator") / "log")
    running.start()
    try:
        yield running
    finally:
        status, log = running.stop(), running.log.read_text()
        assert status == 0 and "Traceback" not in log, log


def test_an_operator_goes_on_while_its_tokens_are_replaced_and_run_out(
    operator: Operator, mount: Mount, link: Link, site: Site, agents: Agents
):
    site.node("a")
    site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready")
    for number in range(2):
        mount.end(mount.turn())
        link.cut()  # a watch that is open when its token runs out stays open
        link.mend()
        site.job(f"job-{number}")
        site.is_so("QuantumJob", f"job-{number}", "Complete")
    assert operator.ended() is None and operator.metric("omnixan_operator_leader") == 1

    mount.end(mount.current)
    link.cut()
    link.mend()
    wait("kopf is refused", lambda: "refused the token that kopf has" in operator.log.read_text())
    wait("the operator leads no more", lambda: operator.metric("omnixan_operator_leader") == 0)
    site.job("late")
    mount.turn()
    site.is_so("QuantumJob", "late", "Complete")
    assert operator.ended() is None and operator.metric("omnixan_operator_leader") == 1
