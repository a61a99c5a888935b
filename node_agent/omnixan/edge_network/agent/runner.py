"""The job runner: takes this node's runs one after another, has them executed, hands their results to the outbox."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from omnixan.edge_network.agent import outcome
from omnixan.edge_network.agent.apiserver import RUNS, ApiServer, RefusedError, UnreachableError
from omnixan.edge_network.agent.backoff import Backoff
from omnixan.edge_network.agent.engine import Engine
from omnixan.edge_network.agent.informer import follow
from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.outbox import Outbox
from omnixan.edge_network.agent.outcome import Status, Times
from omnixan.edge_network.agent.queue import RunQueue, Waiting
from omnixan.edge_network.agent.settings import Settings
from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumrun import QuantumRun
from omnixan.edge_network.quantum.errors import ProgramError

FIRST_REPORT_SECONDS = 0.2
"""A run that ends sooner is written once, with its result."""
REPORT_SECONDS = 1.0
"""Progress is written at most this often."""

log = logging.getLogger(__name__)


@dataclass
class _Current:
    """The run that is being executed."""

    waiting: Waiting
    times: Times
    progress: dict[str, Any] | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[Status | None] | None = None


class Runner:
    """Executes the runs of one node; `run()` until `stop()`."""

    def __init__(self, api: ApiServer, settings: Settings, engine: Engine, metrics: Metrics) -> None:
        self._api = api
        self._settings = settings
        self._engine = engine
        self._metrics = metrics
        self._queue = RunQueue()
        self._outbox = Outbox(api, settings.namespace)
        self._current: _Current | None = None
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self.synced = asyncio.Event()
        """Set once the node's runs are known."""

    async def run(self) -> None:
        """Watch, execute, send; for ever, or until `stop()` has ended its part."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._outbox.run())
            group.create_task(self._work())

    async def stop(self, grace_seconds: float) -> None:
        """Begin no further run, give the current one and the unsent results `grace_seconds`, then give up on them.

        A run that is given up stays unfinished on the API server and is executed again by the next agent, with the
        same seed and so the same result.
        """
        self._stopping.set()
        self._arrived.set()
        try:
            async with asyncio.timeout(grace_seconds):
                if self._current is not None and self._current.task is not None:
                    await asyncio.wait([self._current.task])
                await asyncio.sleep(0)
                await self._outbox.empty()
        except TimeoutError:
            log.warning("not all runs ended within %.0f s; they will be executed again", grace_seconds)
        if self._current is not None and self._current.task is not None:
            self._current.task.cancel()

    async def _watch(self) -> None:
        selector = f"spec.nodeName={self._settings.node_name},status.state!=Succeeded,status.state!=Failed"
        async for change in follow(self._api, RUNS, self._settings.namespace, selector):
            if change.type == "SYNC":
                self.synced.set()
            elif change.type == "DELETED":
                await self._gone(change.object["metadata"]["uid"])
            else:
                self._queue.put(change.object)
                self._arrived.set()
            self._metrics.queue_length.set(len(self._queue))

    async def _gone(self, uid: str) -> None:
        """A run was deleted, or has left our selection because it is over."""
        self._queue.gone(uid)
        await self._outbox.drop(uid)
        current = self._current
        if current is not None and current.waiting.uid == uid and current.task is not None:
            log.info("run %s was deleted while it ran", current.waiting.name)
            current.task.cancel()

    async def _work(self) -> None:
        while not self._stopping.is_set():
            await self._engine.warm()
            await self._outbox.room()
            waiting = self._queue.take()
            self._metrics.queue_length.set(len(self._queue))
            if waiting is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._one(waiting)

    async def _one(self, waiting: Waiting) -> None:
        current = self._current = _Current(waiting, Times(time.time()))
        task = current.task = asyncio.create_task(self._execute(current))
        reporter = asyncio.create_task(self._report(current))
        try:
            await asyncio.wait([task])
            if not task.cancelled() and (status := task.result()) is not None:
                self._count(status, current.times)
                await self._outbox.put(waiting.name, waiting.uid, status)
                self._metrics.unsent.set(len(self._outbox))
        finally:
            self._current = None
            reporter.cancel()
            task.cancel()

    async def _execute(self, current: _Current) -> Status | None:
        """Return the final status of a run, or None if it does not exist any more."""
        waiting, times = current.waiting, current.times
        item = waiting.object or await self._fetch(waiting)
        if item is None:
            return None
        try:
            run = QuantumRun.model_validate(item)
        except ValidationError as error:
            times.completion = time.time()
            message = f"this agent cannot read the run's spec; is it older than the operator? {error}"
            return outcome.failed(times, Category.CAPABILITY_MISMATCH, "UnknownSpec", message)

        def first_shot(moment: float) -> None:
            times.first_shot = moment
            self._metrics.first_shot_seconds.observe(max(0.0, moment - times.start))
            current.news.set()

        def progress(news: dict[str, Any]) -> None:
            current.progress = news
            current.news.set()

        limit = run.spec.execution.timeout_seconds
        try:
            async with asyncio.timeout(limit):
                answer = await self._engine.execute(run.spec, progress, first_shot)
            times.completion = time.time()
            return outcome.succeeded(times, answer.result, answer.usage)
        except TimeoutError:
            times.completion = time.time()
            return outcome.timed_out(times, limit)
        except ProgramError as error:
            times.completion = time.time()
            return outcome.failed(times, error.category, error.reason, error.message, error.line)

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
        while True:
            current.news.clear()
            status = outcome.running(current.times, current.progress)
            try:
                await self._api.replace_status(
                    RUNS, self._settings.namespace, current.waiting.name, current.waiting.uid, status
                )
            except (RefusedError, UnreachableError) as error:
                log.warning("run %s: its progress could not be written: %s", current.waiting.name, error)
                current.news.set()
            await asyncio.sleep(REPORT_SECONDS)
            await current.news.wait()

    def _count(self, status: Status, times: Times) -> None:
        category = (status.get("error") or {}).get("category", "")
        self._metrics.runs.labels(status["state"], category).inc()
        if times.completion is not None:
            self._metrics.run_seconds.observe(max(0.0, times.completion - times.start))
