"""The operator dies after each of its steps in a short story in turn, and whoever comes after it finishes the story."""

from __future__ import annotations

import pytest

from tests.faults.sweep import sweep
from tests.faults.tales import JOBS

pytestmark = pytest.mark.timeout(1500)  # as in test_storms
FEWEST, LAST = 80, 1000
"""Deaths at least, and a step by which the story is over."""


def test_a_death_at_any_await_loses_nothing_and_does_nothing_twice() -> None:
    story, branches = sweep(LAST)
    assert len(branches) >= FEWEST and branches[-1]["step"] < LAST, "the story is covered to its end"
    wrong = [outcome for outcome in (story, *branches) if outcome["violations"] or outcome["crashes"]]
    again = "tell one with `python -m tests.faults.sweep --only STEP --trace`"
    assert not wrong, "\n".join([f"{len(wrong)} of {len(branches)} deaths; {again}", *map(str, wrong[:5])])
    assert all(outcome["jobs"] == {"Complete": JOBS} for outcome in (story, *branches))
    assert len({branch["digest"] for branch in branches}) > 20, "it matters when the operator dies"
