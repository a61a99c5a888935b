"""kopf as informer: it authenticates, lists, watches and reconnects; what it sees goes straight into the feed.

No handlers. kopf would make a task, a queue and a dozen objects for every object that comes in, to call one function that
never waits: two thirds of the operator's CPU time at its start. So what is taken of kopf is the stream of its watch, which
also says when a list is complete (docs/decisions/0007). kopf writes nothing to any object.
"""

from __future__ import annotations

import asyncio
import logging

import kopf
from kopf._cogs.clients import watching  # the stream that kopf feeds its own queues from; it has no other name

from omnixan.edge_network.api.meta import GROUP, MANAGED_BY
from omnixan_operator.credentials import Login
from omnixan_operator.feed import Feed
from omnixan_operator.kinds import WATCHED, Kind
from omnixan_operator.resync import Resync

logger = logging.getLogger(__name__)

AGAIN = 5.0
"""Seconds until a kind is listed again whose watch failed in a way that kopf gives up on (the kind is gone, say)."""


def operator_settings() -> kopf.OperatorSettings:
    """kopf's settings, where its defaults do not fit."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # we post our own Events
    settings.posting.reporting_component = MANAGED_BY
    settings.peering.standalone = True
    settings.scanning.disabled = True  # the kinds are fixed: no watch on CRDs, no right to it
    settings.persistence.finalizer = f"{GROUP}/finalizer"  # never set: there are no handlers that need one
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = 90  # the API server sends a bookmark a minute
    settings.watching.reconnect_backoff = 1.0
    settings.watching.chunk_size = 100  # results may have half a megabyte each
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.process.ultimate_exiting_timeout = 20
    for kind in WATCHED:
        if kind.selector:
            settings.watching.label_selectors[(kind.group, kind.version, kind.plural)] = kind.selector
    return settings


def registry() -> kopf.OperatorRegistry:
    """What kopf calls, in a registry of its own: the login, and nothing else."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers, id="login")(Login().login)
    return handlers


async def follow(feed: Feed, resync: Resync, settings: kopf.OperatorSettings) -> None:
    """List and watch all kinds, for ever; in the context in which `kopf.spawn_tasks` was called, for it has the login."""
    async with asyncio.TaskGroup() as group:
        for kind in WATCHED:
            group.create_task(_follow(kind, feed, resync, settings), name=f"watch of {kind.plural}")


async def _follow(kind: Kind, feed: Feed, resync: Resync, settings: kopf.OperatorSettings) -> None:
    resource = kopf.Resource(kind.group, kind.version, kind.plural, kind=kind.name, namespaced=kind.namespaced)
    while True:
        try:
            async for event in watching.infinite_watch(settings=settings, resource=resource, namespace=None):
                if isinstance(event, watching.Bookmark):
                    resync.listed(kind)
                elif event["type"] == "DELETED":
                    feed.gone(kind, dict(event["object"]))
                elif event["type"] != "BOOKMARK":
                    feed.put(kind, dict(event["object"]))
        except Exception as error:  # kopf has tried for long; without a watch we would be blind
            logger.warning("the watch of %s ended and begins anew in %g s: %r", kind.plural, AGAIN, error)
        await asyncio.sleep(AGAIN)
