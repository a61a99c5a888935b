"""The work queue: what workers may rely on, whatever the order of calls."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import uvloop
from hypothesis import given, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from omnixan_operator.queue import BASE_DELAY, EARLY, IN_A_ROW, JITTER, MAX_DELAY, Schedule, WorkQueue

KEYS = strategies.sampled_from("abc")
FLOWS = strategies.sampled_from((None, "x", "y"))


class Workers(RuleBasedStateMachine):
    """Adds, failures, time and workers in any order, against a model: which keys are owed a hand-out, and from when."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule: Schedule[str] = Schedule(jitter=lambda: 0.5)
        self.now = 0.0
        self.active: set[str] = set()
        self.owed: dict[str, float] = {}

    @rule(key=KEYS, flow=FLOWS)
    def add(self, key: str, flow: str | None) -> None:
        self.schedule.add(key, self.now, flow)
        self.owed[key] = min(self.owed.get(key, self.now), self.now)

    @rule(key=KEYS, delay=strategies.floats(0.01, 10), flow=FLOWS)
    def add_later(self, key: str, delay: float, flow: str | None) -> None:
        self.schedule.add_at(key, self.now + delay, flow)
        self.owed[key] = min(self.owed.get(key, self.now + delay), self.now + delay)

    @rule(key=KEYS)
    def fail(self, key: str) -> None:
        delay = self.schedule.add_after_failure(key, self.now)
        assert BASE_DELAY <= delay <= MAX_DELAY * (1 + JITTER)
        self.owed[key] = min(self.owed.get(key, self.now + delay), self.now + delay)

    @rule(seconds=strategies.floats(0, 20))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        free = {key for key, due in self.owed.items() if due <= self.now and key not in self.active}
        taken = self.schedule.take(self.now)
        if taken is None:
            assert not free, "a key that is due and in nobody's hands is handed out"
            return
        assert taken.key in free, "only keys that are owed, and to one worker at a time"
        assert taken.waited >= 0
        self.active.add(taken.key)
        del self.owed[taken.key]

    @precondition(lambda self: self.active)
    @rule(data=strategies.data())
    def done(self, data: strategies.DataObject) -> None:
        key = data.draw(strategies.sampled_from(sorted(self.active)))
        self.active.discard(key)
        self.schedule.done(key)

    @invariant()
    def what_waits_is_counted(self) -> None:
        assert len(self.schedule) <= len(self.owed)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        waiting = {key for key, due in self.owed.items() if due > self.now}
        due = self.schedule.next_due()
        if waiting and due is not None:
            assert due <= max(self.owed[key] for key in waiting)


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_delays_double_until_the_limit_and_start_anew_after_success() -> None:
    schedule: Schedule[str] = Schedule(jitter=lambda: 0.0)
    delays = [schedule.add_after_failure("a", 0.0) for _ in range(12)]
    assert delays[:4] == [0.2, 0.4, 0.8, 1.6] and delays[-1] == MAX_DELAY
    schedule.succeeded("a")
    assert schedule.add_after_failure("a", 0.0) == BASE_DELAY


def drained(schedule: Schedule[str], now: float = 0.0) -> list[str]:
    """All that is due, each done at once."""
    keys = []
    while (taken := schedule.take(now)) is not None:
        schedule.done(taken.key)
        keys.append(taken.key)
    return keys


def test_what_is_under_way_goes_first_but_for_one_turn_of_eight_and_flows_get_those_in_turn() -> None:
    schedule: Schedule[str] = Schedule()
    for number in range(4):
        schedule.add(f"many-{number}", 0.0, "many")
    schedule.add("few", 0.0, "few")
    for number in range(2 * IN_A_ROW):
        schedule.add(f"run-{number}", 0.0)
    runs = [f"run-{number}" for number in range(2 * IN_A_ROW)]
    assert drained(schedule) == [*runs[:IN_A_ROW], "many-0", *runs[IN_A_ROW:], "few", "many-1", "many-2", "many-3"]


@given(flows=strategies.lists(FLOWS, max_size=80))
def test_nobody_waits_longer_than_turns_allow(flows: list[str | None]) -> None:
    schedule: Schedule[str] = Schedule()
    of = {f"key-{number}": flow for number, flow in enumerate(flows)}
    for key, flow in of.items():
        schedule.add(key, 0.0, flow)
    left, order, row, last = Counter(flows), drained(schedule), 0, ""
    for flow in set(flows):
        assert [key for key in order if of[key] == flow] == [key for key in of if of[key] == flow], "in order within a flow"
    for flow in (of[key] for key in order):
        in_flows = {one for one in left if one is not None and left[one]}
        if flow is None:
            assert row < IN_A_ROW or not in_flows, "one of a flow after so many without one"
            row += 1
        else:
            assert row >= IN_A_ROW or not left[None], "what is under way goes first"
            assert flow != last or in_flows == {flow}, "flows in turn"
            row, last = 0, flow
        left[flow] -= 1
    assert not left.total()


def test_a_key_that_gets_pressing_leaves_its_flow_and_keeps_its_age() -> None:
    schedule: Schedule[str] = Schedule()
    for key in "abc":
        schedule.add(key, 0.0, "many")
    schedule.add("c", 5.0)
    schedule.add("c", 6.0, "many")
    first = schedule.take(6.0)
    assert first is not None and (first.key, first.waited) == ("c", 6.0) and len(schedule) == 2


def test_a_retry_that_is_due_is_not_lost_by_waiting_in_a_flow() -> None:
    for before in (True, False):
        schedule: Schedule[str] = Schedule()
        for number in range(3):
            schedule.add(f"new-{number}", 0.0, "many")
        if before:
            schedule.add_at("retried", 1.0)
        schedule.add("retried", 0.5, "many")
        if not before:
            schedule.add_at("retried", 1.0)
        first = schedule.take(1.0)
        assert first is not None and first.key == "retried"
        schedule.done("retried")
        assert drained(schedule, 9.0) == ["new-0", "new-1", "new-2"], "it comes once"


def test_what_is_taken_out_of_a_flow_early_does_not_come_again_when_it_would_have_been_due() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("retried", 0.0, "many")
    schedule.add_at("retried", 1.0)
    assert drained(schedule, 0.0) == ["retried"] and drained(schedule, 9.0) == []


def test_of_two_flows_a_key_waits_in_the_shorter_one() -> None:
    schedule: Schedule[str] = Schedule()
    for number in range(3):
        schedule.add(f"new-{number}", 0.0, "many")
    schedule.add("analysed", 0.0, "many")
    schedule.add("analysed", 1.0, "many, analysed")
    schedule.add("analysed", 2.0, "many")
    assert drained(schedule, 2.0) == ["new-0", "analysed", "new-1", "new-2"]


def test_a_key_comes_back_into_the_flow_it_was_taken_from_unless_it_has_got_pressing() -> None:
    schedule: Schedule[str] = Schedule(jitter=lambda: 0.0)
    for key in ("failed", "later", "woken"):
        schedule.add(key, 0.0, "many")
        assert schedule.take(0.0) is not None
    schedule.add_after_failure("failed", 0.0)
    schedule.add_at("later", 0.1)
    schedule.add("woken", 0.0, "many")
    schedule.add("woken", 0.0)
    for key in ("failed", "later", "woken"):
        schedule.done(key)
    schedule.add("new", 1.0, "many")
    schedule.add("run", 1.0)
    assert drained(schedule, 1.0) == ["woken", "run", "new", "later", "failed"]


def test_a_key_added_while_it_is_worked_on_comes_again_afterwards() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0.0)
    assert schedule.take(0.0) is not None
    schedule.add("a", 1.0)
    schedule.add("a", 2.0)
    assert schedule.take(3.0) is None
    schedule.done("a")
    again = schedule.take(3.0)
    assert again is not None and again.waited == 2.0
    schedule.done("a")
    assert schedule.take(9.0) is None and len(schedule) == 0


async def test_workers_wait_for_keys_and_end_when_the_queue_is_closed() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []
    both = asyncio.Event()

    async def worker() -> None:
        while (taken := await queue.take()) is not None:
            seen.append(taken.key)
            queue.done(taken.key)
            if len(seen) == 2:
                both.set()

    workers = [asyncio.create_task(worker()) for _ in range(3)]
    queue.add("later", 0.02)
    queue.add("now")
    await asyncio.wait_for(both.wait(), 60)
    assert seen == ["now", "later"]
    queue.close()
    await asyncio.wait_for(asyncio.gather(*workers), 60)


class _HastyLoop(asyncio.SelectorEventLoop):
    """Its clock stands still while callbacks run, and its timers ring a little before their time."""

    now = 0.0
    turns = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        return super().call_at(when - EARLY / 2, *args, **kwargs)

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0].when())
        self.turns += 1
        if self.turns > 60:
            raise AssertionError("workers are woken again and again and find nothing")
        super()._run_once()  # type: ignore[misc]


def test_a_timer_that_rings_too_soon_does_not_keep_workers_awake() -> None:
    loop, queue, seen = _HastyLoop(), WorkQueue[str](), list[str]()

    async def worker() -> None:
        while (taken := await queue.take()) is not None:
            seen.append(taken.key)
            queue.done(taken.key)
            if len(seen) == 5:
                queue.close()

    async def work() -> None:
        for number in range(5):
            queue.add(f"{number}", 1.0 + number)
        await asyncio.gather(*(worker() for _ in range(8)))

    try:
        loop.run_until_complete(work())
    finally:
        loop.close()
    assert seen == ["0", "1", "2", "3", "4"]


class _Stalling(Schedule[str]):
    """The process stands still for a moment between the look for a key and the setting of the alarm for the next."""

    def next_due(self) -> float | None:
        due = super().next_due()
        time.sleep(0.05)  # the fault: a busy machine, or a process that is stopped and goes on
        return due


def test_workers_outlive_a_standstill_on_the_loop_that_the_operator_runs_on() -> None:
    queue, seen = WorkQueue[str](_Stalling()), list[str]()

    async def worker() -> None:
        while (taken := await queue.take()) is not None:
            seen.append(taken.key)
            queue.done(taken.key)
            if len(seen) == 2:
                queue.close()

    async def work() -> None:
        queue.add("soon", 0.06)
        queue.add("later", 2.0)
        await asyncio.wait_for(asyncio.gather(*(worker() for _ in range(4))), 30)

    uvloop.run(work())
    assert seen == ["soon", "later"]


async def test_a_key_is_never_in_two_hands() -> None:
    queue: WorkQueue[str] = WorkQueue()
    hands = most = rounds = 0

    async def worker() -> None:
        nonlocal hands, most, rounds
        while (taken := await queue.take()) is not None:
            hands += 1
            most = max(most, hands)
            await asyncio.sleep(0)
            hands -= 1
            rounds += 1
            if rounds < 50:
                queue.add(taken.key)
            else:
                queue.close()
            queue.done(taken.key)

    queue.add("a")
    await asyncio.wait_for(asyncio.gather(*(worker() for _ in range(4))), 10)
    assert most == 1 and rounds >= 50


async def test_a_delayed_key_comes_while_the_worker_that_waited_for_it_is_busy_or_gone() -> None:
    queue: WorkQueue[str] = WorkQueue()
    release, seen = asyncio.Event(), []

    async def worker() -> None:
        while (taken := await queue.take()) is not None:
            seen.append(taken.key)
            if taken.key == "long":
                await release.wait()
            else:
                release.set()
            queue.done(taken.key)

    first = asyncio.create_task(worker())
    others = [asyncio.create_task(worker()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add("later", 0.05)
    queue.add("long")
    first.cancel()
    await asyncio.wait_for(release.wait(), 60)
    assert seen == ["long", "later"]
    queue.close()
    await asyncio.wait_for(asyncio.gather(*others), 60)
