"""A node that is frozen, cut off or rebooted while jobs run on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.faults.field import EDGE_CLUSTER, NAMESPACE, Field, Load
from e2e.kubectl import is_true

WAYS = ("frozen", "cut off", "rebooted")


@contextmanager
def away(field: Field, node: str, how: str) -> Iterator[None]:
    """A node that does not answer while the block runs."""
    begin, end = {
        "frozen": (field.cluster.freeze, field.cluster.thaw),
        "cut off": (field.cluster.cut, field.cluster.heal),
        "rebooted": (field.cluster.stop_node, field.cluster.start_node),
    }[how]
    begin(node)
    try:
        yield
    finally:
        end(node)


def lose_node(field: Field, tenant: str, how: str, *, jobs: int, layers: int, mark: str) -> dict[str, Any]:
    """Take a node with a running job away until all jobs are over without it; the evidence.

    The node is not the leader's: what happens to a leader is told by `leaders`.
    """
    field.operators_are_whole()
    spared = field.pod_node(field.leader())
    workers = [n.name for n in field.cluster.nodes() if not n.control_plane and n.name != spared]
    load = Load(field, tenant, f"{mark}-{how.split()[0]}", jobs, layers)
    node = load.begin(*workers)
    began = time.monotonic()
    with away(field, node, how):
        load.finish(300)
        seconds = time.monotonic() - began
    field.cluster.wait_ready()
    found = load.judge()
    field.kubectl.until("edgecluster", EDGE_CLUSTER, NAMESPACE, is_true("Ready"), 180)
    field.operators_are_whole()
    load.remove()
    return {"how": how, "allCompleteAfterSeconds": round(seconds, 1)} | found
