"""One seed, one story: people act, the weather is bad, operators die; then peace, and everything must come to its end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import random
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.actors import controllers
from tests.faults.actors.agents import Agents
from tests.faults.actors.people import People
from tests.faults.apiserver.resources import Object
from tests.faults.cluster import Cluster
from tests.faults.invariants import Invariants, Violation, is_operator
from tests.faults.operators import Operators, surroundings
from tests.faults.settled import unsettled
from tests.faults.virtualtime import StuckError, VirtualLoop
from tests.faults.weather import Climate, Weather
from tests.faults.wire import MemoryNetwork

SETTLES_WITHIN = 900.0
"""Virtual seconds from peace to convergence: the longest is the comparison of all objects, every 600 s."""
QUIET = 90.0
"""Virtual seconds in which, after convergence, nothing may be written."""
QUIET_REQUESTS = 60
"""Requests of one operator within that time, watches and Leases apart."""
MOST_SETTLING_STEPS = 60_000


@dataclass(frozen=True)
class Story:
    """How long and how hard an episode is."""

    actions: int = 25
    """What people do."""
    jobs: int = 8
    nodes: int = 4
    deaths: int = 2
    """Operators that are killed, stopped, frozen or cut off, at most."""
    replicas: int | None = None
    """Operators; None: one or two, as the seed says."""
    calm: bool = False
    """Whether nothing goes wrong on the wire."""
    outage: float = 0.0
    """Seconds in which the API server answers 500 to everything."""
    losses: int = 0
    """Leaders that are lost one after the other, each when all is whole again: another kind of story, see failover.py."""


@dataclass
class Report:
    """What came of an episode."""

    seed: int
    violations: list[Violation] = field(default_factory=list)
    digest: str = ""
    """Of all writes in their order: equal for equal seeds."""
    steps: int = 0
    requests: int = 0
    virtual_seconds: float = 0.0
    jobs: dict[str, int] = field(default_factory=dict)
    deaths: int = 0
    crashes: list[str] = field(default_factory=list)
    takeovers: list[dict[str, Any]] = field(default_factory=list)
    """Losses of leaders and what came after each, in a story of them (takeovers.py)."""

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: replay it with `python -m tests.faults --seed {self.seed} --trace`",
            *map(str, self.violations),
        ]
        what = f"{self.steps} steps, {self.virtual_seconds:.0f} virtual seconds, jobs {self.jobs}, {self.deaths} deaths"
        return "\n".join([*lines, f"{what}, crashes {self.crashes[:3]}, digest {self.digest}"])


LAST_ANSWERS = 75.0
"""Virtual seconds in which requests that the storm swallowed time out (kopf's after 60) and are sent again."""
COLLECT_EVERY = 100
"""Steps between two looks for garbage."""


class Episode:
    """Builds the world of one seed and plays it."""

    def __init__(self, seed: int, story: Story | None = None, *, trace: bool = False) -> None:
        self.story = story or Story()
        self.seed = seed
        self.rng = random.Random(f"people {seed}")
        self.fate = random.Random(f"fate {seed}")
        self.loop = VirtualLoop()
        self.cluster = Cluster(self.loop, self.rng)
        weather_rng = random.Random(f"weather {seed}")
        self.weather = Weather(seed, Climate.draw(weather_rng))
        self.network = MemoryNetwork(self.loop, self.cluster.api, self.weather)
        self.network.analyze = analyze
        self.loop.network = self.network
        self.operators = Operators(self.loop, self.network)
        self.agents = Agents(self.cluster)
        self.invariants = Invariants(self.cluster, self.network, self.agents)
        self.operators.on_start = self.invariants.started
        self.people = People(self.cluster, self.agents, self.story.nodes, self.story.jobs)
        self.replicas = self.story.replicas or self.rng.choice((1, 2))
        if self.rng.random() < 0.5:
            self.cluster.only_the_leader_writes()
        self.deaths = 0
        self.next_death = 0
        self.trace = trace
        self.report = Report(seed)

    def play(self) -> Report:
        """The whole story; never raises for what the operator does wrong."""
        errors = _Errors(self.invariants)
        log = logging.getLogger("omnixan_operator")
        log.addHandler(errors)
        quiet = _Quiet()
        # What is garbage is found at the same step in every replay: finalizers and weak references end timers and tasks.
        gc.collect()
        gc.disable()
        with tempfile.TemporaryDirectory() as directory, surroundings(self.loop, Path(directory), self.seed), quiet:
            asyncio.set_event_loop(self.loop)
            self.loop.on_step = self._on_step
            try:
                self.loop.run_until_complete(self._until_violated())
            except StuckError as error:
                self.invariants.violated("no hot loop", str(error))
            finally:
                log.removeHandler(errors)
                self.loop.on_step = None
                with contextlib.suppress(StuckError):
                    self.loop.run_until_complete(self.operators.bury())
                asyncio.set_event_loop(None)
                self.loop.close()
                gc.enable()
        self._finish()
        return self.report

    def _finish(self) -> None:
        report = self.report
        report.violations = self.invariants.violations
        report.digest = self.invariants.digest.hexdigest()[:16]
        report.steps = self.invariants.steps
        report.virtual_seconds = self.loop.now
        report.deaths = self.deaths
        report.crashes = self.operators.crashes
        phases = (job.get("status", {}).get("phase", "None") for job in self.cluster.api.all("QuantumJob"))
        report.jobs = dict(Counter(phases))

    # The story.

    async def _until_violated(self) -> None:
        """The story, to its end or to the first violation: what follows from that tells nothing new."""
        story, mine = asyncio.create_task(self._story()), contextvars.copy_context()

        def end() -> None:
            self.invariants.on_violation = lambda: None
            self.loop.call_soon(story.cancel, context=mine)  # not in the context of an operator, which may be frozen

        self.invariants.on_violation = end
        with contextlib.suppress(asyncio.CancelledError):
            await story

    async def _story(self) -> None:
        actors = [
            asyncio.create_task(self.agents.run()),
            asyncio.create_task(controllers.collect_garbage(self.cluster)),
            asyncio.create_task(controllers.count_daemon_sets(self.cluster)),
        ]
        try:
            self.people.found()
            for _ in range(self.replicas):
                self.operators.start()
            await self._trouble()
            await self._peace()
        finally:
            for actor in actors:
                actor.cancel()
            await asyncio.gather(*actors, return_exceptions=True)

    async def _trouble(self) -> None:
        self.weather.calm = self.story.calm
        self.agents.failing = self.rng.choice((0.0, 0.2, 0.5))
        self.agents.longest = self.rng.choice((6.0, 6.0, 30.0))
        self._draw_death()
        if self.story.outage:
            start = self.rng.uniform(5.0, 40.0)
            self.weather.outages.append((start, start + self.story.outage))
        for _ in range(self.story.actions):
            await asyncio.sleep(self.rng.choice((0.05, 0.5, 2.0, 8.0)))
            self.people.act()
            self._jump()
        while self.weather.out(self.loop.now):  # noqa: ASYNC110 (time is virtual)
            await asyncio.sleep(5.0)

    def _jump(self) -> None:
        """The wall clock jumps; the history is compacted."""
        if self.story.calm:
            return
        if self.fate.random() < 0.05:
            self.loop.skew += self.fate.choice((-3600.0, -30.0, 30.0, 3600.0))
        if self.fate.random() < 0.05:
            self.cluster.api.compact()

    async def _peace(self) -> None:
        self.next_death = 0
        self.people.make_peace()
        await asyncio.sleep(self.rng.choice((0.0, 5.0, 20.0)))  # what they wish last meets the weather, too
        self.weather.calm = True
        for client in list(self.operators.running):
            self.network.heal(client)
            self.operators.thaw(client)
        while len(self.operators.running) < self.replicas:
            self.operators.start()
        end, first = self.loop.now + SETTLES_WITHIN, self.invariants.steps
        while left := unsettled(self.cluster):
            if self.loop.now > end or self.invariants.steps - first > MOST_SETTLING_STEPS:
                self.invariants.violated("everything comes to its end", "; ".join(left[:4]))
                return
            await asyncio.sleep(5.0)
        await self._quiet()

    async def _quiet(self) -> None:
        """Nothing happens: nothing may be written, and next to nothing asked."""
        await asyncio.sleep(LAST_ANSWERS)
        writes, requests, start = len(self.invariants.writes), len(self.network.requests), self.cluster.api.version
        await asyncio.sleep(QUIET)
        for time, client, method, path in self.invariants.writes[writes:][:3]:
            self.invariants.violated("silence when settled", f"{client} wrote {method} {path} at {time:.1f} s")
        asked: Counter[str] = Counter(
            client
            for _, client, request in self.network.requests[requests:]
            if is_operator(client) and not request.watches and "/leases/" not in request.path
        )
        for client, count in asked.items():
            if count > QUIET_REQUESTS:
                what = f"{client} sent {count} requests in {QUIET:g} s with nothing to do (version {start})"
                self.invariants.violated("no hot loop", what)
        if left := unsettled(self.cluster):
            self.invariants.violated("everything comes to its end", "unsettled again: " + "; ".join(left[:3]))

    # How operators die: at a step of the loop, which is at one of their awaits.

    def _draw_death(self) -> None:
        if self.deaths < self.story.deaths:
            self.next_death = self.loop.steps + self.fate.choice((30, 150, 400, 1200)) + self.fate.randrange(200)

    def _on_step(self) -> None:
        if self.loop.steps % COLLECT_EVERY == 0:
            gc.collect(0 if self.loop.steps % (10 * COLLECT_EVERY) else 2)
        if not self.next_death or self.loop.steps < self.next_death:
            return
        self.next_death = 0
        victims = sorted(name for name in self.operators.running if not self.loop.frozen(name))
        if not victims:
            return
        self.deaths += 1
        victim, how = self.fate.choice(victims), self.fate.choice(("kill", "kill", "stop", "freeze", "cut"))
        self.people.log.append((self.loop.now, f"{how} {victim}"))
        if how == "kill":
            self.operators.kill(victim)
            self.loop.call_soon(self._replace, self.fate.choice((0.5, 3.0)))
        elif how == "stop":
            self.operators.stop(victim)
            self.loop.call_soon(self._replace, 0.1)
        else:
            seconds = self.fate.choice((3.0, 20.0, 60.0))
            (self.operators.freeze if how == "freeze" else self.network.cut)(victim)
            self.loop.call_later(seconds, self._back, victim)
        self._draw_death()

    def _replace(self, after: float) -> None:
        self.loop.call_later(after, self.operators.start)

    def _back(self, name: str) -> None:
        self.operators.thaw(name)
        self.network.heal(name)


def analyze(question: Object) -> Object:
    """The program analyzer: the width is what the program declares."""
    width = int(re.findall(r"qubit\[(\d+)\]", question["data"])[0])
    return {"analysis": {"qubits": width, "depth": 2, "gates": {}, "twoQubitGates": 0}}


class _Errors(logging.Handler):
    """An exception that a reconciler did not foresee is a violation."""

    def __init__(self, invariants: Invariants) -> None:
        super().__init__(logging.ERROR)
        self._invariants = invariants

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            self._invariants.violated("no unforeseen error", f"{record.getMessage()}: {type(error).__name__}: {error}")


class _Quiet(contextlib.AbstractContextManager[None]):
    """Nothing of what is logged is shown, unless somebody listens."""

    def __enter__(self) -> None:
        self._loggers = [logging.getLogger(name) for name in ("kopf", "asyncio", "omnixan_operator")]
        self._before = [(logger.level, logger.propagate) for logger in self._loggers]
        if not logging.getLogger().handlers or not logging.getLogger("tests.faults").isEnabledFor(logging.DEBUG):
            for logger in self._loggers:
                logger.propagate = False
            self._null = logging.NullHandler()
            for logger in self._loggers:
                logger.addHandler(self._null)
                logger.setLevel(logging.ERROR if logger.name == "omnixan_operator" else logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        for logger, (level, propagate) in zip(self._loggers, self._before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate
