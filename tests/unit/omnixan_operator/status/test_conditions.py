"""Conditions: when a status turned, and what is gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omnixan_operator.status.conditions import MAX_MESSAGE, Now, find, holds, merge, since_written, stamp
from tests.unit.omnixan_operator.operator_makers import at


def test_the_transition_time_stays_while_the_status_stays() -> None:
    first = merge(None, [Now("Ready", "False", "Starting")], 1, at(0))
    second = merge(first, [Now("Ready", "False", "Waiting", "other words")], 2, at(60))
    assert second[0].last_transition_time == stamp(at(0))
    assert (second[0].reason, second[0].message, second[0].observed_generation) == ("Waiting", "other words", 2)
    third = merge(second, [Now("Ready", "True", "Ready")], 2, at(90))
    assert third[0].last_transition_time == stamp(at(90))


def test_a_turn_that_was_never_written_moves_no_time() -> None:
    written = merge(None, [Now("Placed", "False", "Queued"), Now("Failed", "False", "Waiting")], 1, at(0))
    meant = merge(written, [Now("Placed", "True", "Placed"), Now("Failed", "False", "Waiting")], 1, at(5))
    wanted = merge(meant, [Now("Placed", "False", "Retrying"), Now("Failed", "True", "Failed")], 1, at(6))
    seen = {c.type: (c.reason, c.last_transition_time) for c in since_written(wanted, written)}
    assert seen == {"Placed": ("Retrying", stamp(at(0))), "Failed": ("Failed", stamp(at(6)))}
    assert since_written(meant, written)[0].last_transition_time == stamp(at(5))
    assert since_written(meant, None) == meant


def test_what_is_not_true_any_more_is_dropped() -> None:
    first = merge(None, [Now("Ready", "False", "A"), Now("Reconciling", "True", "A")], 1, at(0))
    second = merge(first, [Now("Ready", "True", "B")], 1, at(1))
    assert [c.type for c in second] == ["Ready"] and find(second, "Reconciling") is None


def test_a_message_is_cut_to_what_the_api_takes() -> None:
    assert len(merge(None, [Now("Ready", "True", "A", "x" * 9000)], 1, at(0))[0].message) == MAX_MESSAGE


def test_times_are_whole_seconds_in_utc() -> None:
    assert stamp(at(0.9)) == "2026-11-24T21:00:00Z"


STATES = st.builds(
    Now,
    type=st.sampled_from(["Ready", "Reconciling", "Stalled"]),
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=st.sampled_from(["A", "B"]),
    message=st.text(max_size=5),
)


@given(st.lists(st.lists(STATES, max_size=3, unique_by=lambda n: n.type), max_size=8))
def test_writing_the_same_again_changes_nothing_and_times_are_those_of_turns(history: list[list[Now]]) -> None:
    conditions = merge(None, [], 1, at(0))
    turned: dict[str, tuple[str, int]] = {}
    for second, current in enumerate(history):
        conditions = merge(conditions, current, 1, at(second))
        assert merge(conditions, current, 1, at(second + 100)) == conditions
        turned = {
            now.type: turned[now.type] if turned.get(now.type, ("", 0))[0] == now.status else (now.status, second)
            for now in current
        }
        for condition in conditions:
            assert condition.last_transition_time == stamp(at(turned[condition.type][1]))
            assert holds(conditions, condition.type) == (condition.status == "True")


def test_the_order_that_the_api_server_keeps_is_no_difference() -> None:
    ready, extra = Now("Ready", "True", "Fine"), Now("Suspended", "True", "Asked")
    kept = list(reversed(merge(None, [ready, extra], 1, at(0))))
    assert merge(kept, [ready, extra], 1, at(0)) == kept
    grown = merge(kept, [Now("New", "True", "New"), ready, extra], 1, at(0))
    assert [condition.type for condition in grown] == ["Suspended", "Ready", "New"]
