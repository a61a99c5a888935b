"""A node that is frozen, cut off or rebooted while jobs run on it, for long or for a moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.faults.field import EDGE_CLUSTER, NAMESPACE, Field, Load
from e2e.kubectl import eventually, is_true

THAWED = "frozen, thawed before autonomy is over"
BRIEF = {"rebooted at once": 0.0, THAWED: 20.0}
"""Ways in which the node comes back while it still has its runs, and after how many seconds.

A heartbeat is lost 40 s after the last one, which may be 10 s old; the runs are given to others after another 40 s.
"""
WAYS = ("frozen", "cut off", "rebooted", *BRIEF)
AGAIN = 6
"""Jobs that follow when the node is back: two for each, and so many times as TURNS at most, until it had one."""
TURNS = 3


@contextmanager
def away(field: Field, node: str, how: str) -> Iterator[None]:
    """A node that does not answer while the block runs."""
    begin, end = {
        "frozen": (field.cluster.freeze, field.cluster.thaw),
        "cut off": (field.cluster.cut, field.cluster.heal),
        "rebooted": (field.cluster.stop_node, field.cluster.start_node),
        "rebooted at once": (field.cluster.stop_node, field.cluster.start_node),
        THAWED: (field.cluster.freeze, field.cluster.thaw),
    }[how]
    begin(node)
    try:
        yield
    finally:
        end(node)


def lose_node(field: Field, tenant: str, how: str, *, jobs: int, layers: int, mark: str) -> dict[str, Any]:
    """Take a node with a running job away, in a way of BRIEF for a moment, else until all jobs are over without it.

    Returns the evidence; AssertionError if anything is not so: what a node that comes back knows of runs that were given
    to others changes nothing, and it takes jobs again. The node is not the leader's: that is told by `leaders`.
    """
    field.operators_are_whole()
    spared = field.pod_node(field.leader())
    workers = [n.name for n in field.cluster.nodes() if not n.control_plane and n.name != spared]
    load = Load(field, tenant, f"{mark}-jobs", jobs, layers)
    node = load.begin(*workers)
    began = time.monotonic()
    with away(field, node, how):
        beat = field.beat(node)
        if how in BRIEF:
            while time.monotonic() < began + BRIEF[how]:
                time.sleep(0.5)  # how long it is away is the fault, not a wait for something
        else:
            load.finish(300)
            outcomes = load.outcomes()
        seconds = time.monotonic() - began
    eventually(lambda: field.beat(node) not in ("", beat), f"the agent of {node} is heard again", 240)
    back = time.monotonic() - began
    if how in BRIEF:
        load.finish(300)
        seconds = time.monotonic() - began
        outcomes = load.outcomes()
    field.cluster.wait_ready()
    field.kubectl.until("edgenode", node, NAMESPACE, is_true("Ready"), 180)
    field.kubectl.until("edgecluster", EDGE_CLUSTER, NAMESPACE, is_true("Ready"), 180)
    field.operators_are_whole()
    _takes_jobs_again(field, tenant, node, mark)
    found = load.judge()
    late = load.late_reports()
    assert load.outcomes() == outcomes, f"what {node} did when it was back changed jobs that were over"
    if how not in BRIEF:
        assert found["attemptsLost"] >= 1, f"{how}: {node} had a run and none was lost: {found}"
    assert how != THAWED or found["attemptsLost"] == 0, f"{how}: attempts were lost: {found}"
    load.remove()
    times = {"allCompleteAfterSeconds": round(seconds, 1), "heardAgainAfterSeconds": round(back, 1)}
    return {"how": how} | times | found | {"lateReportsRefused": late}


def _takes_jobs_again(field: Field, tenant: str, node: str, mark: str) -> None:
    """A result of the node's arrives; all that it had kept was sent before, as it sends one after another."""
    for turn in range(TURNS):
        load = Load(field, tenant, f"{mark}-again-{turn}", AGAIN, 300)
        load.finish(120)
        found, nodes = load.judge(), load.nodes()
        assert found["attemptsLost"] == 0, found
        load.remove()
        if nodes[node]:
            return
    raise AssertionError(f"{node} is back and got no job, the last ones ran on {nodes}")
