"""Results that have just come in: taken once, bounded, and never of a run that was over before."""

from __future__ import annotations

from typing import Any

from omnixan_operator import arrivals
from omnixan_operator.arrivals import Arrivals


def run(name: str, outcomes: int = 2) -> dict[str, Any]:
    counts = {f"{number:020b}": 1 for number in range(outcomes)}
    return {"metadata": {"namespace": "omnixan", "name": name}, "status": {"result": {"summary": {}, "counts": counts}}}


def test_a_result_is_taken_once() -> None:
    kept = Arrivals()
    kept.keep(run("a"))
    assert kept.take("omnixan", "a") == run("a")["status"]["result"]
    assert kept.take("omnixan", "a") is None and kept.take("omnixan", "b") is None


def test_a_run_without_a_result_leaves_nothing() -> None:
    kept = Arrivals()
    kept.keep({"metadata": {"namespace": "omnixan", "name": "a"}, "status": {"state": "Failed"}})
    assert kept.take("omnixan", "a") is None


def test_the_oldest_make_room_and_the_largest_find_none(monkeypatch: Any) -> None:
    monkeypatch.setattr(arrivals, "MAX_OUTCOMES", 10)
    kept = Arrivals()
    for name in ("a", "b", "c", "d"):
        kept.keep(run(name))
    kept.keep(run("huge", outcomes=10))
    assert [kept.take("omnixan", name) is not None for name in ("a", "b", "c", "d", "huge")] == [
        False,
        True,
        True,
        True,
        False,
    ]
    kept.keep(run("e", outcomes=8))
    assert kept.take("omnixan", "e") is not None
    kept.keep(run("f"))
    kept.keep(run("f"))  # the same again counts once
    kept.keep(run("g", outcomes=6))
    assert kept.take("omnixan", "f") is not None and kept.take("omnixan", "g") is not None
