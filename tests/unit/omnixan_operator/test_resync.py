"""When the store is compared with the API server."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from omnixan_operator import kinds, resync
from omnixan_operator.apiserver import ApiServer, Known, NotFoundError, TransientError
from omnixan_operator.feed import Feed
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.queue import WorkQueue
from omnixan_operator.resync import Resync
from omnixan_operator.store import Store, name_of, namespace_of, uid_of, version_of
from tests.unit.omnixan_operator.operator_makers import job_object, meta


class Lists:
    """An API server that answers lists: the first with what there was at the start, another not at all, then empty."""

    def __init__(self, at_start: dict[Kind, list[Object]] | None = None) -> None:
        self.at_start = at_start or {}
        self.live: dict[str, Object] = {}
        self.asked: asyncio.Queue[Kind] = asyncio.Queue()
        self.away = True
        self._begun = set[Kind]()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        if name not in self.live:
            raise NotFoundError("gone", 404)
        return self.live[name]

    async def list_known(self, kind: Kind) -> tuple[list[Known], int]:
        if kind not in self._begun:
            self._begun.add(kind)
            objects = self.at_start.get(kind, [])
            return [Known(namespace_of(o), name_of(o), uid_of(o), version_of(o)) for o in objects], 50
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
    feed.lead()
    while len(queue):
        taken = await queue.take()
        assert taken is not None
        queue.done(taken.key)
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


async def test_nothing_is_reconciled_before_all_that_existed_at_the_start_has_come_in(monkeypatch: Any) -> None:
    monkeypatch.setattr(resync, "IMPATIENT", float("inf"))
    monkeypatch.setattr(resync, "POLL", 0.01)
    names = ("early", "late", "deleted", "recreated")
    jobs = {name: job_object(name) for name in names}
    lists = Lists({kinds.QUANTUM_JOB: list(jobs.values())})
    lists.live = {"recreated": job_object("recreated", metadata=meta("recreated", uid="another", version=60))}
    store, queue = Store(), WorkQueue[Key]()
    feed = Feed(store, queue, time.monotonic)
    feed.lead()
    feed.put(kinds.QUANTUM_JOB, jobs["early"])
    waiting = asyncio.create_task(Resync(cast(ApiServer, lists), store, feed, Metrics()).wait_until_complete())
    await asyncio.sleep(0.05)
    assert not feed.started and not waiting.done() and len(queue) == 0
    feed.put(kinds.QUANTUM_JOB, jobs["late"])
    monkeypatch.setattr(resync, "IMPATIENT", 0.0)  # what is still missing is asked for
    await asyncio.wait_for(waiting, 30)
    assert feed.started and len(queue) == 4  # claims and three jobs
    assert store.get(kinds.QUANTUM_JOB, "omnixan", "deleted") is None
    found = store.get(kinds.QUANTUM_JOB, "omnixan", "recreated")
    assert found is not None and found["metadata"]["uid"] == "another"
