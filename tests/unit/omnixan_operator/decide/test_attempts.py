"""Attempts that are over: what is kept of them, when the next is due, when there is none."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumjob import MAX_ATTEMPTS, MAX_BACKOFF, Attempt
from omnixan_operator.decide import attempts
from tests.unit.omnixan_operator.operator_makers import at

RETRIABLE = [category for category in Category if category.retriable]


def ended(number: int, category: Category = Category.BACKEND_ERROR, second: float = 0) -> Attempt:
    return attempts.ended(number, f"n{number}", category, "it broke", None, at(second))


def test_times_are_whole_seconds_of_utc() -> None:
    found = attempts.ended(1, "n1", Category.RUN_LOST, "m" * 5000, "2026-11-24T22:00:01.75+01:00", at(2.9))
    assert (found.start_time, found.end_time) == ("2026-11-24T21:00:01Z", "2026-11-24T21:00:02Z")
    assert len(found.message) == 1024


def test_the_delay_doubles_up_to_a_bound() -> None:
    delays = []
    for count in range(1, MAX_BACKOFF + 1):
        due = attempts.due([ended(number, second=1000) for number in range(1, count + 1)])
        assert due is not None
        delays.append((due - at(1000)).total_seconds())
    assert delays[:4] == [1, 2, 4, 8] and delays[-1] == attempts.LONGEST_DELAY and delays == sorted(delays)


def test_what_was_suspended_is_made_again_at_once() -> None:
    assert attempts.due([]) is None
    assert attempts.due([ended(1), ended(2, Category.SUSPENDED)]) is None
    assert attempts.due([ended(1, Category.SUSPENDED), ended(2)]) == at(1)


def test_the_limit_is_on_further_attempts() -> None:
    assert attempts.exhausted([ended(1)], 1) is None
    failure = attempts.exhausted([ended(1)], 0)
    assert failure is not None and failure.category is Category.BACKEND_ERROR and failure.message.startswith("1 attempt ")


@given(st.lists(st.sampled_from(RETRIABLE), max_size=3 * MAX_ATTEMPTS), st.integers(0, MAX_BACKOFF))
def test_a_job_makes_no_more_attempts_than_its_limit_and_status_always_has_room(ends: list[Category], limit: int) -> None:
    kept: tuple[Attempt, ...] = ()
    failed, last = 0, 0.0
    for number, category in enumerate(ends, start=1):
        last += 1000
        kept = attempts.kept((*kept, ended(number, category, last)))
        failed += category.charged
        assert len(kept) <= MAX_ATTEMPTS and kept[-1].attempt == number, "the last one is always explained"
        assert len(attempts.charged(kept)) == failed, "and none that counts is forgotten"
        assert [one.attempt for one in kept] == sorted(one.attempt for one in kept)
        assert (attempts.exhausted(kept, limit) is not None) == (failed > limit)
        if failed > limit:
            break
        due = attempts.due(kept)
        assert (due is not None) == category.charged
        if due is not None:
            assert 0 < (due - datetime.fromisoformat(str(kept[-1].end_time))).total_seconds() <= attempts.LONGEST_DELAY


def test_a_clock_that_was_set_back_makes_nobody_wait_for_hours() -> None:
    assert attempts.lies_ahead(at(10), at(9)) and not attempts.lies_ahead(at(10), at(10))
    assert attempts.lies_ahead(at(attempts.LONGEST_DELAY), at(0))
    assert not attempts.lies_ahead(at(3600), at(0))
