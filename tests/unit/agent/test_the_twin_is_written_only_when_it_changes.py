from dataclasses import replace
from typing import Any

import pytest

from omnixan.edge_network.agent.conditions import Report, desired_status, lease_body
from omnixan.edge_network.agent.events import warning
from omnixan.edge_network.agent.twin import newer
from omnixan.edge_network.api.edgenode import EdgeNodeStatus
from omnixan.edge_network.quantum.devices import load
from omnixan.edge_network.quantum.emulator.calibration import report
from omnixan.edge_network.quantum.emulator.drift import drifted

READY = Report("1.2.3", "simulator", 8, True, "WorkerWarm", "warm")
NODE: dict[str, Any] = {
    "apiVersion": "edge.omnixan.io/v1alpha1",
    "kind": "EdgeNode",
    "metadata": {"name": "n", "namespace": "ns", "uid": "u", "generation": 4},
}


def live(report: Report, now: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """The EdgeNode after a report was written."""
    status = desired_status(report, NODE, now)
    assert status is not None
    return NODE | {"status": {"observedGeneration": 4} | status}


def test_a_node_without_status_gets_all_of_ours():
    status = desired_status(READY, NODE, "2026-01-01T00:00:00Z")
    assert status is not None
    assert EdgeNodeStatus.model_validate(status).wire() == {"observedGeneration": -1} | status
    assert (status["version"], status["backend"], status["qubits"]) == ("1.2.3", "simulator", 8)
    [condition] = status["conditions"]
    assert condition["type"] == "AgentReady" and condition["status"] == "True"
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z" and condition["observedGeneration"] == 4


def test_what_stands_there_already_is_not_written():
    node = live(READY)
    assert desired_status(READY, node, "2027-01-01T00:00:00Z") is None
    node["metadata"] = node["metadata"] | {"generation": 5}
    foreign = {"type": "Ready", "status": "False", "reason": "X", "message": "", "lastTransitionTime": ""}
    node["status"]["conditions"].append(foreign)
    assert desired_status(READY, node, "2027-01-01T00:00:00Z") is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"qubits": 9},
        {"ready": False},
        {"reason": "Other"},
        {"message": "other"},
        {"calibration": report(load("lima"))},
    ],
)
def test_any_difference_is_written(change: dict[str, Any]):
    assert desired_status(replace(READY, **change), live(READY), "2027-01-01T00:00:00Z") is not None


def test_a_calibration_is_written_once_and_again_when_it_changes():
    lima = replace(READY, calibration=report(load("lima")))
    assert desired_status(lima, live(lima), "2027-01-01T00:00:00Z") is None
    drifted_lima = replace(READY, calibration=report(drifted(load("lima"), 1, 5.0)))
    status = desired_status(drifted_lima, live(lima), "2027-01-01T00:00:00Z")
    assert status is not None and status["calibration"]["id"] != lima.calibration["id"]


def test_the_transition_time_moves_only_with_the_status():
    later = "2027-01-01T00:00:00Z"
    same = desired_status(replace(READY, message="other"), live(READY), later)
    other = desired_status(replace(READY, ready=False), live(READY), later)
    assert same is not None and other is not None
    assert same["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert other["conditions"][0]["lastTransitionTime"] == later


def test_only_our_condition_is_applied():
    node = live(READY)
    node["status"]["conditions"].insert(0, {"type": "Ready", "status": "True"})
    status = desired_status(replace(READY, ready=False), node, "2027-01-01T00:00:00Z")
    assert status is not None and [c["type"] for c in status["conditions"]] == ["AgentReady"]


def test_the_lease_is_the_nodes_and_goes_with_it():
    lease = lease_body(NODE, "pod", "2026-01-01T00:00:00.000000Z", 40)
    assert lease["metadata"]["ownerReferences"] == [
        {"apiVersion": NODE["apiVersion"], "kind": "EdgeNode", "name": "n", "uid": "u"}
    ]
    assert lease["spec"] == {
        "holderIdentity": "pod",
        "leaseDurationSeconds": 40,
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }


def test_events_of_different_moments_have_different_names():
    one, two = (warning(NODE, "R", "m", "n", moment) for moment in (100.0, 100.000001))
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert one["firstTimestamp"] == "1970-01-01T00:01:40Z"


def version(number: str, uid: str = "one") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": number}}


def test_an_older_version_from_the_watch_is_not_taken_for_news() -> None:
    assert newer(version("10"), version("9")) == version("10")
    assert newer(version("9"), version("10")) == version("10")
    assert newer(None, version("9")) == version("9")
    assert newer(version("10"), version("9", uid="another")) == version("9", uid="another")
    assert newer(version("10"), None) is None
