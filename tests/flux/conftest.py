"""Flux's controllers, a Git server, the real operator and nodes, on a bare control plane."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.gitops.flux import FIGURES, NAMESPACE, Flux, definitions
from e2e.gitops.git_server import GitServer
from tests.api.client import PLURALS, Kube, RefusedError
from tests.api.conftest import control_plane, kubeconfig, until
from tests.api.omnixan_operator.conftest import agents, analyzer, operator, recording, site

__all__ = ["agents", "analyzer", "control_plane", "kubeconfig", "operator", "recording", "site"]

PLURALS.update({"GitRepository": "gitrepositories", "Kustomization": "kustomizations"})
SOURCE, KUSTOMIZE = "source.toolkit.fluxcd.io/v1", "kustomize.toolkit.fluxcd.io/v1"


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """The repository."""
    with GitServer(tmp_path_factory.mktemp("git")) as server:
        yield server


@pytest.fixture(scope="module")
def flux(kubeconfig: Path, control_plane: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flux]:
    """The controllers, with their kinds and their namespace."""
    for manifest in definitions():
        control_plane.apply(manifest, "tests", force=True)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    control_plane.apply(namespace, "tests")

    def are_served() -> bool:
        try:
            for api, kind in ((SOURCE, "GitRepository"), (KUSTOMIZE, "Kustomization")):
                control_plane.within(NAMESPACE).list(kind, api)
        except RefusedError:
            return False
        return True

    until(are_served, "Flux's kinds are served")
    with Flux(kubeconfig, tmp_path_factory.mktemp("flux")) as running:
        yield running


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, object]]:
    """What was measured; written to the file that is named in the environment."""
    found: dict[str, object] = {}
    yield found
    if path := os.environ.get(FIGURES):
        Path(path).write_text(json.dumps(found) + "\n")
