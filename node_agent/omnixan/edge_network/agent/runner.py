"""The job runner: takes this node's runs one after another, has them executed, hands their results to the outbox."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from omnixan.edge_network.agent import outcome
from omnixan.edge_network.agent.apiserver import RUNS, ApiServer, RefusedError, UnreachableError
from omnixan.edge_network.agent.backoff import Backoff
from omnixan.edge_network.agent.engine import Engine
from omnixan.edge_network.agent.informer import follow
from omnixan.edge_network.agent.journal import Journal
from omnixan.edge_network.agent.memory import Memory
from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.outbox import Outbox
from omnixan.edge_network.agent.outcome import Record, Status
from omnixan.edge_network.agent.queue import RunQueue, Waiting
from omnixan.edge_network.agent.run_clock import RunClock
from omnixan.edge_network.agent.settings import Settings
from omnixan.edge_network.agent.statekeeper import StateKeeper
from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumrun import QuantumRun
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.training_log import Resumed

FIRST_REPORT_SECONDS = 0.2
"""A run that ends sooner is written once, with its result."""
REPORT_SECONDS = 1.0
"""Progress is written at most this often."""
EARLY = 0.001
"""Seconds by which an event loop may ring a timer too soon: uvloop counts from the beginning of the present millisecond."""
AWAY_SECONDS = 3.0
"""An API server that has not answered for so long is away: runs that an earlier agent left are begun without it."""

log = logging.getLogger(__name__)


@dataclass
class _Current:
    """The run that is being executed."""

    waiting: Waiting
    clock: RunClock
    record: Record
    progress: dict[str, Any] | None = None
    journal: Journal | StateKeeper | None = None
    wasted: int = 0
    """Shots that are known to have run before, and are run again now."""
    gone: bool = False
    """Whether it was deleted, or ended otherwise."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[Status | None] | None = None


class Runner:
    """Executes the runs of one node: `run()` for ever, `stop()` to end in order."""

    def __init__(
        self,
        api: ApiServer,
        settings: Settings,
        engine: Engine,
        metrics: Metrics,
        memory: Memory,
        on_dropped: Callable[[str], None],
    ) -> None:
        """`on_dropped` is told, in words, of a run that begins anew although there is a log of it."""
        self._api = api
        self._settings = settings
        self._engine = engine
        self._metrics = metrics
        self._memory = memory
        self._on_dropped = on_dropped
        self._queue = RunQueue()
        self._outbox = Outbox(api, settings.namespace, memory)
        self._current: _Current | None = None
        self._arrived = asyncio.Event()
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.synced = asyncio.Event()
        """Set once the API server has told the node's runs."""
        self.restored = False
        """Whether an earlier agent's runs or results were found."""
        metrics.queue_length.set_function(lambda: len(self._queue))
        metrics.unsent_results.set_function(lambda: len(self._outbox))

    async def restore(self) -> None:
        """Take up what an earlier agent left in the memory; at any time, as it may be opened late.

        Once the API server has told the node's runs, results of others have no place any more.
        """
        letters, runs = await self._memory.letters(), await self._memory.runs()
        synced, known = self.synced.is_set(), self._queue.known
        for letter in letters:
            if letter.uid in known or not synced:
                self._queue.finished(letter.uid)
                await self._outbox.restore(letter)
        for run in runs if not synced else ():
            self._queue.restore(run.object, begun=run.begun, restarts=run.restarts)
        if synced:
            await self._memory.sweep(lambda: self._queue.known)
        self.restored = self.restored or bool(letters or runs)

    async def run(self) -> None:
        """Watch, execute, send; for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._outbox.run())
            group.create_task(self._work())

    async def stop(self, grace_seconds: float) -> None:
        """Begin no further run, give the current one and the unsent results `grace_seconds`, then give up on them.

        A run that is given up stays unfinished on the API server and is executed again by the next agent, with the
        same seed and so the same result.
        """
        self._stopping = True
        try:
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()
                await self._outbox.empty()
        except TimeoutError:
            log.warning("not all runs ended within %.0f s; they will be executed again", grace_seconds)
            self._cancel_current()

    async def _watch(self) -> None:
        # A run that is over leaves the selection: however many are kept, they are neither listed nor watched here.
        selector = f"spec.nodeName={self._settings.node_name},status.state!=Succeeded,status.state!=Failed"
        listed: set[str] = set()
        async for change in follow(self._api, RUNS, self._settings.namespace, selector):
            if change.type == "SYNC":
                if not self.synced.is_set():
                    await self._only(listed)
                self.synced.set()
                self._arrived.set()
            elif change.type == "DELETED":
                listed.discard(change.object["metadata"]["uid"])
                await self._gone(change.object["metadata"]["uid"])
            else:
                uid = change.object["metadata"]["uid"]
                if not self.synced.is_set():
                    listed.add(uid)
                if uid not in self._queue.known and self._current is not None:
                    self._memory.put_run(change.object, begun=False, restarts=0)  # it waits, perhaps for long
                self._queue.put(change.object, inherited=not self.synced.is_set())
                self._arrived.set()

    async def _only(self, listed: set[str]) -> None:
        """The API server has told all unfinished runs: what else an earlier agent left is over or deleted."""
        for uid in self._queue.known - listed:
            await self._gone(uid)
        await self._memory.sweep(lambda: self._queue.known)

    async def _gone(self, uid: str) -> None:
        """A run was deleted, or has left our selection because it is over."""
        self._queue.gone(uid)
        await self._outbox.drop(uid)
        if self._current is not None and self._current.waiting.uid == uid:
            log.info("run %s is gone while it runs", self._current.waiting.name)
            self._current.gone = True
            self._cancel_current()
        else:
            self._memory.forget_run(uid)

    def _cancel_current(self) -> None:
        if self._current is not None and self._current.task is not None:
            self._current.task.cancel()

    async def _work(self) -> None:
        with contextlib.suppress(TimeoutError):
            # The oldest first, of all there are; if nobody tells, those that an earlier agent left.
            async with asyncio.timeout(AWAY_SECONDS if self.restored else None):
                await self.synced.wait()
        while True:
            await self._engine.warm()
            await self._outbox.room()
            waiting = None if self._stopping else self._queue.take()
            if waiting is None:
                self._arrived.clear()
                await self._arrived.wait()
            else:
                await self._one(waiting)

    async def _one(self, waiting: Waiting) -> None:
        """Execute one run and hand over how it ended."""
        self._idle.clear()
        clock = RunClock()
        current = self._current = _Current(waiting, clock, Record(clock.start, restarts=waiting.restarts))
        task = current.task = asyncio.create_task(self._execute(current))
        reporter = asyncio.create_task(self._report(current))
        try:
            await asyncio.wait([task])
            if not task.cancelled() and (status := task.result()) is not None:
                self._count(status, current.record)
                await self._outbox.put(waiting.name, waiting.uid, status)
        finally:
            reporter.cancel()
            task.cancel()
            if current.journal is not None:
                await current.journal.close()
            if current.gone or (task.done() and not task.cancelled()):
                self._memory.forget_run(waiting.uid)  # else it was given up, for the next agent
            self._current = None
            self._idle.set()

    async def _execute(self, current: _Current) -> Status | None:
        """Return the final status of a run, or None if it does not exist any more."""
        waiting, record = current.waiting, current.record
        item = waiting.object or await self._fetch(waiting)
        if item is None:
            return None
        logged, before = await self._memory.logged(waiting.uid) if waiting.inherited else (0, 0)
        if waiting.restarts > outcome.MAX_RESTARTS and logged <= before:
            return outcome.given_up(record)  # a loop that comes further each time is not the reason
        usage = (item.get("status") or {}).get("usage") or {}
        record.shots = current.wasted = int(usage.get("shots", 0)) if waiting.inherited else 0
        if waiting.inherited:
            # Written before it begins: if the agent ends because of it, the next one shall know.
            if not await self._memory.put_run(item, begun=True, restarts=waiting.restarts, logged=logged):
                await self._write(current)
            current.clock = RunClock()
            record.start = current.clock.start
        status: Status
        try:
            run = QuantumRun.model_validate(item)
        except ValidationError as error:
            message = f"this agent cannot read the run's spec; is it older than the operator? {error}"
            status = outcome.failed(record, Category.CAPABILITY_MISMATCH, "UnknownSpec", message)
        else:
            self._prepare_next()
            status = await self._ended(run, current)
        return status

    async def _ended(self, run: QuantumRun, current: _Current) -> Status:
        """Execute a run and return its final status, whatever happens."""
        record, clock = current.record, current.clock

        def first_shot(steady: float) -> None:
            record.first_shot = clock.at(steady)
            self._metrics.first_shot_seconds.observe(record.first_shot - record.start)
            current.news.set()

        def progress(news: dict[str, Any], shots: int) -> None:
            current.progress = news
            record.shots = current.wasted + shots
            current.news.set()

        def resumed(found: Resumed) -> None:
            assert current.journal is not None
            current.wasted = current.journal.wasted
            record.shots = current.wasted + found.shots
            record.resumed_from = found.evaluations or None
            loop = run.spec.algorithm is not None
            if loop:
                self._metrics.resumed_iterations.inc(found.evaluations)
            current.news.set()
            job = run.spec.job_ref
            if found.evaluations:
                unit = "evaluations" if loop else "steps of its circuit"
                log.info("run %s goes on after %d %s", run.metadata.name, found.evaluations, unit)
            elif found.problem:
                what, kept = ("loop", "log") if loop else ("circuit", "state")
                who = f"the {what} of QuantumJob {job.namespace}/{job.name}"
                self._on_dropped(f"{who} begins anew: its {kept} was dropped, {found.problem}")

        limit = run.spec.execution.timeout_seconds
        try:
            async with asyncio.timeout(limit + EARLY):
                uid, checkpoint = current.waiting.uid, run.spec.checkpoint
                if run.spec.algorithm is not None:
                    current.journal = await self._memory.journal(uid, checkpoint, record.shots, resumed)
                elif checkpoint is not None and checkpoint.statevector:
                    current.journal = await self._memory.circuit_state(uid, checkpoint, resumed)
                answer = await self._engine.execute(run.spec, progress, first_shot, current.journal)
            record.completion = clock.now()
            usage = answer.usage | {"shots": answer.usage["shots"] + current.wasted}
            return outcome.succeeded(record, answer.result, usage)
        except TimeoutError:
            record.completion = clock.now()
            return outcome.timed_out(record, limit)
        except ProgramError as error:
            record.completion = clock.now()
            return outcome.failed(record, error.category, error.reason, error.message, error.line)
        except Exception as error:  # a mistake of ours must not take the other runs with it
            log.exception("run %s", run.metadata.name)
            record.completion = clock.now()
            return outcome.failed(record, Category.BACKEND_ERROR, "AgentError", f"the agent failed: {error!r}")

    def _prepare_next(self) -> None:
        """Have the next run's program parsed while this one runs."""
        following = self._queue.peek()
        if following is None or following.object is None:
            return
        inline = ((following.object.get("spec") or {}).get("program") or {}).get("inline") or {}
        if isinstance(text := inline.get("data"), str):
            self._engine.prepare(text)

    async def _fetch(self, waiting: Waiting) -> dict[str, Any] | None:
        """Read a run whose object was not kept; None if it is gone."""
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                item = await self._api.get(RUNS, self._settings.namespace, waiting.name)
                return item if item["metadata"]["uid"] == waiting.uid else None
            except UnreachableError as error:
                problem: Exception = error
            except RefusedError as error:
                if error.status == 404:
                    return None
                problem = error
            delay = backoff.next()
            log.warning("run %s cannot be read: %s; again in %.1f s", waiting.name, problem, delay)
            await asyncio.sleep(delay)

    async def _report(self, current: _Current) -> None:
        """Write that the run is running, and its progress; what fails here comes again or comes with the result."""
        await asyncio.sleep(FIRST_REPORT_SECONDS)
        if current.waiting.object is not None and not current.waiting.inherited:
            self._memory.put_run(current.waiting.object, begun=True, restarts=current.waiting.restarts)
        while current.record.completion is None:  # how it ended is on its way already
            current.news.clear()
            if not await self._write(current):
                current.news.set()
            await asyncio.sleep(REPORT_SECONDS)
            await current.news.wait()

    async def _write(self, current: _Current) -> bool:
        """Write that a run is running; return whether that went well."""
        waiting = current.waiting
        status = outcome.running(current.record, current.progress)
        try:
            await self._api.replace_status(RUNS, self._settings.namespace, waiting.name, waiting.uid, status)
        except (RefusedError, UnreachableError) as error:
            log.warning("run %s: its progress could not be written: %s", waiting.name, error)
            return False
        return True

    def _count(self, status: Status, record: Record) -> None:
        category = (status.get("error") or {}).get("category", "")
        self._metrics.runs.labels(status["state"], category).inc()
        if record.completion is not None:
            self._metrics.run_seconds.observe(max(0.0, record.completion - record.start))
