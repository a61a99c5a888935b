"""A leader that is killed, frozen or cut off while jobs run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.faults.field import SYSTEM, Field, Load

LIMIT = 20.0
"""Seconds from the fault to another holder of the Lease, at most."""
WAYS = ("killed", "frozen", "cut off")
_PID = "$(crictl inspect --output go-template --template '{{.info.pid}}' $(crictl ps -q --name '^operator$' "


@contextmanager
def stopped(field: Field, pod: str, how: str) -> Iterator[None]:
    """The operator's process in a pod, killed, or frozen or without its network while the block runs."""
    node = field.pod_node(pod)
    if how == "cut off":
        field.cluster.cut(node)
    else:
        _signal(field, node, pod, "KILL" if how == "killed" else "STOP")
    try:
        yield
    finally:
        if how == "cut off":
            field.cluster.heal(node)
        elif how == "frozen":
            _signal(field, node, pod, "CONT", harmless=True)


def _signal(field: Field, node: str, pod: str, signal: str, *, harmless: bool = False) -> None:
    """To the container's first process, from the node. `harmless`: it may be gone, the kubelet kills what is frozen."""
    kill = f"kill -{signal} {_PID} --label io.kubernetes.pod.name={pod}))"
    field.cluster.node_shell(node, ["sh", "-c", f"{kill} || true" if harmless else kill])


def fail_over(field: Field, tenant: str, how: str, *, jobs: int, layers: int, away: float, mark: str) -> dict[str, Any]:
    """Stop the leader while jobs run, for `away` seconds at least; the evidence. AssertionError if anything is not so."""
    field.operators_are_whole()
    load = Load(field, tenant, f"{mark}-{how.split()[0]}", jobs, layers)
    load.begin()
    holder = field.holder()
    pod = holder.partition("_")[0]
    before = load.complete()
    began = time.monotonic()
    with stopped(field, pod, how):
        seconds = field.another_leads(holder, 60)
        while time.monotonic() < began + away:
            time.sleep(1)  # how long it is away is the fault, not a wait for something
    load.finish(240)
    found = load.judge()
    field.cluster.wait_ready()
    field.operators_are_whole()
    load.remove()
    assert seconds <= LIMIT, f"{how}: another led after {seconds:.1f} s"
    restarts = sum(
        status["restartCount"]
        for each in field.kubectl.list("pods", SYSTEM, "app.kubernetes.io/name=omnixan-operator")
        for status in each["status"].get("containerStatuses", ())
        if status["name"] == "operator"
    )
    return {"how": how, "failoverSeconds": round(seconds, 2), "completeBefore": before, "restarts": restarts} | found
