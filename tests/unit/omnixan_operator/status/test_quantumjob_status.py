"""The status of a job along its life, as people, kubectl and GitOps tools read it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumjob import (
    Analysis,
    Attempt,
    Failure,
    JobResult,
    QuantumJob,
    QuantumJobStatus,
)
from omnixan_operator.decide.joblife import Await, Fail, Finish, Follow, Hold, RunSeen, Silence, Start, Wait
from omnixan_operator.decide.placement import Need, Offer, place
from omnixan_operator.reasons import Reason
from omnixan_operator.status import quantumjob as status
from tests.unit.omnixan_operator.operator_makers import assert_clean, at, cluster, job, kstatus

EC = cluster()
TWO = Analysis(qubits=2)
CHOICE = place(Need(2), [Offer("n1", "gateway", 8, ready=True, draining=False, backlog=0)])
START = Start("n1", 1, TWO, CHOICE.placement, EC)
RUN = RunSeen("uid-of-bell-1", "omnixan", 1, "n1", EC.metadata.uid)
RESULT = JobResult.model_validate({"summary": {"shots": 1, "distinctOutcomes": 1, "top": []}})
FAILURE = Failure(category=Category.TIMEOUT, reason="Timeout", message="1 s ran out")


class Life:
    """A job whose status is written again and again."""

    def __init__(self) -> None:
        self.job: QuantumJob = job()

    def write(self, wanted: QuantumJobStatus) -> dict[str, Any]:
        wire = wanted.wire()
        assert_clean(wire)
        assert QuantumJobStatus.model_validate(wire) == wanted, "what is read back is what was meant"
        self.job = self.job.model_copy(update={"status": wanted})
        return wire

    def conditions(self) -> dict[str, tuple[str, str]]:
        return {c.type: (c.status, c.reason) for c in self.job.status.conditions or ()}


def test_a_loop_that_went_on_says_from_which_iteration_until_another_attempt_is_made() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    went_on = replace(RUN, state="Running", resumed_from=41)
    assert life.write(status.followed(life.job, Follow(went_on), None, 7, at(1)))["resumedFromIteration"] == 41
    assert "resumedFromIteration" not in life.write(status.started(life.job, replace(START, attempt=2), 7, at(2)))
    done = replace(went_on, state="Succeeded", attempt=2, resumed_from=42)
    assert life.write(status.finished(life.job, Finish(done), RESULT, None, 7, at(3)))["resumedFromIteration"] == 42
    ended = replace(went_on, state="Failed", error=FAILURE)
    assert life.write(status.failed(job(), Fail(FAILURE, ended), TWO, 7, at(3)))["resumedFromIteration"] == 41


def test_a_job_from_creation_to_result() -> None:
    life = Life()
    wire = life.write(status.waiting(life.job, Await(Reason.ANALYZING, "at work"), at(0)))
    assert wire["phase"] == "Pending" and kstatus(1, wire) == "InProgress"
    assert life.conditions()["Validated"] == ("Unknown", "Analyzing")

    wire = life.write(status.waiting(life.job, Wait(Reason.CLUSTER_NOT_FOUND, "no ec", TWO), at(1)))
    assert wire["phase"] == "Pending" and kstatus(1, wire) == "InProgress" and "startTime" not in wire
    assert life.conditions()["Placed"] == ("False", "ClusterNotFound")

    wire = life.write(status.started(life.job, START, 7, at(2)))
    assert wire["phase"] == "Pending" and wire["startTime"] == "2026-11-24T21:00:02Z"
    assert wire["run"] == {
        "name": "uid-of-bell-1",
        "namespace": "omnixan",
        "clusterUid": "uid-of-ec",
        "attempt": 1,
        "node": "n1",
        "state": "Pending",
        "seed": 7,
    }
    assert life.conditions()["Placed"] == ("True", "Placed")

    running = replace(RUN, state="Running")
    wire = life.write(status.followed(life.job, Follow(running), None, 7, at(3)))
    assert wire["phase"] == "Running" and kstatus(1, wire) == "InProgress"
    assert wire["startTime"] == "2026-11-24T21:00:02Z" and wire["placement"] == CHOICE.placement.wire()

    done = replace(RUN, state="Succeeded")
    wire = life.write(status.finished(life.job, Finish(done), RESULT, None, 7, at(9)))
    assert wire["phase"] == "Complete" and kstatus(1, wire) == "Current"
    assert wire["completionTime"] == "2026-11-24T21:00:09Z" and wire["analysis"] == {"qubits": 2}
    assert life.conditions() == {
        "Validated": ("True", "Analyzed"),
        "Placed": ("True", "Placed"),
        "Complete": ("True", "Succeeded"),
        "Failed": ("False", "Waiting"),
    }


LOST = Attempt(attempt=1, node="n1", category=Category.NODE_UNREACHABLE, message="silent", end_time="2026-11-24T21:00:00Z")


def test_a_detached_job_says_so_and_no_more_when_its_node_is_back() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    before = life.job.status
    silent = Follow(RUN, Silence("40s", 12.3))
    wire = life.write(status.followed(life.job, silent, None, 7, at(1)))
    assert life.conditions()["Detached"] == ("True", "Detached") and kstatus(1, wire) == "InProgress"
    later = Follow(RUN, Silence("40s", 3.2))
    assert status.followed(life.job, later, None, 7, at(9)) == life.job.status, "time that passes writes nothing"
    assert status.followed(life.job, Follow(RUN), None, 7, at(10)) == before


def test_an_attempt_that_ended_is_explained_and_never_forgotten() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    wire = life.write(status.waiting(life.job, Wait(Reason.BACKOFF, "soon", attempts=(LOST,), until=at(2)), at(1)))
    assert wire["run"]["attempt"] == 1 and wire["run"]["state"] == "Deleted" and wire["analysis"] == {"qubits": 2}
    assert wire["attempts"][0]["category"] == "NODE_UNREACHABLE" and wire["phase"] == "Pending"
    wire = life.write(status.waiting(life.job, Await(Reason.ANALYZING, "at work"), at(2)))
    assert wire["attempts"] and wire["run"]["attempt"] == 1 and wire["analysis"] == {"qubits": 2}


def test_a_suspended_job_and_its_way_back() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    attempt = LOST.model_copy(update={"category": Category.SUSPENDED})
    wire = life.write(status.held(life.job, Hold((attempt,)), at(1)))
    assert wire["phase"] == "Suspended" and kstatus(1, wire) == "InProgress" and wire["run"]["state"] == "Deleted"
    assert life.conditions()["Suspended"] == ("True", "Suspended") and life.conditions()["Validated"][0] == "True"
    assert status.held(life.job, Hold((attempt,)), at(60)) == life.job.status
    again = replace(START, attempt=2, attempts=(attempt,))
    wire = life.write(status.started(life.job, again, 7, at(2)))
    assert "Suspended" not in life.conditions() and wire["run"]["attempt"] == 2 and wire["attempts"][0]["attempt"] == 1


def test_a_cancelled_job() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    failure = Failure(category=Category.CANCELLED, reason="Cancelled", message="spec.cancel is true")
    wire = life.write(status.failed(life.job, Fail(failure, replace(RUN, state="Running")), None, 7, at(1)))
    assert wire["phase"] == "Cancelled" and wire["run"]["state"] == "Deleted" and kstatus(1, wire) == "Failed"


def test_a_program_that_is_missing_is_no_validated_one() -> None:
    life = Life()
    life.write(status.waiting(life.job, Await(Reason.PROGRAM_NOT_FOUND, "no ConfigMap"), at(0)))
    assert life.conditions()["Validated"] == ("False", "ProgramNotFound")


def test_a_spec_that_changes_after_the_end_is_observed_and_nothing_else() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    life.write(status.finished(life.job, Finish(replace(RUN, state="Succeeded")), RESULT, None, 7, at(9)))
    metadata = life.job.metadata.model_copy(update={"generation": 2})
    life.job = life.job.model_copy(update={"metadata": metadata})
    before = life.job.status
    wire = life.write(status.still_over(life.job, at(20)))
    assert kstatus(2, wire) == "Current" and wire["completionTime"] == before.completion_time
    assert status.still_over(life.job, at(30)) == life.job.status


def test_a_failed_run() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    failed = replace(RUN, state="Failed", error=FAILURE)
    wire = life.write(status.failed(life.job, Fail(FAILURE, failed), TWO, 7, at(5)))
    assert wire["phase"] == "Failed" and kstatus(1, wire) == "Failed" and wire["completionTime"]
    assert wire["failure"] == {"category": "TIMEOUT", "reason": "Timeout", "message": "1 s ran out"}
    assert wire["run"]["state"] == "Failed"
    assert life.conditions()["Failed"] == life.conditions()["Stalled"] == ("True", "Timeout")
    assert life.conditions()["Placed"] == ("True", "Placed") and life.conditions()["Validated"][0] == "True"


def test_a_rejected_program_was_never_placed() -> None:
    life = Life()
    bad = Failure(category=Category.INVALID_PROGRAM, reason="SyntaxError", message="line 3: …", line=3)
    wire = life.write(status.failed(life.job, Fail(bad, rejected=True), None, 7, at(0)))
    assert life.conditions()["Validated"] == ("False", "SyntaxError") and life.conditions()["Placed"][0] == "False"
    assert "run" not in wire and "startTime" not in wire and wire["failure"]["line"] == 3


def test_the_cluster_is_deleted_under_a_placed_job() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    gone = Failure(category=Category.CLUSTER_DELETED, reason="ClusterDeleted", message="it was deleted")
    wire = life.write(status.failed(life.job, Fail(gone), TWO, 7, at(5)))
    assert life.conditions()["Placed"] == ("True", "Placed") and wire["run"]["node"] == "n1"


def test_an_adopted_run_is_placed_where_it_is() -> None:
    life = Life()
    wire = life.write(status.followed(life.job, Follow(RUN), None, 7, at(0)))
    assert wire["placement"]["node"] == "n1" and "was there before" in wire["placement"]["reason"]


def test_pausing_adds_a_condition_and_nothing_else() -> None:
    life = Life()
    life.write(status.started(life.job, START, 7, at(0)))
    before = life.job.status
    life.write(status.paused(life.job, at(1)))
    assert life.conditions()["Paused"] == ("True", "Paused")
    assert status.paused(life.job, at(50)) == life.job.status, "writing it again changes nothing"
    resumed = status.followed(life.job, Follow(RUN), None, 7, at(2))
    assert resumed == before, "and it goes away without a trace"


def test_an_unreadable_spec_stalls() -> None:
    wire = status.stalled(QuantumJobStatus(), 3, "spec.x: missing", at(0)).wire()
    assert_clean(wire)
    assert kstatus(3, wire) == "Failed" and wire["phase"] == "Pending"


@pytest.mark.parametrize("second", [1, 2, 3])
def test_the_same_observation_gives_the_same_status(second: int) -> None:
    life = Life()
    wait = Wait(Reason.NO_NODE_FITS, "none", TWO, CHOICE.placement)
    life.write(status.waiting(life.job, wait, at(0)))
    assert status.waiting(life.job, wait, at(second)) == life.job.status
    life.write(status.started(life.job, START, 7, at(0)))
    assert status.followed(life.job, Follow(RUN), TWO, 7, at(second)) == life.job.status


def test_a_fresh_job_is_not_taken_as_done() -> None:
    assert kstatus(1, {"observedGeneration": -1}) == "InProgress"
