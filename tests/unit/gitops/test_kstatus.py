"""The kstatus checker finds every kind of wrong status, and finds nothing in a right one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from e2e.gitops import kstatus
from e2e.gitops.kstatus import Result, compute, violations
from e2e.gitops.replay import ReplayError, judge

Object = dict[str, Any]
EARLY, LATE = "2026-11-24T21:00:00Z", "2026-11-24T21:00:05Z"


def condition(type_: str, status: str = "True", time: str = EARLY, generation: int = 1, reason: str = "Because") -> Object:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": time,
        "observedGeneration": generation,
    }


def made(kind: str, *conditions: Object, generation: int = 1, observed: int | None = 1, **status: Any) -> Object:
    metadata = {"name": "x", "namespace": "n", "generation": generation, "resourceVersion": "1"}
    status |= {"conditions": list(conditions)} | ({} if observed is None else {"observedGeneration": observed})
    return {"kind": kind, "metadata": metadata, "spec": {}, "status": status}


def new(kind: str) -> Object:
    obj = made(kind)
    return obj | {"status": {"observedGeneration": -1}}


READY = made("EdgeCluster", condition("Ready"), condition("NodesAvailable"))
CLAIMING = made("EdgeCluster", condition("Ready", "False"), condition("Reconciling"))
WAITS = made("QuantumJob", condition("Complete", "False"), condition("Failed", "False"), condition("Reconciling"))
DONE = made("QuantumJob", condition("Complete", time=LATE), condition("Failed", "False"), completionTime=LATE)
FAILED = made(
    "QuantumJob", condition("Complete", "False"), condition("Failed", time=LATE), condition("Stalled"), completionTime=LATE
)


@pytest.mark.parametrize(
    ("obj", "result"),
    [
        (new("QuantumJob"), Result.IN_PROGRESS),
        (CLAIMING, Result.IN_PROGRESS),
        (READY, Result.CURRENT),
        (DONE, Result.CURRENT),
        (FAILED, Result.FAILED),
        (made("EdgeCluster", condition("Ready"), generation=2), Result.IN_PROGRESS),
        (made("EdgeCluster", condition("Ready"), condition("Reconciling")), Result.IN_PROGRESS),
        (made("EdgeCluster", condition("Ready", "Unknown")), Result.IN_PROGRESS),
        (made("EdgeCluster", condition("Ready", "False"), condition("Stalled")), Result.FAILED),
        ({"kind": "QuantumJob", "metadata": {"name": "x"}}, Result.CURRENT),  # why the status has a default
    ],
)
def test_results_are_those_of_kstatus(obj: Object, result: Result) -> None:
    assert compute(obj) is result


def test_an_object_that_is_deleted_is_terminating_whatever_its_status() -> None:
    obj = copy.deepcopy(READY)
    obj["metadata"]["deletionTimestamp"] = LATE
    assert compute(obj) is Result.TERMINATING


@pytest.mark.parametrize(
    "history",
    [
        [new("EdgeCluster"), CLAIMING, made("EdgeCluster", condition("Ready", time=LATE))],
        [new("QuantumJob"), WAITS, DONE, DONE],
        [new("QuantumJob"), WAITS, FAILED],
        [READY, made("EdgeCluster", condition("Ready"), condition("NodesAvailable"), generation=2)],
        [DONE, new("QuantumJob"), WAITS, DONE],  # the status was wiped by hand, and comes again
    ],
)
def test_right_histories_break_no_rule(history: list[Object]) -> None:
    assert violations(history) == []


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([made("EdgeCluster", condition("Ready"), observed=None)], "observedGeneration is missing"),
        ([made("EdgeCluster", condition("Ready", generation=2), observed=2)], "ahead of the generation"),
        ([made("EdgeCluster", condition("Ready"), condition("Stalled", "False"))], "only while it is True"),
        ([made("EdgeCluster", condition("Ready"), condition("Stalled"))], "Ready and Stalled"),
        (
            [made("EdgeCluster", condition("Ready", "False"), condition("Stalled"), condition("Reconciling"))],
            "Reconciling and Stalled",
        ),
        ([made("EdgeCluster", condition("NodesAvailable"))], "Ready is missing"),
        ([READY | {"spec": {"nodes": 3, "pools": [{"maxNodes": 9}]}}], "0 of 3 wanted nodes"),
        ([READY | {"spec": {"nodes": 3, "pools": [{"maxNodes": 2}]}}], "0 of 2 wanted nodes"),
        ([made("EdgeCluster", condition("Ready", generation=0))], "about an older generation"),
        ([made("QuantumJob", condition("Complete", "False"), condition("Failed", "False"))], "Complete is False"),
        ([made("QuantumJob", condition("Paused"))], "Complete is missing"),
        ([made("QuantumJob", condition("Complete"), condition("Failed"))], "are both True"),
        ([made("QuantumJob", condition("Failed"), condition("Complete", "False"))], "kstatus says Current"),
        ([made("QuantumJob", condition("Complete"), condition("Reconciling"))], "Complete is True, but kstatus"),
        ([made("EdgeCluster", condition("Ready"), condition("Ready"))], "twice"),
        ([made("EdgeCluster", condition("Ready", reason=""))], "no reason"),
        ([made("EdgeCluster", condition("Ready", time="yesterday"))], "lastTransitionTime 'yesterday'"),
        ([READY, made("EdgeCluster", condition("Ready", time=LATE))], "its lastTransitionTime moved"),
        (
            [made("EdgeCluster", condition("Ready", time=LATE)), CLAIMING],
            "became False before it was True",
        ),
        ([DONE, WAITS], "no longer"),
        ([DONE, made("QuantumJob", condition("Complete", time=LATE), completionTime=EARLY)], "completionTime changed"),
        ([made("EdgeCluster", condition("Ready", generation=2), generation=2, observed=2), READY], "went back from 2 to 1"),
        ([READY, CLAIMING | {"metadata": READY["metadata"] | {"generation": 2}}], "written for an older generation"),
    ],
)
def test_every_wrong_history_is_found(history: list[Object], said: str) -> None:
    found = "\n".join(map(str, violations(history)))
    assert said in found
    with pytest.raises(ReplayError, match="violations in recorded transitions"):
        judge([history])


def test_a_status_that_somebody_wrote_by_hand_is_not_judged() -> None:
    obj = made("QuantumJob", condition("Complete"), condition("Failed"))
    obj["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "subresource": "status"}]
    assert not kstatus.ours(obj) and violations([obj]) == []


def test_an_empty_recording_proves_nothing() -> None:
    with pytest.raises(ReplayError, match="nothing was recorded"):
        judge([])
