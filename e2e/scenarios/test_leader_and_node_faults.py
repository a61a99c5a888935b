"""A leader or a node goes away while jobs run: every job has one result, and its status explains every attempt.

`make soak` goes through all ways, again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.faults import leaders, nodes
from e2e.faults.field import Field
from e2e.install import Release
from e2e.kubectl import Kubectl


@pytest.fixture(scope="module")
def field(cluster: Any, kubectl: Kubectl, release: Release, tenant: str) -> Iterator[Field]:
    """The product with an EdgeCluster over all workers."""
    found = Field(cluster, kubectl, release)
    found.make_edge_cluster()
    yield found
    found.remove_edge_cluster()


def test_a_leader_is_killed(field: Field, tenant: str) -> None:
    found = leaders.fail_over(field, tenant, "killed", jobs=20, layers=600, away=0, mark="l")
    assert found["attemptsLost"] == 0, found  # nodes do not notice who leads


def test_a_node_is_cut_off(field: Field, tenant: str) -> None:
    found = nodes.lose_node(field, tenant, "cut off", jobs=12, layers=900, mark="n")
    assert found["attemptsLost"] >= 1, found
