"""Who checks the checkers: an operator with a bug does not get through."""

from __future__ import annotations

import pytest

from tests.faults.bugs import BUGS
from tests.faults.play import play

pytestmark = pytest.mark.timeout(1500)  # as in test_storms
ATTEMPTS = 24
"""Seeds that are played at most; most bugs show in one of the first."""


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_seeded_bug_is_found_by_the_invariant_that_is_there_for_it(name: str) -> None:
    bug = BUGS[name]
    for first in range(bug.first_seed, bug.first_seed + ATTEMPTS, 2):
        outcomes = play(range(first, first + 2), "--bug", name, *bug.arguments)
        found = {invariant for outcome in outcomes for invariant in outcome["invariants"]}
        if found:
            assert found & set(bug.finds), f"{name} was found, but by {found}, not by one of {bug.finds}"
            return
    pytest.fail(f"{ATTEMPTS} seeds have not found {name}")
