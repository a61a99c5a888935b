"""The real operator, one replica or two, in bad weather, dying at any await: no invariant is ever violated."""

from __future__ import annotations

import pytest

from tests.faults.play import play, told

pytestmark = pytest.mark.timeout(1500)  # minutes of computing beside other tests; `play` has a bound of its own
SEEDS = 100
LEADERS = 10


def test_no_invariant_is_violated_whatever_the_weather_does() -> None:
    outcomes = play(range(SEEDS))
    assert len(outcomes) == SEEDS
    assert not told(outcomes), told(outcomes)
    assert sum(outcome["deaths"] for outcome in outcomes) > SEEDS / 2
    assert sum(outcome["jobs"].get("Complete", 0) for outcome in outcomes) > SEEDS


def test_an_api_server_that_answers_500_for_five_minutes_is_waited_for() -> None:
    outcomes = play(range(1000, 1004), "--outage", "300", "--deaths", "0")
    assert len(outcomes) == 4
    assert not told(outcomes), told(outcomes)
    assert all(outcome["virtual_seconds"] > 300 for outcome in outcomes)


def test_leaders_that_die_one_after_the_other_lose_nothing() -> None:
    outcomes = play(range(2000, 2000 + LEADERS), "--replicas", "2", "--deaths", "6")
    assert len(outcomes) == LEADERS
    assert not told(outcomes), told(outcomes)
    assert sum(outcome["deaths"] for outcome in outcomes) >= 2 * LEADERS
