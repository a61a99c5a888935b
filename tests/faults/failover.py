"""A calm story in which nothing but the leader is lost, again and again, while a hundred jobs run and arrive.

One fault at a time, always at the Lease's holder: it is killed, frozen for a minute or cut off for a minute, each once in a
round whose order is drawn. The next comes when both replicas are whole again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.faults.cluster import TENANTS
from tests.faults.episode import Episode, Report, Story
from tests.faults.settled import unsettled
from tests.faults.takeovers import Takeovers

WAYS = ("killed", "frozen", "cut off")
AWAY = 60.0
"""Seconds for which a leader is frozen or cut off."""
LONGEST = 360.0
"""Seconds that a quarter of the runs take: some are under way at every loss."""
STEPS = 40
"""Steps of the loop within which a leader is lost after jobs have arrived: a little more than it is busy with them."""
RESTS = (0.0, 0.0, 100.0)
"""Seconds for which all is whole before the next loss, and a few more: who takes over has stood by for long, or not."""
WHOLE_AGAIN = 180.0
"""Seconds from the end of a loss (and from the start of the story) until all is whole, at most."""
WHOLE = "both replicas are whole again"
FAILOVER = Story(actions=0, jobs=100, deaths=0, replicas=2, calm=True, losses=6)


class Failover(Episode):
    """See the module."""

    def __init__(self, seed: int, story: Story = FAILOVER, *, trace: bool = False) -> None:
        super().__init__(seed, story, trace=trace)
        self.people.jobs = 0  # they submit nothing: some of theirs are paused
        self.people.rivals = False  # with two EdgeClusters for the same nodes one waits until peace
        self.takeovers = Takeovers(self.cluster, self.invariants)
        self._submitted = 0
        self._fault_step = 0
        self._way = ""
        self._asking: asyncio.Task[None] | None = None

    def play(self) -> Report:
        """As any episode, with the takeovers in the report."""
        report = super().play()
        report.takeovers = self.takeovers.plain()
        report.deaths = sum(one["way"] == "killed" for one in report.takeovers)
        return report

    async def _trouble(self) -> None:
        self.weather.calm = True
        self.agents.longest = LONGEST
        await self._until(lambda: not unsettled(self.cluster), "everything comes to its end")
        self._submit(self.story.jobs // 2)
        ways: list[str] = []
        for left in range(self.story.losses, 0, -1):
            ways = ways or self.fate.sample(WAYS, len(WAYS))
            await self._until(self._is_whole, WHOLE)
            rest = self.fate.choice(RESTS)
            await asyncio.sleep(rest + self.fate.uniform(1.0, 9.0))  # anywhere between two renewals
            await self._lose(ways.pop(), (self.story.jobs - self._submitted) // left)
        await self._until(self._is_whole, WHOLE)

    async def _lose(self, way: str, jobs: int) -> None:
        """Jobs arrive, and the leader is lost at some step of the loop, which is at some await of what it does about them.

        The others arrive while nobody leads, so that there is work for the next leader, and later.
        """
        self._submit(jobs // 2)
        self._way, self._fault_step = way, self.loop.steps + 1 + self.fate.randrange(STEPS)
        while self._way:  # noqa: ASYNC110 (time is virtual)
            await asyncio.sleep(0.1)
        for number in range(jobs - jobs // 2):
            await asyncio.sleep(self.fate.uniform(0.0, 15.0) if number else self.fate.uniform(0.0, 10.0))
            self._submit(1)

    def _submit(self, jobs: int) -> None:
        for _ in range(jobs):
            self._submitted += 1
            name, namespace, qubits = f"job-{self._submitted}", self.rng.choice(TENANTS), self.rng.choice((1, 2, 8))
            code, answer = self.cluster.job(name, "ec", namespace, qubits, priority=self.rng.choice((0, 0, 5)))
            assert code == 201, answer

    async def _until(self, holds: Callable[[], Awaitable[bool] | bool], what: str) -> None:
        end = self.loop.now + WHOLE_AGAIN
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            if self.loop.now > end:
                self.invariants.violated(what, f"not within {WHOLE_AGAIN:g} s; {sorted(self.operators.running)} run")
                await asyncio.Event().wait()  # a story ends at its first violation
            await asyncio.sleep(0.5)

    async def _is_whole(self) -> bool:
        """Whether as many run as should, none of them a leader that was lost, one leads, and all say that they are ready."""
        running, lost = self.operators.running, {one.lost for one in self.takeovers.all}
        if len(running) != self.replicas or lost & set(running) or self.takeovers.holder() not in running:
            return False
        return all([await self.operators.ready(name) for name in sorted(running)])

    def _on_step(self) -> None:
        super()._on_step()
        if not self._way or self.loop.steps < self._fault_step:
            return
        way, self._way = self._way, ""
        victim = self.takeovers.holder()
        self.takeovers.lost(way)
        self.people.log.append((self.loop.now, f"{victim} is {way}"))
        if way == "killed":
            self.operators.kill(victim)
            self._replace(self.fate.choice((0.5, 3.0)))
        else:
            (self.operators.freeze if way == "frozen" else self.network.cut)(victim)
            self.loop.call_later(AWAY, self._back, victim)

    def _back(self, name: str) -> None:
        super()._back(name)
        self.takeovers.back(name)
        self._asking = self.loop.create_task(self._ask(name))

    async def _ask(self, name: str) -> None:
        """At the very moment at which it is back, before it can have read the Lease."""
        self.takeovers.says(name, await self.operators.believes_to_lead(name))

    async def _peace(self) -> None:
        await super()._peace()
        self.takeovers.judge_jobs(self._submitted)


def episode(seed: int, story: Story, *, trace: bool = False) -> Episode:
    """The episode of a seed: of a story in which leaders are lost, or of any other."""
    return (Failover if story.losses else Episode)(seed, story, trace=trace)
