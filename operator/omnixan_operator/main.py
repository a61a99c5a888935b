"""The operator's process: one event loop with kopf as informer, workers, the resync, events and an HTTP endpoint."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import time
from datetime import UTC, datetime
from typing import Any, cast

import kopf
import uvloop

from omnixan_operator import logs, watch
from omnixan_operator.analysis import Analyzer
from omnixan_operator.apiserver import ApiError, ApiServer, load_configuration
from omnixan_operator.confinement import Confinement
from omnixan_operator.controller import work
from omnixan_operator.decide.election import DURATION
from omnixan_operator.election import Elector, LeadershipLostError, identity
from omnixan_operator.events import Recorder
from omnixan_operator.feed import Feed
from omnixan_operator.http import Endpoint
from omnixan_operator.keys import RECONCILED, Key
from omnixan_operator.kinds import EDGE_CLUSTER, Kind
from omnixan_operator.metrics import Metrics
from omnixan_operator.queue import WorkQueue
from omnixan_operator.reconcile.context import Context
from omnixan_operator.resync import Resync
from omnixan_operator.settings import Settings, SettingsError, from_environment
from omnixan_operator.store import Store
from omnixan_operator.triggers import analysed

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 10.0
HANGS = 4 * DURATION
GARBAGE = (20_000, 20, 50)
"""Thresholds of the garbage collector: JSON makes many objects and no cycles, and a collection walks over all of them."""


class PartDiedError(RuntimeError):
    """A part that should run for ever ended."""


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raises if a part dies, so that the process is started anew."""
    stop = asyncio.Event()
    _listen_to_signals(stop)
    metrics, store = Metrics(), Store()
    queue: WorkQueue[Key] = WorkQueue()
    feed = Feed(store, queue, time.monotonic)
    configuration = await load_configuration()
    ballot = ApiServer(configuration, metrics)
    elector = Elector(ballot, settings.namespace, identity(settings.pod_name), metrics, fit=lambda: feed.started)
    api = ApiServer(configuration, metrics, elector.may_write)
    analyzer = Analyzer(settings.analyzer_socket, lambda key: queue.add(*analysed(key)), metrics, time.monotonic)
    recorder = Recorder(api, metrics, settings.pod_name, time.monotonic)
    resync = Resync(api, store, feed, metrics)
    ctx = Context(settings, store, feed, queue, api, analyzer, recorder, metrics, lambda: datetime.now(UTC), time.monotonic)
    ctx.may_write = elector.may_write
    ctx.confinement = Confinement(settings.confinement)
    endpoint = Endpoint(
        metrics,
        store,
        queue.__len__,
        ready=lambda: "" if feed.started else "the initial listing is not done",
        hangs=lambda: "" if elector.stuck_for() < HANGS else "the election does not turn",
    )
    await endpoint.start(settings.metrics_host, settings.metrics_port)
    logger.info("listening on port %d", endpoint.port)
    workers = [asyncio.create_task(work(ctx), name=f"worker {i}") for i in range(settings.workers)]
    background = [
        asyncio.create_task(recorder.run(), name="events"),
        asyncio.create_task(resync.run(), name="resync"),
        asyncio.create_task(elector.run(), name="election"),
        asyncio.create_task(_lead(elector, resync, feed), name="lead"),
        asyncio.create_task(ctx.confinement.run(api, lambda: feed.again(EDGE_CLUSTER)), name="confinement"),
    ]
    informer = asyncio.create_task(_inform(api, feed, resync, settings.pod_name, stop), name="kopf")
    try:
        await _until_stopped([*workers, *background, informer], stop)
    finally:
        stop.set()
        queue.close()
        await _end(workers, SHUTDOWN_SECONDS)
        await _end(background, 0.0)
        await elector.release()
        await _end([informer], SHUTDOWN_SECONDS)
        await analyzer.close()
        await endpoint.stop()
        await api.close()
        await ballot.close()


async def _lead(elector: Elector, resync: Resync, feed: Feed) -> None:
    """Work from the moment on at which this process leads and knows all that the one before it did."""
    await elector.leading.wait()
    await resync.catch_up()
    gc.collect()
    gc.freeze()  # what is in the store by now stays: no full collection walks over it again
    feed.lead()
    await asyncio.Event().wait()


async def _inform(api: ApiServer, feed: Feed, resync: Resync, identity: str, stop: asyncio.Event) -> None:
    """kopf, once the API server serves our kinds: kopf would not look for them again."""
    for kind in RECONCILED:
        while not await _served(api, kind):
            if await _stopped_within(stop, 2.0):
                return
    others = asyncio.all_tasks()
    settings = watch.operator_settings()
    tasks = await kopf.spawn_tasks(
        registry=watch.registry(),
        settings=settings,
        clusterwide=True,
        stop_flag=stop,
        # Without it kopf asks for the user's name, and the user of the container has none.
        identity=cast(Any, identity),
    )
    _listen_to_signals(stop)
    following = asyncio.create_task(watch.follow(feed, resync, settings), name="watches")
    await kopf.run_tasks([*tasks, following], ignored=others)
    if not stop.is_set():
        raise PartDiedError("kopf ended by itself")


async def _served(api: ApiServer, kind: Kind) -> bool:
    try:
        served = await api.served(kind)
    except ApiError as error:
        logger.warning("waiting for the API server: %s", error)
        return False
    if not served:
        logger.warning("waiting for the CustomResourceDefinition of %s", kind.plural)
    return served


async def _stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


def _listen_to_signals(stop: asyncio.Event) -> None:
    """Also after kopf has set handlers of its own: ours end the workers first."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _until_stopped(tasks: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
    waiter = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait([*tasks, waiter], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()
    for task in done:
        if task is waiter or stop.is_set():
            continue
        error = task.exception() if not task.cancelled() else None
        if isinstance(error, LeadershipLostError):
            raise error
        raise PartDiedError(f"{task.get_name()} died") from error


async def _end(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Let tasks end by themselves for a while, then cancel them."""
    _, pending = await asyncio.wait(tasks, timeout=seconds)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> int:
    """Entry point of the container; the exit status is 0 only after a signal to stop."""
    gc.set_threshold(*GARBAGE)
    try:
        settings = from_environment()
    except SettingsError as error:
        sys.stderr.write(f"omnixan-operator: {error}\n")
        return 2
    logs.configure(settings.log_level)
    try:
        uvloop.run(run(settings))
    except LeadershipLostError as error:
        logger.error("%s; this one ends, to stand by when it is started again", error)
        return 1
    except Exception:
        logger.exception("the operator ends")
        return 1
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
