"""The operator and the analyzer as processes, and a site of nodes for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.gitops.replay import recorded
from tests.api.client import Kube, new_namespace
from tests.api.omnixan_operator.harness import Agents, Operator, Site, process, wait


@pytest.fixture(scope="session")
def recording(kubeconfig: Path, control_plane: Kube) -> Iterator[None]:
    """Every transition of every object is what GitOps tools may rely on: see e2e/gitops/kstatus.py."""
    with recorded(kubeconfig):
        yield


@pytest.fixture(scope="session")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a real analyzer."""
    folder = tmp_path_factory.mktemp("analyzer")
    socket = folder / "analyzer.sock"
    running = process("omnixan.edge_network.quantum.analyzer", "--socket", str(socket), log=folder / "log")
    try:
        wait("the analyzer listens", socket.exists)
        yield socket
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture(scope="module")
def operator(
    kubeconfig: Path, control_plane: Kube, recording: None, analyzer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The real operator, for the tests of a module."""
    running = Operator(kubeconfig, analyzer, tmp_path_factory.mktemp("operator") / "log")
    running.start()
    try:
        yield running
    finally:
        status = running.stop()
        log = running.log.read_text()
        assert status == 0, log
        assert "Traceback" not in log, log


@pytest.fixture
def site(operator: Operator, control_plane: Kube) -> Iterator[Site]:
    """A namespace with nodes of its own, under the operator's eyes."""
    with new_namespace(control_plane) as kube:
        own = Site(kube)
        try:
            yield own
        finally:
            own.clear()


@pytest.fixture
def agents(site: Site) -> Iterator[Agents]:
    """Agents on every EdgeNode of the site."""
    with Agents(site.kube) as playing:
        yield playing
