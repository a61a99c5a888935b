"""What is asked of jobs that ran while something failed: a lost job, a wrong result or a late report is no success."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from e2e.cluster.interface import Cluster
from e2e.faults.field import NAMESPACE, Field, Load
from e2e.kubectl import Kubectl

TENANT, NAME, UID, TEXT = "soak", "n0-jobs-0", "8c6f-1", '{"counts":{},"summary":{}}'
LOST = {"attempt": 1, "node": "w1", "category": "NODE_UNREACHABLE", "message": "node w1 did not answer"}
Entry = tuple[str, str, str, str, str, int]
LOG: list[Entry] = [
    ("create", "quantumruns", "", NAMESPACE, f"{UID}-1", 201),
    ("patch", "quantumruns", "status", NAMESPACE, f"{UID}-1", 200),
    ("delete", "quantumruns", "", NAMESPACE, f"{UID}-1", 200),
    ("create", "quantumruns", "", NAMESPACE, f"{UID}-2", 201),
    ("create", "configmaps", "", TENANT, f"{NAME}-result", 201),
    ("patch", "quantumruns", "status", NAMESPACE, f"{UID}-1", 404),
]


class Standing:
    """A cluster as it stands after the fault, asked as with kubectl: one job, its result, an audit log."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "audit.log"
        self._log.write_text("")
        reference = {"name": f"{NAME}-result", "sha256": hashlib.sha256(TEXT.encode()).hexdigest(), "bytes": len(TEXT)}
        status = {
            "observedGeneration": 1,
            "conditions": [{"type": "Complete", "status": "True", "reason": "Succeeded"}],
            "attempts": [LOST],
            "run": {"attempt": 2, "node": "w2"},
            "result": {"ref": reference},
            "completionTime": "2026-11-29T13:00:00Z",
        }
        meta = {"name": NAME, "uid": UID, "generation": 1}
        stored = {"metadata": {"name": f"{NAME}-result", "ownerReferences": [{"uid": UID}]}, "data": {"result.json": TEXT}}
        self.objects: dict[str, list[Any]] = {"quantumjobs": [{"metadata": meta, "status": status}], "configmaps": [stored]}

    def apply(self, *_objects: Any) -> None:
        """The job is there already."""

    def list(self, kind: str, _namespace: str) -> list[Any]:
        return copy.deepcopy(self.objects[kind])

    def audit_log(self) -> Path:
        return self._log

    def says(self, *entries: Entry) -> None:
        """What the API server has answered, a second each."""
        lines = []
        for second, (verb, resource, subresource, namespace, name, code) in enumerate(entries):
            reference = {"resource": resource, "subresource": subresource, "namespace": namespace, "name": name}
            found = {
                "verb": verb,
                "user": {"username": "somebody"},
                "objectRef": reference,
                "responseStatus": {"code": code},
            }
            found |= {"stage": "ResponseComplete", "stageTimestamp": f"2026-11-29T13:00:{second:02}.000000Z"}
            lines.append(json.dumps(found) + "\n")
        self._log.write_text("".join(lines))

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.objects["quantumjobs"][0]["status"]
        return found


@pytest.fixture
def standing(tmp_path: Path) -> Standing:
    return Standing(tmp_path)


@pytest.fixture
def load(standing: Standing) -> Load:
    found = Load(Field(cast(Cluster, standing), cast(Kubectl, standing), cast(Any, None)), TENANT, "n0-jobs", 1, 1)
    standing.says(*LOG)
    return found


def test_a_job_whose_second_attempt_gave_its_one_result_is_well(load: Load) -> None:
    assert load.judge() == {"jobs": 1, "attemptsLost": 1}
    assert load.late_reports() == {"404": 1} and load.nodes() == {"w2": 1}


def test_a_late_report_that_was_taken_is_told(load: Load, standing: Standing) -> None:
    standing.says(*LOG, ("patch", "quantumruns", "status", NAMESPACE, f"{UID}-1", 200))
    with pytest.raises(AssertionError, match=f"patch quantumruns/{NAMESPACE}/{UID}-1/status: 200"):
        load.late_reports()


Change = Callable[[Standing], Any]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.objects["quantumjobs"].clear(), "jobs are gone"),
        (lambda s: s.status["conditions"].clear(), "observedGeneration"),
        (lambda s: s.status.update(attempts=[LOST | {"message": ""}]), NAME),
        (lambda s: s.status.update(attempts=[]), NAME),
        (lambda s: s.objects["configmaps"].clear(), "there is no ConfigMap"),
        (lambda s: s.objects["configmaps"][0]["data"].update({"result.json": "{}"}), "SHA-256"),
        (lambda s: s.says(*LOG, LOG[3]), "made {"),
        (lambda s: s.says(*LOG, LOG[4]), "its result was stored 2 times"),
        (lambda s: s.says(*LOG[:4]), "its result was stored 0 times"),
    ],
)
def test_what_is_not_well_is_named(load: Load, standing: Standing, change: Change, told: str) -> None:
    change(standing)
    with pytest.raises(AssertionError, match=told):
        load.judge()


def test_what_is_over_is_compared_by_what_may_not_change(load: Load, standing: Standing) -> None:
    before = load.outcomes()
    standing.status["conditions"].append({"type": "Paused", "status": "True"})
    assert load.outcomes() == before
    standing.status["run"] = {"attempt": 1, "node": "w1"}
    assert load.outcomes() != before


def test_fates_are_counted_and_results_of_those_that_were_over_are_judged(load: Load, standing: Standing) -> None:
    assert load.fates(0) == {"Complete": 1}
    standing.objects["configmaps"].clear()
    with pytest.raises(AssertionError, match="there is no ConfigMap"):
        load.fates(0)
    standing.status["conditions"].clear()
    with pytest.raises(AssertionError, match="every job says what became of it"):
        load.fates(0)
