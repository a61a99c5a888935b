"""Whose turn it is: fairness between tenants, order within one, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from omnixan_operator.decide.dispatch import Line, Waiting
from omnixan_operator.decide.placement import Need

SMALL, WIDE = Need(2), Need(20)


def entry(key: str, tenant: str = "a", priority: int = 0, second: int = 0, need: Need = SMALL) -> Waiting[str]:
    created = f"2026-11-24T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return Waiting(key, tenant, priority, created, key, need)


def anything(need: Need) -> bool:
    return True


def drain(line: Line[str], places: int, fits: Callable[[Need], bool] = anything) -> list[Waiting[str]]:
    """Give out so many places while no run ends."""
    runs: Counter[str] = Counter()
    out = []
    for _ in range(places):
        chosen = line.first(lambda tenant: runs[tenant], fits)
        if chosen is None:
            break
        line.leave(chosen.key)
        runs[chosen.tenant] += 1
        out.append(chosen)
    return out


def test_within_a_tenant_priority_comes_first_then_age() -> None:
    line: Line[str] = Line()
    for one in (
        entry("young", second=9),
        entry("old", second=1),
        entry("low", priority=-1),
        entry("high", priority=5, second=10),
    ):
        line.enter(one)
    assert [one.key for one in drain(line, 9)] == ["high", "old", "young", "low"]


def test_priorities_of_one_tenant_mean_nothing_to_another() -> None:
    line: Line[str] = Line()
    for number in range(4):
        line.enter(entry(f"a{number}", "a", priority=1000, second=number))
        line.enter(entry(f"b{number}", "b", priority=-1000, second=number))
    assert [one.tenant for one in drain(line, 8)] == ["a", "b"] * 4


def test_ten_thousand_jobs_do_not_starve_ten() -> None:
    line: Line[str] = Line()
    for number in range(10_000):
        line.enter(entry(f"many{number}", "many", second=number % 3600))
    for number in range(10):
        line.enter(entry(f"few{number}", "few", second=5000))
    assert Counter(one.tenant for one in drain(line, 20)) == {"many": 10, "few": 10}


def test_jobs_that_fit_no_node_hold_up_nobody() -> None:
    line: Line[str] = Line()
    asked: list[Need] = []

    def fits(need: Need) -> bool:
        asked.append(need)
        return need is SMALL

    for number in range(10_000):
        line.enter(entry(f"wide{number}", need=WIDE, priority=9))
    line.enter(entry("small", second=100))
    line.enter(entry("other", "b", second=200, need=WIDE))
    chosen = line.first(lambda tenant: 0, fits)
    assert chosen is not None and chosen.key == "small"
    assert asked == [WIDE, SMALL], "each need is looked at once, however many jobs have it"


def test_a_job_that_got_its_turn_counts_before_its_run_is_there() -> None:
    line: Line[str] = Line()
    line.enter(entry("a", "a", second=0))
    line.enter(entry("b", "b", second=1))
    line.go("a")
    chosen = line.first(lambda tenant: 0, anything)
    assert chosen is not None and chosen.key == "b"
    line.gone("a")
    chosen = line.first(lambda tenant: 0, anything)
    assert chosen is not None and chosen.key == "a"


def test_a_job_may_change_its_priority_while_it_waits() -> None:
    line: Line[str] = Line()
    line.enter(entry("x", second=1))
    line.enter(entry("y", second=2))
    line.enter(entry("y", second=2, priority=1))
    assert len(line) == 2
    assert [one.key for one in drain(line, 9)] == ["y", "x"] and len(line) == 0


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 60))
def test_places_are_shared_fairly(waiting: list[int], places: int) -> None:
    line: Line[str] = Line()
    for tenant, count in enumerate(waiting):
        for number in range(count):
            line.enter(entry(f"{tenant}-{number}", str(tenant), second=number))
    got = Counter(one.tenant for one in drain(line, places))
    assert sum(got.values()) == min(places, sum(waiting))
    for tenant, count in enumerate(waiting):
        fewest = got[str(tenant)]
        if fewest < count:  # who still waits has no less than anybody else, but for one
            assert all(got[str(other)] <= fewest + 1 for other in range(len(waiting)))


class AgainstAList(RuleBasedStateMachine):
    """The line chooses what a scan of a plain list would choose, whatever enters, leaves, changes and runs."""

    def __init__(self) -> None:
        super().__init__()
        self.line: Line[str] = Line()
        self.plain: dict[str, Waiting[str]] = {}
        self.runs: Counter[str] = Counter()

    @rule(
        key=st.sampled_from("pqrstuv"), tenant=st.sampled_from("ab"), priority=st.integers(-1, 1), second=st.integers(0, 3)
    )
    def enter(self, key: str, tenant: str, priority: int, second: int) -> None:
        one = entry(key + tenant, tenant, priority, second, WIDE if key in "pq" else SMALL)
        self.line.enter(one)
        self.plain[one.key] = one

    @rule(key=st.sampled_from("pqrstuv"), tenant=st.sampled_from("ab"))
    def leave(self, key: str, tenant: str) -> None:
        assert self.line.leave(key + tenant) == (self.plain.pop(key + tenant, None) is not None)

    @rule(tenant=st.sampled_from("ab"))
    def a_run_ends(self, tenant: str) -> None:
        self.runs[tenant] = max(0, self.runs[tenant] - 1)

    @rule(wide=st.booleans())
    def dispatch(self, wide: bool) -> None:
        def fits(need: Need) -> bool:
            return wide or need is SMALL

        heads: dict[str, Waiting[str]] = {}
        for one in self.plain.values():
            if fits(one.need) and (one.tenant not in heads or one.rank < heads[one.tenant].rank):
                heads[one.tenant] = one
        expected = min(heads.values(), key=lambda one: (self.runs[one.tenant], one.created, one.tenant), default=None)
        chosen = self.line.first(lambda tenant: self.runs[tenant], fits)
        assert chosen == expected
        if chosen is not None:
            self.line.leave(chosen.key)
            del self.plain[chosen.key]
            self.runs[chosen.tenant] += 1

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.line) == len(self.plain)


AgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_the_line_chooses_as_a_scan_would = AgainstAList.TestCase
