"""When the store is compared with the API server."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from omnixan_operator import kinds, resync
from omnixan_operator.apiserver import ApiServer, TransientError
from omnixan_operator.feed import Feed
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.queue import WorkQueue
from omnixan_operator.resync import Resync
from omnixan_operator.store import Store
from tests.unit.omnixan_operator.operator_makers import job_object


class Lists:
    """An API server that answers lists: at first not at all, then empty."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Kind] = asyncio.Queue()
        self.away = True

    async def list_metadata(self, kind: Kind) -> tuple[list[Object], int]:
        self.asked.put_nowait(kind)
        if self.away:
            self.away = False
            raise TransientError("away")
        return [], 100

    async def next(self) -> Kind:
        return await asyncio.wait_for(self.asked.get(), 10)


async def test_a_new_list_of_kopf_leads_to_a_comparison(monkeypatch: Any) -> None:
    monkeypatch.setattr(resync, "SETTLE", 0.01)
    store, queue = Store(), WorkQueue[Key]()
    feed, lists = Feed(store, queue, time.monotonic), Lists()
    store.put(kinds.QUANTUM_JOB, job_object())
    feed.started = True
    compared = Resync(cast(ApiServer, lists), store, feed, Metrics())
    running = asyncio.create_task(compared.run())
    await asyncio.sleep(0)
    for _ in range(2):  # the first is not answered: that ends nothing
        compared.listed_again(kinds.QUANTUM_JOB)
        assert await lists.next() is kinds.QUANTUM_JOB
    taken = await asyncio.wait_for(queue.take(), 10)
    assert taken is not None and taken.key == Key("QuantumJob", "omnixan", "bell")
    assert store.count(kinds.QUANTUM_JOB) == 0 and lists.asked.empty() and not running.done()
    running.cancel()


async def test_without_a_reason_every_kind_is_compared_now_and_then(monkeypatch: Any) -> None:
    monkeypatch.setattr(resync, "PERIOD", 0.02)
    store, lists = Store(), Lists()
    feed = Feed(store, WorkQueue[Key](), time.monotonic)
    running = asyncio.create_task(Resync(cast(ApiServer, lists), store, feed, Metrics()).run())
    seen = set[Kind]()
    while seen != set(kinds.WATCHED):
        seen.add(await lists.next())
    running.cancel()
