"""A run's moments differ by the seconds that went by, whatever is done to the time of day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.agent.outcome import Record, timed_out
from omnixan.edge_network.agent.run_clock import RunClock

DAY = 1_796_000_000.0


class Clocks:
    """A time of day that can be set, and a steady clock that cannot."""

    def __init__(self) -> None:
        self.time_of_day, self.steady = DAY, 5_000.0

    def pass_by(self, seconds: float, set_by: float = 0.0) -> None:
        self.steady += seconds
        self.time_of_day += seconds + set_by

    def begin(self) -> RunClock:
        return RunClock(lambda: self.time_of_day, lambda: self.steady)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-5000, 5000))))
def test_moments_differ_by_what_went_by_however_the_time_of_day_is_set(steps):
    clocks = Clocks()
    clock = clocks.begin()
    assert clock.start == clock.now() == DAY
    for seconds, set_by in steps:
        before, begun = clock.now(), clocks.steady
        clocks.pass_by(seconds, set_by)
        assert clock.now() >= before
        assert abs((clock.now() - before) - (clocks.steady - begun)) < 1e-5
        assert clock.at(begun) == before


def test_a_run_that_was_stopped_by_its_limit_took_its_limit_also_where_the_time_of_day_was_set_back():
    clocks = Clocks()
    clock = clocks.begin()
    clocks.pass_by(4.0, set_by=-30.0)
    status = timed_out(Record(clock.start, completion=clock.now()), 4)
    start, end = (float(status[name][17:-1]) for name in ("startTime", "completionTime"))
    assert (end - start) % 60 == 4


def test_a_moment_of_another_process_is_told_by_the_clock_that_all_share():
    clocks = Clocks()
    clocks.pass_by(3.0)
    clock = clocks.begin()
    clocks.pass_by(2.0, set_by=60.0)
    first_shot = clocks.steady
    clocks.pass_by(1.0)
    assert clock.at(first_shot) == clock.start + 2.0 < clock.now()
