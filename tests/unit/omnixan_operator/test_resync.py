"""When the store is compared with the API server."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from omnixan_operator import kinds, resync
from omnixan_operator.apiserver import ApiServer, Known, TransientError
from omnixan_operator.feed import Feed
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Kind
from omnixan_operator.metrics import Metrics
from omnixan_operator.queue import WorkQueue
from omnixan_operator.resync import Resync
from omnixan_operator.store import Store
from tests.unit.omnixan_operator.operator_makers import job_object


class Lists:
    """An API server that answers no list at first, then empty ones."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Kind] = asyncio.Queue()
        self.away = True

    async def list_known(self, kind: Kind) -> tuple[list[Known], int]:
        self.asked.put_nowait(kind)
        if self.away:
            self.away = False
            raise TransientError("away")
        return [], 100

    async def next(self) -> Kind:
        return await asyncio.wait_for(self.asked.get(), 10)


def listed(resync: Resync, *but: Kind) -> None:
    for kind in kinds.WATCHED:
        if kind not in but:
            resync.listed(kind)


async def test_a_new_list_of_kopf_leads_to_a_comparison(monkeypatch: Any) -> None:
    monkeypatch.setattr(resync, "SETTLE", 0.01)
    store, queue = Store(), WorkQueue[Key]()
    feed, lists = Feed(store, queue, time.monotonic), Lists()
    store.put(kinds.QUANTUM_JOB, job_object())
    feed.started = True
    feed.lead()
    while len(queue):
        taken = await queue.take()
        assert taken is not None
        queue.done(taken.key)
    compared = Resync(cast(ApiServer, lists), store, feed, Metrics())
    listed(compared)
    running = asyncio.create_task(compared.run())
    await asyncio.sleep(0)
    for _ in range(2):  # the first is not answered: that ends nothing
        compared.listed(kinds.QUANTUM_JOB)
        assert await lists.next() is kinds.QUANTUM_JOB
    taken = await asyncio.wait_for(queue.take(), 10)
    assert taken is not None and taken.key == Key("QuantumJob", "omnixan", "bell")
    assert store.count(kinds.QUANTUM_JOB) == 0 and lists.asked.empty() and not running.done()
    running.cancel()


async def test_without_a_reason_every_kind_is_compared_now_and_then(monkeypatch: Any) -> None:
    monkeypatch.setattr(resync, "PERIOD", 0.02)
    store, lists = Store(), Lists()
    feed = Feed(store, WorkQueue[Key](), time.monotonic)
    compared = Resync(cast(ApiServer, lists), store, feed, Metrics())
    listed(compared)
    running = asyncio.create_task(compared.run())
    seen = set[Kind]()
    while seen != set(kinds.WATCHED):
        seen.add(await lists.next())
    running.cancel()


async def test_nothing_is_reconciled_before_every_kind_has_been_listed() -> None:
    store, queue = Store(), WorkQueue[Key]()
    feed = Feed(store, queue, time.monotonic)
    feed.lead()
    feed.put(kinds.QUANTUM_JOB, job_object("early"))
    resync_ = Resync(cast(ApiServer, Lists()), store, feed, Metrics())
    waiting = asyncio.create_task(resync_.wait_until_complete())
    listed(resync_, kinds.NODE)
    resync_.listed(kinds.QUANTUM_JOB)  # once more: that stands for no other kind
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not feed.started and not waiting.done() and len(queue) == 0
    feed.put(kinds.QUANTUM_JOB, job_object("late"))
    resync_.listed(kinds.NODE)
    await asyncio.wait_for(waiting, 10)
    assert feed.started and len(queue) == 3  # claims and two jobs


async def test_a_kind_that_was_listed_twice_before_the_rest_is_compared(monkeypatch: Any) -> None:
    monkeypatch.setattr(resync, "SETTLE", 0.01)
    lists, store = Lists(), Store()
    compared = Resync(cast(ApiServer, lists), store, Feed(store, WorkQueue[Key](), time.monotonic), Metrics())
    compared.listed(kinds.QUANTUM_RUN)
    listed(compared)
    running = asyncio.create_task(compared.run())
    assert await lists.next() is kinds.QUANTUM_RUN
    running.cancel()
