"""The figures of deaths: each that went wrong is told with its step, and stories that were not played anew are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults import deaths


def outcome(step: int | None, *violations: str, digest: str = "a", crashes: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"step": step, "violations": list(violations), "crashes": list(crashes), "digest": digest}


def test_what_went_wrong_is_told_with_the_step_of_the_death() -> None:
    back = "operator-2 at 21.7 s: LeadershipLostError: another operator took over"
    played = [outcome(3, "two runs", digest="b"), outcome(4, crashes=("operator-1 ended", back))]
    found = deaths.figures("frozen-leader", outcome(None), played, 1.25)
    assert found["awaits"] == 2 and found["differentEnds"] == 2
    assert found["violations"] == [{"step": 3, "what": ["two runs"]}]
    assert found["crashes"] == [{"step": 4, "what": ["operator-1 ended"]}]
    assert found["formerLeadersThatEnded"] == 1, "it ends by itself when it is back, and shall"
    assert deaths.figures("retry", outcome(None), played, 1.25)["crashes"][-1]["what"][-1] == back, "where nobody was frozen"


def test_a_story_that_goes_wrong_without_a_death_is_told_too() -> None:
    assert deaths.figures("retry", outcome(None, "a job is lost"), [], 1.0)["violations"] == [
        {"step": None, "what": ["a job is lost"]}
    ]


def test_stories_that_were_not_played_are_kept_unless_all_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deaths, "OUT", tmp_path)

    def story(name: str, awaits: int, *violations: str) -> dict[str, Any]:
        played = [outcome(step, *violations) for step in range(awaits)]
        return deaths.figures(name, outcome(None), played, 1.0)

    def written() -> tuple[int, int, list[str]]:
        found = json.loads((tmp_path / "soak" / "deaths.json").read_text())
        return found["awaits"], found["violations"], [one["story"] for one in found["stories"]]

    deaths.write([story("retry", 3), story("jobs", 2)], anew=True)
    assert written() == (5, 0, ["jobs", "retry"])
    deaths.write([story("retry", 4, "two runs")], anew=False)
    assert written() == (6, 4, ["jobs", "retry"])
    deaths.write([story("held", 1)], anew=True)
    assert written() == (1, 0, ["held"])
