from dataclasses import replace
from typing import Any

import pytest

from omnixan.edge_network.agent.conditions import Difference, Report, desired_status, difference, lease_body, notable
from omnixan.edge_network.agent.events import warning
from omnixan.edge_network.agent.modules import Modules, memory_pooling, persistent_memory, together
from omnixan.edge_network.agent.storage import MemoryReport
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
    return NODE | {"status": {"observedGeneration": 4} | status}


def test_a_node_without_status_gets_all_of_ours():
    assert difference(READY, NODE) is Difference.FACTS
    status = desired_status(READY, NODE, "2026-01-01T00:00:00Z")
    assert EdgeNodeStatus.model_validate(status).wire() == {"observedGeneration": -1} | status
    assert (status["version"], status["backend"], status["qubits"]) == ("1.2.3", "simulator", 8)
    [condition] = status["conditions"]
    assert condition["type"] == "AgentReady" and condition["status"] == "True"
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z" and condition["observedGeneration"] == 4


def test_what_stands_there_already_is_not_written():
    node = live(READY)
    assert difference(READY, node) is Difference.NONE
    node["metadata"] = node["metadata"] | {"generation": 5}
    foreign = {"type": "Ready", "status": "False", "reason": "X", "message": "", "lastTransitionTime": ""}
    node["status"]["conditions"].append(foreign)
    assert difference(READY, node) is Difference.NONE


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
    assert difference(replace(READY, **change), live(READY)) is Difference.FACTS


def test_a_calibration_is_written_once_and_again_when_it_changes():
    lima = replace(READY, calibration=report(load("lima")))
    assert difference(lima, live(lima)) is Difference.NONE
    drifted_lima = replace(READY, calibration=report(drifted(load("lima"), 1, 5.0)))
    assert difference(drifted_lima, live(lima)) is Difference.FACTS
    status = desired_status(drifted_lima, live(lima), "2027-01-01T00:00:00Z")
    assert status["calibration"]["id"] != lima.calibration["id"]


def test_the_transition_time_moves_only_with_the_status():
    later = "2027-01-01T00:00:00Z"
    same = desired_status(replace(READY, message="other"), live(READY), later)
    other = desired_status(replace(READY, ready=False), live(READY), later)
    assert same["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert other["conditions"][0]["lastTransitionTime"] == later


def test_only_our_condition_is_applied():
    node = live(READY)
    node["status"]["conditions"].insert(0, {"type": "Ready", "status": "True"})
    status = desired_status(replace(READY, ready=False), node, "2027-01-01T00:00:00Z")
    assert [c["type"] for c in status["conditions"]] == ["AgentReady"]


MEMORY = MemoryReport(
    True,
    "Durable",
    "durable at T3-file",
    tier="T3-file",
    proof=("fdatasync is what makes it durable (T3)",),
    size=1_000_000,
    used=500_000,
    last_checkpoint=1_800_000_000.0,
)


def with_memory(report: MemoryReport = MEMORY) -> Report:
    return replace(READY, modules=together(persistent_memory(report), memory_pooling(None)))


def test_modules_have_a_condition_and_fields_of_their_own():
    status = desired_status(with_memory(), NODE, "2026-01-01T00:00:00Z")
    assert EdgeNodeStatus.model_validate(status).wire() == {"observedGeneration": -1} | status
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == {
        "AgentReady": ("True", "WorkerWarm"),
        "PersistentMemoryReady": ("True", "Durable"),
    }
    assert status["persistentMemory"]["tier"] == "T3-file"
    assert status["persistentMemory"]["lastCheckpoint"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, Difference.NONE),
        ({"used": 550_000}, Difference.NONE),
        ({"used": 550_001}, Difference.FIGURES),
        ({"used": 449_999}, Difference.FIGURES),
        ({"last_checkpoint": 1_800_000_059.0}, Difference.NONE),
        ({"last_checkpoint": 1_800_000_060.0}, Difference.FIGURES),
        ({"last_checkpoint": None}, Difference.FACTS),
        ({"tier": "T1-fsdax"}, Difference.FACTS),
        ({"proof": ()}, Difference.FACTS),
        ({"ready": False, "reason": "StoreFull"}, Difference.FACTS),
        ({"used": 2_000_000, "message": "another"}, Difference.FACTS),
    ],
)
def test_figures_are_written_when_they_change_notably(change: dict[str, Any], found: Difference):
    assert difference(with_memory(replace(MEMORY, **change)), live(with_memory())) is found


def test_a_module_that_is_switched_off_is_taken_away():
    assert difference(READY, live(with_memory())) is Difference.FACTS
    assert difference(with_memory(), live(READY)) is Difference.FACTS
    assert "persistentMemory" not in desired_status(READY, live(with_memory()), "2026-01-01T00:00:00Z")


def test_a_memory_that_refuses_says_why_and_has_no_tier():
    refused = MemoryReport(False, "NoDAX", "/mnt/pmem0: mode=dax was asked for and the proof found T3-file")
    status = desired_status(with_memory(refused), NODE, "2026-01-01T00:00:00Z")
    assert "persistentMemory" not in status
    assert [c["reason"] for c in status["conditions"]] == ["WorkerWarm", "NoDAX"]
    EdgeNodeStatus.model_validate(status)
    stood = live(with_memory(refused))
    assert difference(with_memory(refused), stood) is Difference.NONE
    assert difference(with_memory(refused), live(with_memory())) is Difference.FACTS


@pytest.mark.parametrize(
    ("before", "now", "is_so"),
    [
        (0, 5, False),
        (0, 6, True),
        (100, 94, True),
        ("0.500", "0.550", False),
        ("0.500", "0.551", True),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", True),
        ("2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z", False),
    ],
)
def test_what_is_notable(before: float | str, now: float | str, is_so: bool):
    assert notable(before, now, 100) is is_so


def test_nothing_is_said_of_modules_that_are_off():
    assert together(persistent_memory(None), memory_pooling(None)) == Modules()


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
