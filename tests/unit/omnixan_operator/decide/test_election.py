"""Who leads: at most one, whatever their clocks say and in whatever order they look."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from omnixan_operator.decide.election import (
    DURATION,
    LOOK,
    MARGIN,
    RENEW,
    Move,
    Record,
    Sighting,
    may_write_until,
    next_move,
    sight,
)


def record(holder: str = "a", renewed: str = "t1", transitions: int = 0, version: str = "1") -> Record:
    return Record(holder, renewed, DURATION, transitions, version)


def test_an_absent_lease_is_made() -> None:
    assert next_move(None, "a", 0.0) is Move.CREATE


def test_an_own_lease_is_renewed_whatever_its_age() -> None:
    assert next_move(Sighting(record("a"), 0.0), "a", 1e6) is Move.RENEW


def test_a_foreign_lease_is_waited_for_from_the_moment_it_was_seen() -> None:
    seen = Sighting(record("b"), 100.0)
    assert next_move(seen, "a", 100.0 + DURATION - 0.01) is Move.STAND_BY
    assert next_move(seen, "a", 100.0 + DURATION) is Move.TAKE


def test_a_released_lease_is_taken_at_once() -> None:
    assert next_move(Sighting(record(""), 100.0), "a", 100.0) is Move.TAKE


def test_only_a_renewal_begins_the_wait_anew() -> None:
    first = sight(None, record("b"), 10.0)
    other_field = sight(first, record("b", version="2"), 14.0)
    assert other_field is not None and (other_field.seen, other_field.record.version) == (10.0, "2")
    renewed = sight(other_field, record("b", renewed="t2"), 15.0)
    assert renewed is not None and renewed.seen == 15.0
    assert sight(renewed, None, 16.0) is None


def test_failover_takes_less_than_twenty_seconds() -> None:
    """A standby that looked right before a renewal sees it one look later, and waits for its whole duration."""
    assert LOOK + DURATION + 1.0 < 20.0 and RENEW < DURATION - MARGIN


@dataclass
class Shared:
    """The Lease in the API server: a write with an old version is refused."""

    record: Record | None = None
    writes: int = 0

    def write(self, holder: str, based_on: str) -> Record | None:
        if (self.record.version if self.record else "") != based_on:
            return None
        self.writes += 1
        before = self.record.transitions if self.record else 0
        self.record = Record(holder, f"t{self.writes}", DURATION, before + 1, str(self.writes))
        return self.record


@dataclass
class Candidate:
    """An elector as election.py has it, on a clock of its own speed."""

    name: str
    speed: float
    sighting: Sighting | None = None
    until: float = field(default=float("-inf"))
    pending: tuple[str, float] | None = None

    def now(self, true: float) -> float:
        return true * self.speed

    def look(self, lease: Shared, true: float) -> None:
        """Read, and decide; what is to be written is sent at a later step, or much later if the process freezes."""
        now = self.now(true)
        self.sighting = sight(self.sighting, lease.record, now)
        if next_move(self.sighting, self.name, now) is Move.STAND_BY:
            self.pending = None
        else:
            self.pending = (self.sighting.record.version if self.sighting else "", now)

    def send(self, lease: Shared, true: float) -> None:
        if self.pending is None:
            return
        version, sent = self.pending
        self.pending = None
        written = lease.write(self.name, version)
        if written is not None:
            self.sighting = Sighting(written, self.now(true))
            self.until = max(self.until, may_write_until(sent))

    def may_write(self, true: float) -> bool:
        return self.now(true) < self.until


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["look", "send"]), st.floats(0.0, 6.0)), max_size=120)


@settings(max_examples=400, deadline=None)
@given(STEPS, st.lists(st.floats(0.95, 1.05), min_size=3, max_size=3))
def test_never_do_two_lead_at_a_time(steps: list[tuple[int, str, float]], speeds: list[float]) -> None:
    lease, true = Shared(), 0.0
    candidates = [Candidate(name, speed) for name, speed in zip("abc", speeds, strict=True)]
    for who, what, later in steps:
        true += later
        getattr(candidates[who], what)(lease, true)
        leaders = [c.name for c in candidates if c.may_write(true)]
        assert len(leaders) <= 1, leaders
