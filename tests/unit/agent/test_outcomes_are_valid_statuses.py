"""What is written into a run's status is what its model says."""

from typing import Any

import pytest

from omnixan.edge_network.agent import outcome
from omnixan.edge_network.agent.apiserver import RefusedError
from omnixan.edge_network.agent.outbox import is_over, refused_status
from omnixan.edge_network.agent.outcome import Record
from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumrun import QuantumRunStatus

RESULT = {"summary": {"shots": 2, "distinctOutcomes": 1, "top": []}, "counts": {"0": 2}}


def check(status: dict[str, Any]) -> dict[str, Any]:
    """The status, unchanged by a journey through its model."""
    assert QuantumRunStatus.model_validate(status).wire() == status
    return status


def test_micro_times_are_utc_with_six_decimals():
    assert outcome.micro_time(0) == "1970-01-01T00:00:00.000000Z"
    assert outcome.micro_time(1795555869.390640) == "2026-11-24T21:31:09.390640Z"


def test_a_running_run_has_what_is_known():
    assert check(outcome.running(Record(0.0), None)) == {
        "state": "Running",
        "startTime": "1970-01-01T00:00:00.000000Z",
    }
    progress = {"iteration": 3, "of": 100, "best": -1.5}
    status = check(outcome.running(Record(0.0, first_shot=1.0, restarts=2), progress))
    assert status["progress"] == progress and status["firstShotTime"] and status["restarts"] == 2


def test_a_run_that_succeeded_has_result_usage_and_all_times():
    status = check(outcome.succeeded(Record(0.0, 1.0, 2.0), RESULT, {"shots": 2, "cpuSeconds": 0.25}))
    assert status["result"] == RESULT and status["usage"]["shots"] == 2
    assert status["startTime"] < status["firstShotTime"] < status["completionTime"]


def test_a_run_that_failed_says_why_and_where():
    status = check(outcome.failed(Record(0.0), Category.INVALID_PROGRAM, "SyntaxError", "x" * 9999, 7))
    assert status["error"]["line"] == 7 and len(status["error"]["message"]) == 4000


def test_a_timeout_names_the_limit_the_field_and_what_to_do():
    error = check(outcome.timed_out(Record(0.0), 30))["error"]
    assert (error["category"], error["reason"]) == ("TIMEOUT", "Timeout")
    assert "30 s" in error["message"] and "timeoutSeconds" in error["message"] and "raise it" in error["message"]


def test_a_run_that_is_given_up_can_be_tried_elsewhere():
    error = check(outcome.given_up(Record(0.0, restarts=6)))["error"]
    assert Category(error["category"]).retriable and "6 times" in error["message"]


@pytest.mark.parametrize(("code", "category"), [(413, "RESULT_TOO_LARGE"), (422, "BACKEND_ERROR")])
def test_a_status_that_is_refused_for_good_becomes_a_failure_that_says_so(code: int, category: str):
    status = outcome.succeeded(Record(0.0, 1.0, 2.0, restarts=1), RESULT, {"shots": 2, "cpuSeconds": 0.25})
    answer = check(refused_status(status, RefusedError(code, "Invalid", "no such field")))
    assert answer["error"]["category"] == category and "no such field" in answer["error"]["message"]
    assert "result" not in answer and answer["restarts"] == 1
    assert answer["completionTime"] == status["completionTime"]


@pytest.mark.parametrize(
    ("uid", "state", "over"), [("1", "Running", False), ("1", None, False), ("1", "Failed", True), ("2", "Running", True)]
)
def test_a_result_has_no_place_in_a_run_that_is_over_or_another(uid: str, state: str | None, over: bool):
    live = {"metadata": {"uid": uid}, "status": {"state": state} if state else None}
    assert is_over(live, "1") is over
