"""The soak's report: every round is in it, and a failure neither stops the rest nor passes for success."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.faults import leaders, nodes, uninstalls
from e2e.soak import report
from e2e.soak.parts import PARTS
from e2e.soak.report import Report


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "FOLDER", tmp_path / "soak")
    return tmp_path / "soak"


def fails() -> dict[str, Any]:
    raise AssertionError("job f0-3 has two results")


def test_a_round_that_fails_is_written_down_and_the_next_one_begins(folder: Path) -> None:
    made = Report("failover", "a leader is killed", 2)
    made.round(0, fails)
    made.round(1, lambda: {"failoverSeconds": 15.2})
    assert not made.write()
    found = json.loads((folder / "failover.json").read_text())
    assert (found["roundsWanted"], found["roundsDone"], found["roundsPassed"]) == (2, 2, 1)
    assert [entry["passed"] for entry in found["rounds"]] == [False, True]
    assert found["rounds"][0]["reason"] == "AssertionError: job f0-3 has two results"
    assert found["rounds"][1]["failoverSeconds"] == 15.2 and "cpu" in found["machine"]


def test_what_was_seen_is_kept_however_the_round_ends(folder: Path) -> None:
    made, evidence = Report("hours", "tokens run out", 3), dict[str, Any]()

    def round_of(number: int) -> dict[str, Any]:
        evidence["looked"] = number
        if number:
            raise RuntimeError("helm upgrade: timed out")
        return {"more": 1}

    for number in (0, 1):
        made.round(number, lambda number=number: round_of(number), evidence=evidence)  # type: ignore[misc]
    made.round(2, fails, evidence=evidence)
    passed, failed, nothing = json.loads((folder / "hours.json").read_text())["rounds"]
    assert passed["passed"] and (passed["looked"], passed["more"]) == (0, 1)
    assert not failed["passed"] and failed["looked"] == 1 and "helm upgrade" in failed["reason"]
    assert "looked" not in nothing, "what an earlier round saw is not this one's"


def test_rounds_that_were_not_done_are_no_success(folder: Path) -> None:
    made = Report("nodes", "a node is cut off", 3)
    made.round(0, lambda: {})
    assert not made.write()
    assert json.loads((folder / "nodes.json").read_text())["roundsDone"] == 1  # written after every round


def test_all_rounds_passed_is_success() -> None:
    made = Report("nodes", "a node is cut off", 1)
    made.round(0, lambda: {})
    assert made.write()


def test_every_way_comes_in_the_rounds_that_a_part_has_by_itself() -> None:
    assert PARTS["failover"].rounds == 20 >= len(leaders.WAYS)
    assert PARTS["nodes"].rounds >= len(nodes.WAYS) >= 5 and PARTS["uninstall"].rounds >= len(uninstalls.ORDERS) >= 5


def test_a_soak_goes_on_after_what_is_written_down(folder: Path) -> None:
    first = Report("nodes", "a node is cut off", 3)
    first.round(0, lambda: {"how": "cut off"})
    again = Report("nodes", "a node is cut off", 3, resume=True)
    assert [entry["how"] for entry in again.rounds] == ["cut off"]
    for number in range(len(again.rounds), again.rounds_wanted):
        again.round(number, lambda: {"how": "frozen"})
    written = json.loads((folder / "nodes.json").read_text())
    assert (written["roundsDone"], written["roundsPassed"]) == (3, 3) and again.write()
    assert not Report("nodes", "a node is cut off", 3).rounds, "without being asked to it begins anew"
