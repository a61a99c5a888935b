"""The operator with nothing in its way: people act, every job comes to its end, and then there is silence."""

from __future__ import annotations

import pytest

from tests.faults.play import play, told

pytestmark = pytest.mark.timeout(1500)  # as in test_storms


def test_without_faults_everything_comes_to_its_end_and_then_nothing_is_written() -> None:
    outcomes = play(range(6), "--calm", "--deaths", "0", "--replicas", "1")
    assert len(outcomes) == 6
    assert not told(outcomes), told(outcomes)
    assert sum(outcome["jobs"].get("Complete", 0) for outcome in outcomes) >= 6


def test_equal_seeds_tell_equal_stories() -> None:
    first, second = play(range(3, 4)), play(range(3, 4))
    assert first[0]["digest"] == second[0]["digest"]
