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
PASSING = frozenset({401, 403, 429, 500, 502, 503})
"""Refusals of a watch that say nothing about its resourceVersion."""

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
                cache.begin_list()
                async with aclosing(api.pages(resource, namespace, field_selector)) as pages:
                    async for page in pages:
                        for change in cache.page(page.items):
                            yield change
                for change in cache.end_list(page.resource_version):
                    yield change
                relist_at = time.monotonic() + RELIST_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311
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
            if error.status not in PASSING:
                cache.resource_version = ""  # expired (410), or of a future that a restored backup took away (504)
            problem = error
        except UnreachableError as error:
            problem = error
        except WatchError as error:
            cache.resource_version = ""
            problem = error
        delay = backoff.next()
        log.warning("watching %s: %s; again in %.1f s", resource.plural, problem, delay)
        await asyncio.sleep(delay)
