"""More than an hour in which nothing happens but the time: tokens run out, and nobody may notice."""

from __future__ import annotations

import time
from typing import Any

from e2e import manifests
from e2e.faults.field import EDGE_CLUSTER, NAMESPACE, SYSTEM, Field
from e2e.kubectl import is_true

LOOK = 10.0
"""Seconds between two looks."""
JOB = 300.0
"""Seconds between two jobs."""


def stay_ready(field: Field, tenant: str, seconds: float, evidence: dict[str, Any]) -> None:
    """Look at all EdgeNodes for so long, and have a job run now and then; `evidence` always has what was seen so far.

    AssertionError if one of them was not ready at a look, an agent or operator was started again, or a job did not end well.
    """
    begin = time.monotonic()
    restarts = _restarts(field)
    names = {node["metadata"]["name"] for node in field.kubectl.list("edgenodes", NAMESPACE)}
    jobs = 0
    unready: list[str] = []
    evidence |= {"edgeNodes": len(names), "looked": 0, "forSeconds": 0, "jobsComplete": 0, "unready": 0}
    while (passed := time.monotonic() - begin) < seconds:
        nodes = field.kubectl.list("edgenodes", NAMESPACE)
        unready += [f"{passed:.0f} s: {node['metadata']['name']}" for node in nodes if not is_true("Ready")(node)]
        assert {node["metadata"]["name"] for node in nodes} == names, f"there were {names}, there are {nodes}"
        evidence |= {"looked": evidence["looked"] + 1, "forSeconds": round(passed), "unready": len(unready)}
        if passed >= jobs * JOB:
            name = f"hour-{jobs}"
            field.kubectl.apply(manifests.program_job(name, tenant, EDGE_CLUSTER, manifests.ghz(3)))
            field.kubectl.until("quantumjob", name, tenant, is_true("Complete"), 60)
            field.kubectl.delete("quantumjob", name, namespace=tenant)
            jobs += 1
            evidence["jobsComplete"] = jobs
        time.sleep(LOOK)
    after = _restarts(field)
    evidence["restarts"] = sum(after.values()) - sum(restarts.values())
    assert not unready, f"EdgeNodes were not ready: {unready[:20]}"
    assert after == restarts, f"restarts before {restarts}, after {after}"


def _restarts(field: Field) -> dict[str, int]:
    """How often each container of ours was started again, by pod."""
    pods = [
        *field.kubectl.list("pods", NAMESPACE, "app.kubernetes.io/component=node-agent"),
        *field.kubectl.list("pods", SYSTEM, "app.kubernetes.io/name=omnixan-operator"),
    ]
    return {pod["metadata"]["name"]: _started_again(pod) for pod in pods}


def _started_again(pod: Any) -> int:
    return sum(int(one["restartCount"]) for one in pod["status"].get("containerStatuses", []))
