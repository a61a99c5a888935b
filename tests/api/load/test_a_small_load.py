"""A load of a size that fits into a test: all of it is done, and nobody writes more than is needed. No times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from e2e.cluster.steps import Steps
from e2e.load import clusters, jobs, tenants
from e2e.load.scale import Scale

TINY = Scale(jobs=30, programs=15, nodes=5, tenants=2, rate=20, changes=10, watched=2, clusters=10)


def row(found: dict[str, Any], words: str) -> float:
    (measured,) = [row["measured"] for row in found["rows"] if words in row["figure"]]
    return float(measured)


def test_jobs_are_done_with_few_writes_and_a_restart_writes_nothing() -> None:
    found = jobs.run(TINY, Steps(quiet=True))
    assert row(found, "writes of the restarted operator") == 0
    operator, agents = found["jobs"]["writes"]["operator"], found["jobs"]["writes"]["agents"]
    assert agents["patch quantumruns/status"] == TINY.jobs
    assert operator["create quantumruns"] == operator["create configmaps"] == TINY.jobs
    # once, as start and end of a short run are one write (decision 10); a slow machine shows more of a job's way
    assert TINY.jobs <= operator["patch quantumjobs/status"] <= 4 * TINY.jobs
    assert row(found, "change to observed") < float("inf")


def test_edge_clusters_get_ready() -> None:
    found = clusters.run(TINY, Steps(quiet=True))
    assert found["writes"]["operator"]["patch nodes"] == TINY.clusters
    assert row(found, "until all are Ready") > 0


def test_a_tenant_with_three_jobs_does_not_wait_for_forty_of_another() -> None:
    found = tenants.run(replace(TINY, jobs=40, few=3), Steps(quiet=True))
    before, meanwhile = (found["jobs"][name] for name in ("complete when the other came", "complete meanwhile"))
    assert meanwhile < (40 - before) / 2, found
