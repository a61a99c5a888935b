"""How kopf is used: as an informer that writes nothing, and of a cluster's many objects watches ours only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import kopf
import pytest
from kopf._cogs.clients import watching

from omnixan_operator import watch
from omnixan_operator.apiserver import ApiServer
from omnixan_operator.feed import Feed
from omnixan_operator.keys import Key
from omnixan_operator.kinds import CONFIG_MAP, DAEMON_SET, LEASE, QUANTUM_JOB, ROLE_BINDING, SERVICE_ACCOUNT, WATCHED
from omnixan_operator.metrics import Metrics
from omnixan_operator.queue import WorkQueue
from omnixan_operator.resync import Resync
from omnixan_operator.store import Store
from omnixan_operator.watch import follow, operator_settings, registry
from tests.unit.omnixan_operator.operator_makers import job_object, meta


def test_kopf_has_no_handler_that_would_write_to_objects() -> None:
    made: Any = registry()
    for kind in (made._changing, made._spawning, made._webhooks, made._indexing, made._watching):
        assert not list(kind.get_all_handlers())
    assert len(list(made._activities.get_all_handlers())) == 1, "the login"


def test_the_global_registry_stays_empty() -> None:
    default: Any = kopf.get_default_registry()
    before = len(list(default._activities.get_all_handlers()))
    registry()
    assert len(list(default._activities.get_all_handlers())) == before


def test_kinds_that_others_use_too_are_watched_by_label() -> None:
    assert LEASE.selector == "edge.omnixan.io/heartbeat=true"
    for kind in (CONFIG_MAP, DAEMON_SET, ROLE_BINDING, SERVICE_ACCOUNT):
        assert kind.selector == "app.kubernetes.io/managed-by=omnixan-operator"
    settings = operator_settings()
    selected = {kind.plural for kind in WATCHED if kind.selector}
    assert len(settings.watching.label_selectors) == len(selected)


def test_kopf_posts_nothing_and_scans_nothing() -> None:
    settings = operator_settings()
    assert not settings.posting.enabled and settings.scanning.disabled and settings.peering.standalone


class Streams:
    """What kopf's watches give: for each kind its events, then it waits; an error among them is raised."""

    def __init__(self, events: dict[str, list[list[Any]]]) -> None:
        self._events = events
        self.begun: list[str] = []

    async def watch(self, *, resource: kopf.Resource, **_: Any) -> AsyncIterator[Any]:
        self.begun.append(resource.plural)
        for event in (self._events.get(resource.plural) or [[watching.Bookmark.LISTED]]).pop(0):
            if isinstance(event, Exception):
                raise event
            yield event
        await asyncio.Event().wait()


async def following(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Feed, asyncio.Task[None]]:
    monkeypatch.setattr(watching, "infinite_watch", streams.watch)
    monkeypatch.setattr(watch, "AGAIN", 0.01)
    store = Store()
    feed = Feed(store, WorkQueue[Key](), time.monotonic)
    resync = Resync(cast(ApiServer, None), store, feed, Metrics())
    task = asyncio.create_task(follow(feed, resync, operator_settings()))
    await asyncio.wait_for(resync.wait_until_complete(), 10)
    return store, feed, task


async def test_what_kopf_lists_and_watches_comes_into_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = {name: job_object(name) for name in ("kept", "deleted", "added")}
    listed: list[Any] = [{"type": None, "object": jobs["kept"]}, {"type": None, "object": jobs["deleted"]}]
    gone = job_object("deleted", metadata=meta("deleted", version=5))
    watched = [{"type": "DELETED", "object": gone}, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}]
    added = {"type": "ADDED", "object": jobs["added"]}
    streams = Streams({"quantumjobs": [[*listed, *watched, added, watching.Bookmark.LISTED]]})
    store, feed, task = await following(streams, monkeypatch)
    assert feed.started and {place[1] for place in store.places(QUANTUM_JOB)} == {"kept", "added"}
    assert sorted(streams.begun) == sorted(kind.plural for kind in WATCHED)
    task.cancel()


async def test_work_waits_for_a_list_that_failed_and_its_kind_is_listed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"type": None, "object": job_object("first")}
    second = {"type": None, "object": job_object("second")}
    expired = [first, kopf.PermanentError("the list expired")]
    streams = Streams({"quantumjobs": [expired, [first, second, watching.Bookmark.LISTED]]})
    store, _, task = await following(streams, monkeypatch)
    assert store.count(QUANTUM_JOB) == 2 and streams.begun.count("quantumjobs") == 2 and not task.done()
    task.cancel()
