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


def stay_ready(field: Field, tenant: str, seconds: float) -> dict[str, Any]:
    """Look at all EdgeNodes for so long, and have a job run now and then; the evidence.

    AssertionError if one of them was not ready at a look, an agent or operator was started again, or a job did not end well.
    """
    begin = time.monotonic()
    restarts = _restarts(field)
    names = {node["metadata"]["name"] for node in field.kubectl.list("edgenodes", NAMESPACE)}
    looks = jobs = 0
    unready: list[str] = []
    while (passed := time.monotonic() - begin) < seconds:
        nodes = field.kubectl.list("edgenodes", NAMESPACE)
        unready += [f"{passed:.0f} s: {node['metadata']['name']}" for node in nodes if not is_true("Ready")(node)]
        assert {node["metadata"]["name"] for node in nodes} == names, f"there were {names}, there are {nodes}"
        looks += 1
        if passed >= jobs * JOB:
            name = f"hour-{jobs}"
            field.kubectl.apply(manifests.program_job(name, tenant, EDGE_CLUSTER, manifests.ghz(3)))
            field.kubectl.until("quantumjob", name, tenant, is_true("Complete"), 60)
            field.kubectl.delete("quantumjob", name, namespace=tenant)
            jobs += 1
        time.sleep(LOOK)
    assert not unready, f"EdgeNodes were not ready: {unready[:20]}"
    assert _restarts(field) == restarts, f"restarts before {restarts}, after {_restarts(field)}"
    return {"looked": looks, "forSeconds": round(seconds), "jobsComplete": jobs, "restarts": 0}


def _restarts(field: Field) -> dict[str, int]:
    """How often each container of ours was started again, by pod."""
    pods = [
        *field.kubectl.list("pods", NAMESPACE, "app.kubernetes.io/component=node-agent"),
        *field.kubectl.list("pods", SYSTEM, "app.kubernetes.io/name=omnixan-operator"),
    ]
    return {pod["metadata"]["name"]: _started_again(pod) for pod in pods}


def _started_again(pod: Any) -> int:
    return sum(int(one["restartCount"]) for one in pod["status"].get("containerStatuses", []))
