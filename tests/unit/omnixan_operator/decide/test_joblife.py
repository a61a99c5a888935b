"""A job's next step, for everything that can be seen of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumjob import MAX_ATTEMPTS, Analysis, Attempt, Failure
from omnixan_operator.decide.joblife import (
    Await,
    Fail,
    Finish,
    Follow,
    NotYet,
    Observed,
    RunSeen,
    Start,
    Wait,
    newest,
    next_step,
)
from omnixan_operator.decide.placement import Offer
from omnixan_operator.reasons import Reason
from tests.unit.omnixan_operator.operator_makers import cluster, job

EC = cluster()
NODE = Offer("n1", "gateway", 8, ready=True, draining=False, backlog=0)
SEEN = Observed(Analysis(qubits=2), cluster=EC, offers=(NODE,))
RUN = RunSeen("uid-of-bell-1", "omnixan", 1, "n1", EC.metadata.uid)
RUN_REF = {
    "name": "uid-of-bell-1",
    "namespace": "omnixan",
    "clusterUid": EC.metadata.uid,
    "attempt": 1,
    "node": "n1",
    "state": "Pending",
    "seed": 1,
}
PLACED = {"run": RUN_REF}


def attempt(number: int) -> dict[str, Any]:
    return {"attempt": number, "node": "n1", "category": "RUN_LOST", "message": "gone"}


def test_a_new_job_gets_a_run() -> None:
    step = next_step(job(), SEEN)
    assert isinstance(step, Start) and (step.node, step.attempt, step.attempts) == ("n1", 1, ())


def test_it_waits_for_its_analysis() -> None:
    step = next_step(job(), replace(SEEN, analysis=NotYet(Reason.ANALYZING, "at work")))
    assert step == Await(Reason.ANALYZING, "at work")


def test_a_bad_program_fails_without_a_cluster() -> None:
    failure = Failure(category=Category.INVALID_PROGRAM, reason="SyntaxError", message="line 1", line=1)
    assert next_step(job(), Observed(failure)) == Fail(failure, rejected=True)


def test_it_waits_for_cluster_permission_and_node_in_this_order() -> None:
    for seen, reason in (
        (Observed(Analysis(qubits=2)), Reason.CLUSTER_NOT_FOUND),
        (replace(SEEN, tenant=False), Reason.TENANT_NOT_ALLOWED),
        (replace(SEEN, offers=()), Reason.NO_NODES),
        (replace(SEEN, analysis=Analysis(qubits=9)), Reason.NO_NODE_FITS),
    ):
        step = next_step(job(), seen)
        assert isinstance(step, Wait) and step.reason is reason


def test_the_wider_of_program_and_minimum_counts() -> None:
    step = next_step(job(requirements={"minQubits": 9}), SEEN)
    assert isinstance(step, Wait) and step.placement is not None
    assert (step.placement.rejected or [])[0].required == "9"


def test_what_no_backend_can_offer_fails() -> None:
    step = next_step(job(), replace(SEEN, analysis=Analysis(qubits=25)))
    assert isinstance(step, Fail) and step.failure.category is Category.CAPABILITY_MISMATCH
    assert step.failure.message == "the program takes 25 qubits; the widest backend has 24"
    step = next_step(job(requirements={"minQubits": 64}), SEEN)
    assert isinstance(step, Fail) and "spec.requirements.minQubits asks for 64" in step.failure.message


def test_a_run_is_followed_whatever_becomes_of_permission() -> None:
    assert next_step(job(status=PLACED), replace(SEEN, run=RUN, tenant=False, offers=())) == Follow(RUN)


def test_a_run_without_a_status_is_adopted() -> None:
    assert next_step(job(), replace(SEEN, run=RUN)) == Follow(RUN)


def test_a_run_that_is_over_ends_the_job_even_without_its_cluster() -> None:
    done = replace(RUN, state="Succeeded")
    assert next_step(job(status=PLACED), Observed(Analysis(qubits=2), run=done)) == Finish(done)
    failure = Failure(category=Category.TIMEOUT, reason="Timeout", message="1 s")
    failed = replace(RUN, state="Failed", error=failure)
    assert next_step(job(status=PLACED), replace(SEEN, run=failed)) == Fail(failure, failed)
    silent = next_step(job(status=PLACED), replace(SEEN, run=replace(RUN, state="Failed")))
    assert isinstance(silent, Fail) and silent.failure.category is Category.BACKEND_ERROR


def test_a_placed_job_fails_with_its_cluster() -> None:
    for gone in (None, cluster(metadata=EC.metadata.wire() | {"uid": "recreated"})):
        for run in (RUN, None):
            step = next_step(job(status=PLACED), replace(SEEN, cluster=gone, run=run))
            assert isinstance(step, Fail) and step.failure.category is Category.CLUSTER_DELETED


def test_a_lost_run_is_followed_by_the_next_attempt() -> None:
    step = next_step(job(status=PLACED), SEEN)
    assert isinstance(step, Start) and step.attempt == 2
    assert [(a.attempt, a.category) for a in step.attempts] == [(1, Category.RUN_LOST)]


def test_a_run_on_a_node_that_is_gone_is_lost() -> None:
    step = next_step(job(status=PLACED), replace(SEEN, run=RUN, node_gone=True))
    assert isinstance(step, Start) and step.attempts[0].category is Category.NODE_UNREACHABLE


def test_a_lost_run_is_remembered_while_the_job_waits() -> None:
    step = next_step(job(status=PLACED), replace(SEEN, offers=()))
    assert isinstance(step, Wait) and [a.attempt for a in step.attempts] == [1]
    later = next_step(job(status={"attempts": [attempt(1)]}), SEEN)
    assert isinstance(later, Start) and later.attempt == 2


def test_attempts_end() -> None:
    attempts = [attempt(n) for n in range(1, MAX_ATTEMPTS)]
    status = {"attempts": attempts, "run": RUN_REF | {"attempt": MAX_ATTEMPTS}}
    step = next_step(job(status=status), SEEN)
    assert isinstance(step, Fail) and step.failure.reason == Reason.ATTEMPTS_EXHAUSTED
    assert step.failure.category is Category.RUN_LOST


def test_runs_that_were_given_up_do_not_count() -> None:
    over = [Attempt(attempt=2, node="n", category=Category.RUN_LOST, message="")]
    runs = [replace(RUN, attempt=n) for n in (1, 2)]
    found = newest(runs, over)
    assert found is not None and found.attempt == 1
    assert newest(runs[1:], over) is None
