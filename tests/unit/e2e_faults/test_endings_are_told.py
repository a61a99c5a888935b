"""How results, jobs and processes ended, told from objects: what does not fit is found."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from e2e.faults import leaders, verdicts

TEXT = '{"counts":{"00":3},"summary":{"shots":3,"note":"ü"}}'


def job(**status: Any) -> dict[str, Any]:
    reference = {"name": "j-result", "sha256": hashlib.sha256(TEXT.encode()).hexdigest(), "bytes": len(TEXT.encode())}
    usual = {"observedGeneration": 1, "result": {"summary": {}, "ref": reference}}
    return {"metadata": {"name": "j", "uid": "u", "generation": 1}, "status": usual | status}


def stored(text: str = TEXT, owner: str = "u") -> dict[str, Any]:
    return {"metadata": {"name": "j-result", "ownerReferences": [{"uid": owner}]}, "data": {"result.json": text}}


def conditions(**found: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": kind, "status": status, "reason": reason} for kind, (status, reason) in found.items()]


def test_a_result_that_is_what_its_status_says_is_not_wrong() -> None:
    assert verdicts.wrong_results([job()], [stored()]) == []


@pytest.mark.parametrize(
    ("maps", "wrong"),
    [
        ([], "there is no ConfigMap j-result"),
        ([stored(TEXT.replace("3", "4"))], "has 53 bytes of SHA-256"),
        ([stored(TEXT + " ")], "has 54 bytes of SHA-256"),
        ([stored(owner="of-another")], "belongs to ['of-another']"),
        ([stored() | {"data": None}], "has 0 bytes of SHA-256"),
    ],
)
def test_one_that_is_another_is_named(maps: list[Any], wrong: str) -> None:
    (found,) = verdicts.wrong_results([job()], maps)
    assert found.startswith("j: ") and wrong in found


CLUSTER_DELETED = {"failure": {"category": "CLUSTER_DELETED"}}
WAITS = {
    "Placed": ("False", "ClusterNotFound"),
    "Complete": ("False", "Waiting"),
    "Reconciling": ("True", "ClusterNotFound"),
}


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ({"conditions": conditions(Complete=("True", "Succeeded"), Placed=("True", "Placed"))}, "Complete"),
        ({"conditions": conditions(Failed=("True", "ClusterDeleted"))} | CLUSTER_DELETED, "ClusterDeleted"),
        ({"conditions": conditions(**WAITS)}, "ClusterNotFound"),
        ({"conditions": conditions(Placed=("True", "Placed"), Complete=("False", "Running"))}, ""),
        ({"conditions": conditions(**WAITS | {"Placed": ("False", "Backoff")})}, ""),
        ({"conditions": conditions(**WAITS), "observedGeneration": 0}, ""),
        ({}, ""),
    ],
)
def test_what_a_job_says_whose_edgecluster_was_deleted(status: dict[str, Any], fate: str) -> None:
    assert verdicts.fate(job(**status)) == fate


def test_a_job_that_failed_for_another_reason_is_no_fate() -> None:
    status = {"conditions": conditions(Failed=("True", "Timeout")), "failure": {"category": "TIMEOUT"}}
    with pytest.raises(AssertionError, match="TIMEOUT"):
        verdicts.fate(job(**status))


ENDED = {"containerID": "containerd://1", "exitCode": 137, "reason": "Error", "finishedAt": "2026-11-29T13:01:00Z"}


def pod(**states: Any) -> dict[str, Any]:
    running = {"name": "operator", "containerID": "containerd://2", "state": {"running": {}}}
    analyzer = {"name": "analyzer", "containerID": "containerd://9", "state": {"running": {}}}
    return {"status": {"containerStatuses": [analyzer, running | states]}}


def test_how_a_container_ended_is_told_before_and_after_another_follows_it() -> None:
    assert verdicts.ending(pod(state={"terminated": ENDED}, containerID="containerd://1"), "containerd://1") == ENDED
    assert verdicts.ending(pod(lastState={"terminated": ENDED}), "containerd://1") == ENDED


@pytest.mark.parametrize("found", [None, {"status": {}}, pod(), pod(lastState={"terminated": ENDED | {"containerID": "x"}})])
def test_one_that_runs_or_is_another_has_not_ended(found: Any) -> None:
    assert verdicts.ending(found, "containerd://1") is None


def test_the_container_of_a_name_is_found() -> None:
    assert verdicts.container_id(pod(), "operator") == "containerd://2"


@pytest.mark.parametrize(
    ("how", "status", "after", "told"),
    [
        ("killed", 137, 1.0, "by the fault"),
        ("frozen", 137, 55.0, "killed by its kubelet, frozen"),
        ("frozen", 137, 62.0, "thawed, then killed by its kubelet"),
        ("frozen", 1, 61.0, "thawed, then by itself"),
        ("frozen", 0, 59.0, "thawed, then by itself"),
        ("cut off", 1, 63.0, "by itself, connected again"),
        ("cut off", 1, 59.5, "by itself, connected again"),
        ("cut off", 137, 40.0, "killed by its kubelet, cut off"),
    ],
)
def test_the_end_of_a_former_leader_in_words(how: str, status: int, after: float, told: str) -> None:
    assert leaders.words(how, status, after, 60.0) == told
