"""The chart is upgraded while jobs run: operators first, on the agents of before, then the agents. No job is lost."""

from __future__ import annotations

from typing import Any

from e2e.faults.field import Field
from e2e.faults.releases import change_release, next_release
from e2e.install import Release
from e2e.kubectl import Kubectl


def test_jobs_outlive_an_upgrade(cluster: Any, kubectl: Kubectl, release: Release, tenant: str) -> None:
    field = Field(cluster, kubectl, release)
    field.make_edge_cluster()
    try:
        with next_release(field) as following:
            found = change_release(field, tenant, release, following, jobs=9, layers=900, mark="up")
        assert found["operatorsFirst"] == found["agentsThen"] == {"jobs": 9, "attemptsLost": 0}
    finally:
        release.install()  # what follows runs on the release under test
        field.operators_are_whole()
        field.remove_edge_cluster()
