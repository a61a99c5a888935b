"""A QAOA of 60 iterations whose agent is killed -9 in the middle, twice, on a node with a memory."""

from __future__ import annotations

from typing import Any

from e2e import install
from e2e.faults import loops
from e2e.faults.field import Field
from e2e.kubectl import Kubectl


def test_a_job_whose_agent_is_killed_twice_goes_on_and_ends_as_if_nothing_had_happened(
    kubectl: Kubectl, cluster: Any, release: install.Release, tenant: str
) -> None:
    field = Field(cluster, kubectl, release)
    with loops.remembering(field) as node:
        calm = loops.undisturbed(field, tenant, "scenario")
        loops.kill_twice(field, tenant, node, calm, "scenario")
