"""The health scripts of Argo CD, run in Lua on objects that were recorded from a real API server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.gitops import argocd, kstatus
from e2e.gitops.replay import ReplayError, judge, judge_events
from omnixan.edge_network.api.crd import KINDS
from omnixan.edge_network.api.meta import Model

MODELS: dict[str, type[Model]] = {kind.name: kind.model for kind in KINDS}
CASES = [
    (kind, test["inputPath"], test["healthStatus"])
    for kind in argocd.KINDS
    for test in yaml.safe_load((argocd.SCRIPTS / kind / "health_test.yaml").read_text())["tests"]
]


def recorded(kind: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((argocd.SCRIPTS / kind / path).read_text())
    return found


@pytest.mark.parametrize(("kind", "path", "expected"), CASES)
def test_recorded_objects_have_the_health_that_is_written_down(kind: str, path: str, expected: dict[str, str]) -> None:
    obj = recorded(kind, path)
    found = argocd.health(obj)
    assert (found.status, found.message) == (expected["status"], expected["message"])
    assert argocd.agrees(obj, kstatus.compute(obj), found)


@pytest.mark.parametrize(("kind", "path", "_expected"), CASES)
def test_recorded_statuses_are_of_the_kinds_as_they_are(kind: str, path: str, _expected: object) -> None:
    status = recorded(kind, path)["status"]
    model = MODELS[kind].model_fields["status"].annotation
    assert isinstance(model, type) and issubclass(model, Model)
    assert model.model_validate(status).wire().keys() >= status.keys() - {"observedGeneration"}


def test_recorded_objects_pass_the_replay_and_spoilt_ones_do_not() -> None:
    histories = [[recorded(kind, path)] for kind, path, _ in CASES]
    assert judge(histories).startswith(f"replayed {len(CASES)} versions of {len(CASES)} objects")
    spoilt = recorded("QuantumJob", "testdata/healthy-succeeded.yaml")
    spoilt["status"]["conditions"][0]["reason"] = "SomethingNew"
    with pytest.raises(ReplayError, match="the reason SomethingNew on Validated is not in docs/reference"):
        judge([[spoilt]])


def event(by: str, reason: str) -> dict[str, Any]:
    return {"reportingController": by, "regarding": {"kind": "Node"}, "type": "Normal", "reason": reason}


def test_events_of_ours_that_the_reference_does_not_know_are_found() -> None:
    posted = [event("omnixan-operator", "NodeClaimed"), event("kubelet", "Starting")]
    assert judge_events(posted) == "1 events of 1 kinds, all of them documented"
    with pytest.raises(ReplayError, match=r"not in docs/reference: Starting \(Normal, on Node\)"):
        judge_events([*posted, event("omnixan-agent", "Starting")])


def test_a_health_that_contradicts_kstatus_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argocd, "health", lambda obj: argocd.Health("Healthy", ""))
    with pytest.raises(ReplayError, match="kstatus says InProgress, Argo CD would say Healthy"):
        judge([[recorded("QuantumJob", "testdata/progressing-running.yaml")]])


@pytest.mark.parametrize("kind", argocd.KINDS)
def test_every_file_and_every_health_is_tested(kind: str) -> None:
    mine = [(path, expected["status"]) for name, path, expected in CASES if name == kind]
    files = {f"testdata/{path.name}" for path in (argocd.SCRIPTS / kind / "testdata").iterdir()}
    assert {path for path, _ in mine} == files
    assert {status for _, status in mine} == {"Healthy", "Progressing", "Degraded", "Suspended"}


@pytest.mark.parametrize("kind", argocd.KINDS)
@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": -1}, {"observedGeneration": 1}])
def test_an_object_without_conditions_is_progressing(kind: str, status: dict[str, Any] | None) -> None:
    obj = {"kind": kind, "metadata": {"name": "x", "generation": 1}, "spec": {}}
    assert argocd.health(obj if status is None else obj | {"status": status}).status == "Progressing"


@pytest.mark.parametrize("kind", argocd.KINDS)
def test_a_status_of_an_older_generation_is_progressing(kind: str) -> None:
    for name, path, _ in CASES:
        if name == kind:
            obj = recorded(kind, path)
            obj["metadata"]["generation"] += 1
            assert argocd.health(obj).status == "Progressing"


def test_scripts_run_without_what_argo_cd_forbids() -> None:
    for kind in argocd.KINDS:
        lua, _ = argocd._script(kind)
        assert all(lua.eval(name) is None for name in argocd.TAKEN_AWAY)


def test_the_config_map_holds_the_scripts() -> None:
    subprocess.run([sys.executable, "-m", "e2e.gitops.argocd", "--check"], check=True, cwd=Path(__file__).parents[3])
