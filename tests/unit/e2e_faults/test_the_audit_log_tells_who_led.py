"""Lines of an audit log, judged: a former leader that still writes is found, and so is a result that comes too late."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.faults import audit
from e2e.faults.field import OPERATOR
from e2e.faults.leaders import judge_terms

AGENT = "system:serviceaccount:omnixan:faults-agent"
JOB = "c87be708-6a4c-468a-ae25-728b6a49b366"


def entry(second: float, verb: str, resource: str, name: str, code: int, *, pod: str = "a", **more: Any) -> dict[str, Any]:
    """An entry as the API server writes it, of the operator unless `account` says otherwise."""
    subresource = {"subresource": more["subresource"]} if "subresource" in more else {}
    bound = {"authentication.kubernetes.io/pod-name": [pod], "authentication.kubernetes.io/node-name": [f"node-of-{pod}"]}
    return {
        "stage": more.get("stage", "ResponseComplete"),
        "verb": verb,
        "user": {"username": more.get("account", OPERATOR), "extra": bound},
        "objectRef": {"resource": resource, "namespace": more.get("namespace", "omnixan"), "name": name} | subresource,
        "responseStatus": {"metadata": {}, "code": code},
        "requestReceivedTimestamp": f"2026-11-29T13:00:{second - 0.001:09.6f}Z",
        "stageTimestamp": f"2026-11-29T13:00:{second:09.6f}Z",
    }


def renewal(second: float, pod: str, code: int = 200) -> dict[str, Any]:
    return entry(second, "patch", "leases", "omnixan-operator", code, pod=pod, namespace="omnixan-system")


def status(second: float, pod: str, code: int = 200) -> dict[str, Any]:
    return entry(second, "patch", "quantumjobs", "f0-0", code, pod=pod, namespace="soak", subresource="status")


HANDED_OVER = [renewal(1, "a"), status(2, "a"), renewal(20, "b"), status(21, "b"), renewal(24, "b")]


def test_a_handover_in_which_only_the_leader_writes_is_well() -> None:
    found = judge_terms(audit.writes(HANDED_OVER), "a", "b")
    assert found == {"terms": 2, "writesAfterSuccessor": 0, "refusedAfterSuccessor": 0}
    assert [term.pod for term in audit.terms(audit.writes(HANDED_OVER), OPERATOR, "a")] == ["a", "b"]


def test_a_write_that_is_taken_from_a_former_leader_is_found() -> None:
    late = [*HANDED_OVER, status(22, "a")]
    with pytest.raises(AssertionError, match=r"13:00:22.* a: patch quantumjobs/soak/f0-0/status: 200"):
        judge_terms(audit.writes(late), "a", "b")


@pytest.mark.parametrize("code", [403, 409, 422])
def test_one_that_is_refused_is_counted(code: int) -> None:
    found = judge_terms(audit.writes([*HANDED_OVER, status(22, "a", code), renewal(23, "a", 409)]), "a", "b")
    assert (found["writesAfterSuccessor"], found["refusedAfterSuccessor"]) == (0, 1), "a try for the Lease is none"


def test_a_standby_that_writes_before_it_leads_is_found() -> None:
    with pytest.raises(AssertionError, match="b: patch"):
        judge_terms(audit.writes([status(1, "b"), *HANDED_OVER]), "a", "b")


def test_who_leads_again_may_write_again() -> None:
    found = judge_terms(audit.writes([*HANDED_OVER, renewal(50, "a"), status(51, "a")]), "a", "b")
    assert found["terms"] == 3


def test_a_successor_that_never_took_the_lease_is_no_successor() -> None:
    with pytest.raises(AssertionError, match="c never wrote the Lease"):
        judge_terms(audit.writes(HANDED_OVER), "a", "c")


def test_writes_are_in_the_order_of_their_answers_and_reads_are_none() -> None:
    entries = [
        status(3, "a"),
        renewal(1, "a"),
        entry(2, "get", "leases", "omnixan-operator", 200),
        entry(2, "patch", "quantumjobs", "f0-0", 200, stage="ResponseStarted"),
    ]
    assert [write.resource for write in audit.writes(entries)] == ["leases", "quantumjobs"]


def test_writes_of_others_are_nobodys_term() -> None:
    others = [status(22, "x") | {"user": {"username": "kubernetes-admin"}}, renewal(23, "x") | {"user": {"username": "y"}}]
    assert judge_terms(audit.writes([*HANDED_OVER, *others]), "a", "b")["terms"] == 2


def test_what_was_made_is_counted_by_name_and_refused_creations_are_not() -> None:
    entries = [
        entry(1, "create", "configmaps", "f0-0-result", 201, namespace="soak"),
        entry(2, "create", "configmaps", "f0-0-result", 409, namespace="soak"),
        entry(3, "create", "configmaps", "f0-0-result", 201, namespace="another"),
        entry(4, "patch", "configmaps", "f0-1-result", 201, namespace="soak"),
        entry(5, "patch", "configmaps", "f0-1-result", 200, namespace="soak"),
        entry(6, "create", "quantumruns", f"{JOB}-1", 201, namespace="soak"),
    ]
    assert audit.made(audit.writes(entries), "configmaps", "soak") == {"f0-0-result": 1, "f0-1-result": 1}


def run(second: float, attempt: int) -> dict[str, Any]:
    return entry(second, "create", "quantumruns", f"{JOB}-{attempt}", 201)


def report(second: float, attempt: int, code: int) -> dict[str, Any]:
    name = f"{JOB}-{attempt}"
    return entry(second, "patch", "quantumruns", name, code, pod="agent", account=AGENT, subresource="status")


def test_a_report_is_late_once_the_next_attempt_was_made() -> None:
    entries = [run(1, 1), report(2, 1, 200), run(10, 2), report(11, 1, 404), report(12, 2, 200), report(13, 1, 200)]
    late = audit.late_reports(audit.writes(entries), {f"{JOB}-1"})
    assert [(write.name, write.node, write.code) for write in late] == [
        (f"{JOB}-1", "node-of-agent", 404),
        (f"{JOB}-1", "node-of-agent", 200),
    ]


def test_reports_of_runs_that_were_not_given_up_are_not_late() -> None:
    assert audit.late_reports(audit.writes([run(1, 1), run(2, 2), report(3, 1, 200)]), set()) == []
