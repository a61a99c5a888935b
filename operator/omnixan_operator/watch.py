"""kopf as informer: it lists, watches, reconnects and authenticates; what it sees goes into the feed.

One event handler a kind and nothing else: no create, update or delete handlers, no timers, no finalizers, so kopf
writes nothing to any object. No index functions either: while kopf lists, each of them makes every object wait for all
others, and each arrival wakes all that wait; 850 objects took 10 s. When all is listed is found out by `resync`.
"""

from __future__ import annotations

from typing import Any

import kopf

from omnixan.edge_network.api.meta import GROUP, MANAGED_BY
from omnixan_operator.credentials import Login
from omnixan_operator.feed import Feed
from omnixan_operator.forgetful import NoDiffBase
from omnixan_operator.kinds import WATCHED, Kind
from omnixan_operator.resync import Resync


def operator_settings() -> kopf.OperatorSettings:
    """kopf's settings, where its defaults do not fit."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # we post our own Events
    settings.posting.reporting_component = MANAGED_BY
    settings.peering.standalone = True
    settings.scanning.disabled = True  # the kinds are fixed: no watch on CRDs, no right to it
    settings.persistence.finalizer = f"{GROUP}/finalizer"  # never set: there are no handlers that need one
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = 90  # the API server sends a bookmark a minute
    settings.watching.reconnect_backoff = 1.0
    settings.watching.chunk_size = 100  # results may have half a megabyte each
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.queueing.worker_limit = None  # a limit would hold a slot for `idle_timeout` per object
    settings.queueing.idle_timeout = 0.1  # meanwhile each object's last event is kept
    settings.queueing.error_delays = [1, 2, 5, 10, 30, 60]
    settings.process.ultimate_exiting_timeout = 20
    for kind in WATCHED:
        if kind.selector:
            settings.watching.label_selectors[(kind.group, kind.version, kind.plural)] = kind.selector
    return settings


def registry(feed: Feed, resync: Resync) -> kopf.OperatorRegistry:
    """kopf's handlers, in a registry of their own."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers, id="login")(Login().login)
    for kind in WATCHED:
        _watch(handlers, kind, feed, resync)
    return handlers


def _watch(handlers: kopf.OperatorRegistry, kind: Kind, feed: Feed, resync: Resync) -> None:
    async def on_event(event: kopf.RawEvent, **_: Any) -> None:
        obj = dict(event["object"])
        if event["type"] == "DELETED":
            feed.gone(kind, obj)
            return
        feed.put(kind, obj)
        if event["type"] is None and feed.started:
            resync.listed_again(kind)

    kopf.on.event(kind.group, kind.version, kind.plural, registry=handlers, id=f"feed-{kind.plural}")(on_event)
