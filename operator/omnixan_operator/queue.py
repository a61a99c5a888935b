"""A work queue as controllers need it: a key waits once, is in one worker's hands at a time, and comes back later.

A key may wait in a flow (the namespace of a new job): flows are served in turn, after what is under way. So ten thousand
new jobs of one tenant hold up neither the jobs that run nor the ten of another.

`Schedule` is the logic, without an event loop and with the clock as an argument; `WorkQueue` is the same for asyncio.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

BASE_DELAY = 0.2
MAX_DELAY = 60.0
JITTER = 0.2
"""A delay is lengthened by up to this share, so that keys that failed together do not come back together."""
IN_A_ROW = 7
"""Keys without a flow that are given out before one of a flow gets a turn. A job takes about eight such keys from its turn
to its end and two to four in a flow before: with equal turns jobs would end at a fraction of the rate at which they come."""
EARLY = 0.001
"""Seconds before it is due at which a key is given out: event loops round, so a timer may ring a little too soon. Who then
finds nothing and sets the next timer for the same moment would be woken at once, again and again, until the clock moves."""


@dataclass(frozen=True)
class Taken(Generic[K]):
    """A key that a worker got, and how long it had been due."""

    key: K
    waited: float


Flow = Hashable
"""What the keys have in common that wait for each other."""


class Schedule(Generic[K]):
    """Which key is worked on when. Invariants, whatever the order of calls:

    - a key is handed out to one worker at a time;
    - a key added at any time is handed out at least once afterwards;
    - a key that waits is not handed out twice, however often it was added;
    - of IN_A_ROW + 1 hand-outs in a row one goes to a flow, if one waits, and flows get theirs in turn; the others go to
      keys without a flow, if so many wait.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._pressing: OrderedDict[K, float] = OrderedDict()
        """Keys without a flow, and since when each is due."""
        self._flows: OrderedDict[Flow, OrderedDict[K, float]] = OrderedDict()
        """The same of each flow that has any; the flow whose turn is next comes first."""
        self._flow_of: dict[K, Flow] = {}
        """Of the keys that wait in one."""
        self._in_a_row = 0
        """Keys without a flow that were given out since the last one of a flow."""
        self._active: dict[K, Flow | None] = {}
        """Keys in a worker's hands, and the flow that each waited in."""
        self._again: dict[K, tuple[float, Flow | None]] = {}
        self._due: dict[K, tuple[float, Flow | None]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        """Keys that are due now and wait for a worker."""
        return len(self._pressing) + len(self._flow_of) + len(self._again)

    def add(self, key: K, now: float, flow: Flow | None = None) -> None:
        """`key` is due, in a flow or without one; without one counts more, and of two flows the shorter.

        A delayed addition of it is superseded, unless only that one is without a flow.
        """
        if flow is None or self._due.get(key, (now, flow))[1] is not None:
            self._due.pop(key, None)
        if key in self._active:
            since, before = self._again.get(key, (now, flow))
            self._again[key] = since, None if before is None else flow
        elif key in self._flow_of:
            if flow is None or len(self._flows.get(flow, ())) < len(self._flows[self._flow_of[key]]):
                self._wait(key, self._leave_flow(key), flow)
        elif key not in self._pressing:
            self._wait(key, now, flow)

    def add_at(self, key: K, due: float, flow: Flow | None = None) -> None:
        """`key` is due at `due`; of several such times the earliest counts, and a key that is due already stays so.

        A key that its worker wants to have again comes back into the flow it was taken from.
        """
        flow = flow if flow is not None else self._active.get(key)
        if key in self._pressing or (flow is not None and key in self._flow_of):
            return
        if key in self._again and (flow is not None or self._again[key][1] is None):
            return
        if key in self._due and self._due[key][0] <= due:
            return
        self._due[key] = due, flow
        self._order += 1
        heapq.heappush(self._heap, (due, self._order, key))

    def add_after_failure(self, key: K, now: float) -> float:
        """`key` failed: it is due after a delay that doubles with every failure in a row. Returns the delay."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = float(min(BASE_DELAY * 2 ** min(failures - 1, 32), MAX_DELAY)) * (1 + JITTER * self._jitter())
        self.add_at(key, now + delay)
        return delay

    def succeeded(self, key: K) -> None:
        """`key` went well: its next failure counts as the first."""
        self._failures.pop(key, None)

    def take(self, now: float) -> Taken[K] | None:
        """The key whose turn it is, of those that are due and in nobody's hands, or None."""
        self._promote(now)
        if self._flows and (self._in_a_row >= IN_A_ROW or not self._pressing):
            flow = next(iter(self._flows))
            key = next(iter(self._flows[flow]))
            since = self._leave_flow(key)
            if flow in self._flows:
                self._flows.move_to_end(flow)
            self._due.pop(key, None)
            self._active[key] = flow
            self._in_a_row = 0
        elif self._pressing:
            key, since = self._pressing.popitem(last=False)
            self._active[key] = None
            self._in_a_row += 1
        else:
            return None
        return Taken(key, max(0.0, now - since))

    def done(self, key: K) -> None:
        """The worker that took `key` is through with it."""
        self._active.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None:
            self._wait(key, *again)

    def next_due(self) -> float | None:
        """When the next delayed key is due; None if none waits."""
        while self._heap and self._due.get(self._heap[0][2], (None,))[0] != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _wait(self, key: K, since: float, flow: Flow | None) -> None:
        if flow is None:
            self._pressing[key] = since
        else:
            self._flows.setdefault(flow, OrderedDict())[key] = since
            self._flow_of[key] = flow

    def _leave_flow(self, key: K) -> float:
        """Take a key out of its flow; since when it was due."""
        flow = self._flow_of.pop(key)
        since = self._flows[flow].pop(key)
        if not self._flows[flow]:
            del self._flows[flow]
        return since

    def _promote(self, now: float) -> None:
        while (due := self.next_due()) is not None and due <= now:
            key = heapq.heappop(self._heap)[2]
            self.add(key, *self._due[key])


class WorkQueue(Generic[K]):
    """`Schedule` on the event loop's clock, with workers that wait for keys."""

    def __init__(self, schedule: Schedule[K] | None = None) -> None:
        self._schedule: Schedule[K] = schedule if schedule is not None else Schedule()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._alarm: tuple[float, asyncio.Handle] | None = None
        """When it rings, as the next delayed key is due then; there is none while no worker waits.

        The moment is kept beside the handle: uvloop's has none if it was past already, as after a moment's standstill.
        """
        self._closed = False

    def __len__(self) -> int:
        return len(self._schedule)

    def add(self, key: K, after: float = 0.0, flow: Flow | None = None) -> None:
        """`key` is due now, or in `after` seconds; with a flow it waits behind what is in that already."""
        now = asyncio.get_running_loop().time()
        if after > 0:
            self._schedule.add_at(key, now + after, flow)
        else:
            self._schedule.add(key, now, flow)
        self._wake_one()

    def failed(self, key: K) -> float:
        """`key` failed: it comes back after a growing delay, which is returned."""
        delay = self._schedule.add_after_failure(key, asyncio.get_running_loop().time())
        self._wake_one()
        return delay

    def succeeded(self, key: K) -> None:
        """`key` went well."""
        self._schedule.succeeded(key)

    def done(self, key: K) -> None:
        """The worker that got `key` is through with it; must follow every `take`."""
        self._schedule.done(key)
        self._wake_one()

    async def take(self) -> Taken[K] | None:
        """The next key that is due, as soon as there is one; None once the queue is closed."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            taken = self._schedule.take(loop.time() + EARLY)
            if taken is not None:
                self._wake_one()  # for the next key, or to set the alarm for the next delayed one
                return taken
            await self._woken(loop)
        return None

    @property
    def closed(self) -> bool:
        """Whether no key is given out any more."""
        return self._closed

    def close(self) -> None:
        """Let every waiting worker end."""
        self._closed = True
        if self._alarm is not None:
            self._alarm[1].cancel()
        while self._waiters:
            self._wake_one()

    def _wake_one(self) -> None:
        """One worker has a look; if it finds a key, it wakes the next. All of them at once would mostly find nothing."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _woken(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until there may be something to do, or until the next delayed key is due."""
        waiter = loop.create_future()
        self._waiters.append(waiter)
        self._set_alarm(loop)
        try:
            await waiter
        except asyncio.CancelledError:
            self._wake_one()  # the call may have been for this one
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = self._schedule.next_due()
        if self._alarm is not None and (due is None or due < self._alarm[0]):
            self._alarm[1].cancel()
            self._alarm = None
        if due is not None and self._alarm is None:
            self._alarm = due, loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._wake_one()
