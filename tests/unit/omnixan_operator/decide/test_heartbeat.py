"""Whether an agent is alive, by the operator's own clock."""

from __future__ import annotations

from omnixan_operator.decide.heartbeat import Pulse, beat, expires_in, pulse


def test_a_renewal_that_was_seen_is_fresh_for_the_leases_duration() -> None:
    seen = beat(None, "t1", 100.0, started=True)
    assert pulse(seen, 40, 139.9) is Pulse.FRESH and pulse(seen, 40, 140.0) is Pulse.LOST
    assert expires_in(seen, 40, 130.0) == 10.0 and expires_in(seen, 40, 140.0) is None


def test_an_unchanged_lease_does_not_live_longer() -> None:
    first = beat(None, "t1", 100.0, started=True)
    assert beat(first, "t1", 120.0, started=True) is first
    assert beat(first, "t2", 120.0, started=True).seen == 120.0


def test_a_lease_that_was_there_at_the_start_is_neither_fresh_nor_lost_until_it_changes_or_ends() -> None:
    found = beat(None, "t1", 100.0, started=False)
    assert pulse(found, 40, 120.0) is Pulse.UNKNOWN and pulse(found, 40, 140.0) is Pulse.LOST
    assert pulse(beat(found, "t2", 110.0, started=True), 40, 120.0) is Pulse.FRESH


def test_no_lease_no_pulse() -> None:
    assert pulse(None, 40, 0.0) is Pulse.NONE and expires_in(None, 40, 0.0) is None
