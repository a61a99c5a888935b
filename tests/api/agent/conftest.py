"""A lab for every test: a namespace, the agents' rights in it, and a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.agent.harness import Lab
from tests.api.client import Kube, new_namespace


@pytest.fixture
def lab(control_plane: Kube, kubeconfig: Path, tmp_path: Path) -> Iterator[Lab]:
    """A lab with the EdgeNode node-1 and no agent yet."""
    with new_namespace(control_plane) as kube:
        lab = Lab(kube, kubeconfig, tmp_path)
        try:
            lab.grant()
            lab.node()
            yield lab
        finally:
            lab.close()
