"""A job's next step, for everything that can be seen of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumjob import MAX_ATTEMPTS, Analysis, Attempt, Failure
from omnixan_operator.decide.joblife import (
    Await,
    Fail,
    Finish,
    Follow,
    Hold,
    NotYet,
    Observed,
    RunSeen,
    Silence,
    Start,
    Wait,
    newest,
    next_step,
)
from omnixan_operator.decide.placement import Offer
from omnixan_operator.reasons import Reason
from tests.unit.omnixan_operator.operator_makers import at, cluster, job

EC = cluster()
NODE = Offer("n1", "gateway", 8, ready=True, draining=False, backlog=0)
SEEN = Observed(Analysis(qubits=2), at(100), cluster=EC, offers=(NODE,), turn=True)
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


T0 = "2026-11-24T21:00:00Z"


def attempt(number: int) -> dict[str, Any]:
    return {"attempt": number, "node": "n1", "category": "RUN_LOST", "message": "gone", "endTime": T0}


def test_a_new_job_gets_a_run() -> None:
    step = next_step(job(), SEEN)
    assert isinstance(step, Start) and (step.node, step.attempt, step.attempts) == ("n1", 1, ())


def test_it_waits_for_its_analysis() -> None:
    step = next_step(job(), replace(SEEN, analysis=NotYet(Reason.ANALYZING, "at work")))
    assert step == Await(Reason.ANALYZING, "at work")


def test_a_bad_program_fails_without_a_cluster() -> None:
    failure = Failure(category=Category.INVALID_PROGRAM, reason="SyntaxError", message="line 1", line=1)
    assert next_step(job(), Observed(failure, at(0))) == Fail(failure, rejected=True)


def test_it_waits_for_cluster_permission_and_node_in_this_order() -> None:
    for seen, reason in (
        (Observed(Analysis(qubits=2), at(0)), Reason.CLUSTER_NOT_FOUND),
        (replace(SEEN, tenant=False), Reason.TENANT_NOT_ALLOWED),
        (replace(SEEN, offers=()), Reason.NO_NODES),
        (replace(SEEN, analysis=Analysis(qubits=9)), Reason.NO_NODE_FITS),
    ):
        step = next_step(job(), seen)
        assert isinstance(step, Wait) and step.reason is reason


def test_it_waits_for_its_turn_and_for_a_free_place() -> None:
    for seen in (replace(SEEN, turn=False), replace(SEEN, offers=(replace(NODE, backlog=4, full=True),))):
        step = next_step(job(), seen)
        assert isinstance(step, Wait) and step.reason is Reason.QUEUED and step.placement is None
    assert next_step(job(), replace(SEEN, turn=False)) == next_step(
        job(), replace(SEEN, offers=(replace(NODE, backlog=4, full=True),))
    ), "what it says does not follow the queues' lengths, so it is written once"


def test_what_fits_no_node_says_so_whoevers_turn_it_is() -> None:
    step = next_step(job(requirements={"minQubits": 9}), replace(SEEN, turn=False))
    assert isinstance(step, Wait) and step.reason is Reason.NO_NODE_FITS


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
    assert next_step(job(status=PLACED), Observed(Analysis(qubits=2), at(0), run=done)) == Finish(done)
    failure = Failure(category=Category.TIMEOUT, reason="Timeout", message="1 s")
    failed = replace(RUN, state="Failed", error=failure)
    assert next_step(job(status=PLACED), replace(SEEN, run=failed)) == Fail(failure, failed)
    silent = next_step(job(status=PLACED), replace(SEEN, run=replace(RUN, state="Failed")))
    assert isinstance(silent, Wait) and silent.attempts[0].category is Category.BACKEND_ERROR


def test_a_placed_job_fails_with_its_cluster() -> None:
    for gone in (None, cluster(metadata=EC.metadata.wire() | {"uid": "recreated"})):
        for run in (RUN, None):
            step = next_step(job(status=PLACED), replace(SEEN, cluster=gone, run=run))
            assert isinstance(step, Fail) and step.failure.category is Category.CLUSTER_DELETED


def test_a_lost_run_is_written_down_before_the_next_attempt() -> None:
    step = next_step(job(status=PLACED), SEEN)
    assert isinstance(step, Wait) and step.reason is Reason.BACKOFF and step.until == at(101)
    assert [(a.attempt, a.node, a.category, a.end_time) for a in step.attempts] == [
        (1, "n1", Category.RUN_LOST, "2026-11-24T21:01:40Z")
    ]
    lost = PLACED | {"attempts": [one.wire() for one in step.attempts]}
    early = next_step(job(status=lost), replace(SEEN, now=at(100.5)))
    assert early == step, "the same again until its time has come"
    later = next_step(job(status=lost), replace(SEEN, now=at(101)))
    assert isinstance(later, Start) and (later.attempt, later.attempts) == (2, step.attempts)


def test_a_run_on_a_node_that_is_gone_is_lost() -> None:
    step = next_step(job(status=PLACED), replace(SEEN, run=RUN, node_gone=True))
    assert isinstance(step, Wait) and step.attempts[0].category is Category.NODE_UNREACHABLE


def test_a_run_on_a_silent_node_is_followed_until_autonomy_is_over() -> None:
    silent = Silence("40s", 0.5)
    assert next_step(job(status=PLACED), replace(SEEN, run=RUN, silence=silent)) == Follow(RUN, silent)
    step = next_step(job(status=PLACED), replace(SEEN, run=RUN, silence=Silence("40s", 0.0)))
    assert isinstance(step, Wait) and step.attempts[0].category is Category.NODE_UNREACHABLE
    assert "40s" in step.attempts[0].message


def test_a_result_of_a_silent_node_is_taken() -> None:
    done = replace(RUN, state="Succeeded")
    assert next_step(job(status=PLACED), replace(SEEN, run=done, silence=Silence("40s", -5))) == Finish(done)


@pytest.mark.parametrize("category", list(Category))
def test_what_is_tried_again_follows_the_category(category: Category) -> None:
    failed = replace(RUN, state="Failed", error=Failure(category=category, reason="R", message="m"), start_time=T0)
    step = next_step(job(status=PLACED), replace(SEEN, run=failed))
    if not category.retriable:
        assert isinstance(step, Fail) and step.failure.category is category and not step.attempts
    elif category is not Category.SUSPENDED:  # an agent says no such thing
        assert isinstance(step, Wait) and step.attempts[-1].category is category
        assert step.attempts[-1].start_time == "2026-11-24T21:00:00Z", "in whole seconds"


def test_the_last_category_is_the_jobs_when_no_attempt_is_left() -> None:
    error = Failure(category=Category.BACKEND_ERROR, reason="R", message="it broke")
    failed = replace(RUN, state="Failed", error=error, attempt=3)
    status = {"attempts": [attempt(1), attempt(2)], "run": RUN_REF | {"attempt": 3}}
    goes_on = next_step(job(status=status, backoffLimit=3), replace(SEEN, run=failed))
    assert isinstance(goes_on, Wait)
    step = next_step(job(status=status, backoffLimit=2), replace(SEEN, run=failed))
    assert isinstance(step, Fail) and step.failure.reason == Reason.ATTEMPTS_EXHAUSTED
    assert step.failure.category is Category.BACKEND_ERROR and len(step.attempts) == 3
    assert step.failure.message == "3 attempts failed, and spec.backoffLimit is 2; the last one, on n1: it broke"


def test_another_node_is_preferred_to_one_that_failed() -> None:
    nodes = (NODE, replace(NODE, node="n2", backlog=9))
    status = PLACED | {"attempts": [attempt(1)]}
    step = next_step(job(status=status), replace(SEEN, offers=nodes))
    assert isinstance(step, Start) and step.node == "n2"
    step = next_step(job(status=status), SEEN)
    assert isinstance(step, Start) and step.node == "n1", "but the only node is taken again"


def test_suspending_ends_the_attempt_without_counting_it() -> None:
    step = next_step(job(status=PLACED, suspend=True), replace(SEEN, run=RUN))
    assert isinstance(step, Hold) and [a.category for a in step.attempts] == [Category.SUSPENDED]
    held = PLACED | {"attempts": [one.wire() for one in step.attempts]}
    assert next_step(job(status=held, suspend=True), SEEN) == Hold(step.attempts)
    again = next_step(job(status=held, backoffLimit=0), SEEN)
    assert isinstance(again, Start) and again.attempt == 2, "at once, and although no attempt may fail"


def test_a_suspended_job_asks_for_nothing() -> None:
    nothing = Observed(NotYet(Reason.ANALYZING, "at work"), at(0))
    assert next_step(job(suspend=True), nothing) == Hold()


def test_cancelling_ends_the_job_wherever_it_is() -> None:
    for seen in (SEEN, replace(SEEN, run=RUN), Observed(NotYet(Reason.ANALYZING, ""), at(0))):
        for status in ({}, PLACED):
            step = next_step(job(status=status, cancel=True, suspend=True), seen)
            assert isinstance(step, Fail) and step.failure.category is Category.CANCELLED


def test_what_is_done_is_done_when_cancelling_comes_late() -> None:
    done = replace(RUN, state="Succeeded")
    assert next_step(job(status=PLACED, cancel=True), replace(SEEN, run=done)) == Finish(done)


def test_attempts_are_numbered_on_although_suspended_ones_are_forgotten() -> None:
    suspended = [attempt(n) | {"category": "SUSPENDED"} for n in range(3, 3 + MAX_ATTEMPTS - 2)]
    status = {"attempts": [attempt(1), attempt(2), *suspended], "run": RUN_REF | {"attempt": 3 + MAX_ATTEMPTS - 2}}
    run = replace(RUN, attempt=3 + MAX_ATTEMPTS - 2)
    step = next_step(job(status=status, suspend=True), replace(SEEN, run=run))
    assert isinstance(step, Hold) and len(step.attempts) == MAX_ATTEMPTS
    assert [one.attempt for one in step.attempts[:3]] == [1, 2, 4]


def test_runs_that_were_given_up_do_not_count() -> None:
    over = [Attempt(attempt=2, node="n", category=Category.RUN_LOST, message="")]
    runs = [replace(RUN, attempt=n) for n in (1, 2)]
    found = newest(runs, over)
    assert found is not None and found.attempt == 1
    assert newest(runs[1:], over) is None
