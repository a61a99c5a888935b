"""What a round that failed leaves behind: which pods were not well and why, and ground that is given up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.faults import diagnosis
from e2e.kubectl import Kubectl, KubectlError, eventually
from e2e.soak.parts import Ground
from e2e.soak.report import Report

WAITING = {
    "name": "operator",
    "ready": False,
    "restartCount": 7,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
    "lastState": {"terminated": {"reason": "Error", "exitCode": 137, "finishedAt": "2026-11-28T22:00:00Z"}},
}


def test_a_container_that_waits_says_for_what_and_how_it_ended_before() -> None:
    pod = {"status": {"phase": "Running", "containerStatuses": [WAITING, {"name": "analyzer", "ready": True}]}}
    ((name, words),) = diagnosis.unwell_containers(pod)
    assert name == "operator"
    for part in ("waiting CrashLoopBackOff back-off 5m0s", "Error, status 137", "7 restarts"):
        assert part in words


def test_a_pod_without_containers_is_told_of_too() -> None:
    assert list(diagnosis.unwell_containers({"status": {"phase": "Pending"}})) == [("", "Pending, no container yet")]


def test_a_node_that_nobody_hears_of_is_named_and_a_ready_one_is_not() -> None:
    def node(name: str, ready: str) -> Any:
        return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready, "message": "m"}]}}

    assert list(diagnosis.unwell_nodes([node("a", "True"), node("b", "Unknown")])) == ["node b: Ready is Unknown: m"]


def test_of_events_the_last_warnings_are_kept_in_their_order() -> None:
    def event(kind: str, second: int, **more: Any) -> Any:
        regarding = {"kind": "Pod", "name": f"p{second}"}
        return {"type": kind, "involvedObject": regarding, "reason": "R", "message": "m", **more}

    events = [
        event("Warning", 3, eventTime="2026-11-28T22:00:03Z"),
        event("Normal", 9, lastTimestamp="2026-11-28T22:00:09Z"),
        event("Warning", 1, lastTimestamp="2026-11-28T22:00:01Z"),
        event("Warning", 2, series={"lastObservedTime": "2026-11-28T22:00:02Z"}),
    ]
    assert [line.split()[2] for line in diagnosis.last_warnings(events, 2)] == ["p2:", "p3:"]


def test_a_cluster_that_does_not_answer_is_the_answer(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho refused >&2\nexit 1\n")
    kubectl.chmod(0o755)
    (line,) = diagnosis.why(Kubectl(kubectl, tmp_path / "kubeconfig"))
    assert "the cluster does not answer" in line and "refused" in line


def test_a_failed_round_has_it_in_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e.soak.report.FOLDER", tmp_path)

    def fails() -> dict[str, Any]:
        raise AssertionError("not so after 180 s")

    report = Report("nodes", "a node is cut off", 2)
    assert not report.round(0, fails, lambda: ["pod a: waiting"])
    assert report.round(1, lambda: {}, lambda: ["never asked"])
    failed, passed = json.loads((tmp_path / "nodes.json").read_text())["rounds"]
    assert failed["ground"] == ["pod a: waiting"] and "ground" not in passed


class Raised:
    """A cluster that notes how it was raised."""

    def __init__(self) -> None:
        self.fresh: list[bool] = []
        self.downs = 0

    def up(self, *, fresh: bool = False) -> None:
        self.fresh.append(fresh)

    def down(self) -> None:
        self.downs += 1


def test_ground_on_which_a_round_failed_is_made_anew_and_other_ground_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = Raised()
    monkeypatch.setattr("e2e.soak.parts.open_cluster", lambda: raised)
    monkeypatch.delenv("OMNIXAN_KEEP_CLUSTER", raising=False)
    with Ground() as ground:
        ground.give_up()  # a part without a cluster has failed
        assert ground.cluster is ground.cluster
        ground.give_up()
        assert ground.why() == []
        assert ground.cluster
    assert raised.fresh == [False, True] and raised.downs == 1


def test_a_look_that_fails_is_followed_by_another() -> None:
    answers = iter([KubectlError(["kubectl", "get"], "etcdserver: request timed out"), False, True])

    def look() -> bool:
        answer = next(answers)
        if isinstance(answer, KubectlError):
            raise answer
        return answer

    eventually(look, "it is there", 30)


def test_when_looking_never_works_the_reason_is_told() -> None:
    def look() -> bool:
        raise KubectlError(["kubectl", "get"], "connection refused")

    with pytest.raises(AssertionError, match=r"it is there: not so after 0 s; the last look failed: .*\nconnection refused"):
        eventually(look, "it is there", 0)
