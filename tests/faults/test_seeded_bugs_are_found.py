"""Who checks the checkers: an operator with a bug does not get through."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.bugs import BUGS
from tests.faults.hunt import ATTEMPTS, hunt

pytestmark = pytest.mark.timeout(1500)  # as in test_storms


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    return hunt(sorted(BUGS))


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_seeded_bug_is_found_by_the_invariant_that_is_there_for_it(name: str, found: dict[str, dict[str, Any]]) -> None:
    outcome, bug = found[name], BUGS[name]
    assert outcome["seed"] is not None, f"{ATTEMPTS} seeds have not found {name}"
    assert set(outcome["invariants"]) & set(bug.finds), f"{name} was found, but by {outcome}, not by one of {bug.finds}"
