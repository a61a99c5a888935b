"""A leader that is killed, frozen or cut off while jobs run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from e2e.faults import audit
from e2e.faults.field import OPERATOR, SYSTEM, Field, Load

LIMIT = 20.0
"""Seconds from asking for the fault to another holder of the Lease, at most."""
AWAY = {"killed": 0.0, "frozen": 60.0, "cut off": 60.0}
"""Seconds that each fault lasts in the soak; who is killed is started again by its kubelet at once."""
WAYS = tuple(AWAY)
KILLED = 137
"""Exit status of a process that was ended by SIGKILL."""


@contextmanager
def stopped(field: Field, node: str, process: int, how: str) -> Iterator[None]:
    """The operator's process on a node, killed, or frozen or without its network while the block runs."""
    if how == "cut off":
        field.cluster.cut(node)
    else:
        field.cluster.node_shell(node, ["sh", "-c", f"kill -{'KILL' if how == 'killed' else 'STOP'} {process}"])
    try:
        yield
    finally:
        if how == "cut off":
            field.cluster.heal(node)
        elif how == "frozen":  # it may be gone: the kubelet kills what does not answer
            field.cluster.node_shell(node, ["sh", "-c", f"kill -CONT {process} || true"])


def process_of(field: Field, node: str, pod: str) -> int:
    """The operator's process in a pod, as its node numbers it."""
    found = f"$(crictl ps -q --name '^operator$' --label io.kubernetes.pod.name={pod})"
    inspect = f"crictl inspect --output go-template --template '{{{{.info.pid}}}}' {found}"
    return int(field.cluster.node_shell(node, ["sh", "-c", inspect]))


def fail_over(field: Field, tenant: str, how: str, *, jobs: int, layers: int, away: float, mark: str) -> dict[str, Any]:
    """Stop the leader while jobs run, for `away` seconds at least; the evidence. AssertionError if anything is not so."""
    field.operators_are_whole()
    load = Load(field, tenant, f"{mark}-{how.split()[0]}", jobs, layers)
    load.begin()
    holder = field.holder()
    pod = holder.partition("_")[0]
    node, container = field.pod_node(pod), field.operator_container(pod)
    process = process_of(field, node, pod)
    before = load.complete()
    began, moment = time.monotonic(), datetime.now(UTC)
    with stopped(field, node, process, how):
        successor = field.another_leads(holder, 60).partition("_")[0]
        seconds = time.monotonic() - began
        while time.monotonic() < began + away:
            time.sleep(1)  # how long it is away is the fault, not a wait for something
    load.finish(240)
    ended = _told(how, field.operator_ended(pod, container), moment, away)
    found = load.judge() | judge_terms(field.writes(load.since), pod, successor)
    if late := load.late_reports():
        found |= {"lateReportsRefused": late}
    field.cluster.wait_ready()
    field.operators_are_whole()
    load.remove()
    assert seconds <= LIMIT, f"{how}: another led after {seconds:.1f} s"
    assert how != "killed" or ended["exitCode"] == KILLED, f"{how}: the former leader ended otherwise: {ended}"
    evidence = {"failoverSeconds": round(seconds, 2), "awaySeconds": away, "completeBefore": before}
    return {"how": how} | evidence | {"formerLeader": ended, "restarts": _restarts(field)} | found


def judge_terms(writes: list[audit.Write], former: str, successor: str) -> dict[str, Any]:
    """AssertionError if a pod that did not lead changed anything, from before the fault to after its end; the evidence."""
    terms = audit.terms(writes, OPERATOR, former)
    assert successor in [term.pod for term in terms], f"{successor} never wrote the Lease, the terms were {terms}"
    accepted, refused = audit.out_of_term(writes, OPERATOR, former)
    assert not accepted, [str(write) for write in accepted[:5]]
    return {"terms": len(terms), "writesAfterSuccessor": len(accepted), "refusedAfterSuccessor": len(refused)}


def _told(how: str, ending: Mapping[str, Any], began: datetime, away: float) -> dict[str, Any]:
    """How the former leader's process ended, and how many seconds after the fault had been asked for."""
    after = max(0.0, (datetime.fromisoformat(ending["finishedAt"]) - began).total_seconds())
    return {
        "ended": words(how, ending["exitCode"], after, away),
        "afterSeconds": round(after),  # its pod's status has whole seconds
        "exitCode": ending["exitCode"],
        "reason": ending.get("reason", ""),
    }


def words(how: str, status: int, after: float, away: float) -> str:
    """The end of a former leader's process in words: exit `status`, `after` seconds of a fault that lasted `away`."""
    if how == "killed":
        return "by the fault"
    if how == "frozen" and status == KILLED and after < away:
        return "killed by its kubelet, frozen"
    by = "killed by its kubelet" if status == KILLED else "by itself"
    if how == "frozen":
        return f"thawed, then {by}"
    return f"{by}, {'cut off' if after + 1 < away else 'connected again'}"  # `after` comes from a time in whole seconds


def _restarts(field: Field) -> int:
    return sum(
        status["restartCount"]
        for each in field.kubectl.list("pods", SYSTEM, "app.kubernetes.io/name=omnixan-operator")
        for status in each["status"].get("containerStatuses", ())
        if status["name"] == "operator"
    )
