"""Follows a set of objects on the API server: list, watch, resume, list again when nothing else helps."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from omnixan.edge_network.agent.apiserver import ApiServer, RefusedError, Resource, UnreachableError
from omnixan.edge_network.agent.backoff import Backoff
from omnixan.edge_network.agent.watchcache import Change, ExpiredError, WatchCache, WatchError

RELIST_SECONDS = 1800.0
"""A list now and then, whatever the watch says: no error of either side stays for ever."""
SHORT_WATCH_SECONDS = 1.0

log = logging.getLogger(__name__)


async def follow(api: ApiServer, resource: Resource, namespace: str, field_selector: str) -> AsyncGenerator[Change]:
    """Yield the changes of the chosen objects for ever, starting with all there are; never raises for the server.

    A broken or silent watch goes on from the last resourceVersion it saw; an expired one begins with a list.
    """
    cache = WatchCache()
    backoff = Backoff(0.2, 15.0)
    relist_at = 0.0
    while True:
        try:
            if not cache.resource_version or time.monotonic() >= relist_at:
                listing = await api.list(resource, namespace, field_selector)
                relist_at = time.monotonic() + RELIST_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311
                for change in cache.replace(listing.items, listing.resource_version):
                    yield change
            started = time.monotonic()
            async with aclosing(api.watch(resource, namespace, field_selector, cache.resource_version)) as events:
                async for event in events:
                    for change in cache.event(event):
                        yield change
                    backoff.reset()
            if time.monotonic() - started >= SHORT_WATCH_SECONDS:
                continue
            problem: Exception | str = "the watch was closed at once"
        except ExpiredError as error:
            problem = error
        except RefusedError as error:
            if error.status == 410:
                cache.resource_version = ""
            problem = error
        except UnreachableError as error:
            problem = error
        except WatchError as error:
            cache.resource_version = ""
            problem = error
        delay = backoff.next()
        log.warning("watching %s: %s; again in %.1f s", resource.plural, problem, delay)
        await asyncio.sleep(delay)
