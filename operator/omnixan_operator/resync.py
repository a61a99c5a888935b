"""Whether the store is complete: after the start, and after a watch was broken.

Nothing is reconciled before every object that existed at the start has come in: with half of the Nodes or EdgeClusters
unseen, claims would be taken away from the others.

When a watch has been away for too long (410 Gone), kopf lists again, but an object that is missing from the list makes
no event. So after such a list, and now and then in any case, the metadata of all objects of a kind are compared with
the store: reads only, from the API server's watch cache.

Each kind has a watch of its own, and one may lag behind another. The process that reconciles does not mind: what it wrote
is in its store. One that takes over could see that a run is gone and not yet that its job had ended, so before it
works it catches up with everything that was written before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from omnixan_operator.apiserver import ApiError, ApiServer, Known, NotFoundError
from omnixan_operator.feed import Feed
from omnixan_operator.kinds import WATCHED, Kind, Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.store import Store

logger = logging.getLogger(__name__)

PERIOD = 600.0
"""Seconds from one comparison of a kind to the next; the first ones are spread over the same time."""
RETRY = 1.0
"""Seconds until what could not be listed is listed again."""
SETTLE = 5.0
"""Seconds after a new list until the comparison: what was deleted meanwhile is seen by the new watch by then."""


class Resync:
    """Compares the store with the API server."""

    def __init__(self, api: ApiServer, store: Store, feed: Feed, metrics: Metrics) -> None:
        self._api = api
        self._store = store
        self._feed = feed
        self._metrics = metrics
        self._due: dict[Kind, float] = {}
        self._changed = asyncio.Event()
        self._listed: set[Kind] = set()
        self._complete = asyncio.Event()

    async def wait_until_complete(self) -> None:
        """Return when everything that existed at the start has come in; then the feed is started."""
        await self._complete.wait()
        self._feed.start()

    def listed(self, kind: Kind) -> None:
        """kopf has listed this kind, and all of the list has come in: for the first time, or anew."""
        if kind in self._listed:
            self._due[kind] = min(self._due.get(kind, float("inf")), asyncio.get_running_loop().time() + SETTLE)
            self._changed.set()
            return
        self._listed.add(kind)
        if len(self._listed) == len(WATCHED):
            self._complete.set()

    async def run(self) -> None:
        """Wait for the first lists, then compare what is due, for ever."""
        await self.wait_until_complete()
        loop = asyncio.get_running_loop()
        step = PERIOD / len(WATCHED)
        self._due = {kind: loop.time() + step * (i + 1) for i, kind in enumerate(WATCHED)} | self._due
        while True:
            kind = min(WATCHED, key=lambda k: self._due[k])
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, self._due[kind] - loop.time())):
                    await self._changed.wait()
                continue
            except TimeoutError:
                pass
            self._due[kind] = loop.time() + PERIOD
            try:
                await self.compare(kind)
            except ApiError as error:
                logger.warning("resync of %s: %s", kind.plural, error)

    async def catch_up(self) -> None:
        """Take in all that was written before this call, whatever the watches still owe. Tries until it succeeds."""
        for kind in WATCHED:
            while True:
                try:
                    await self._take_in(kind)
                    break
                except ApiError as error:
                    logger.warning("catching up with %s: %s", kind.plural, error)
                    await asyncio.sleep(RETRY)

    async def compare(self, kind: Kind) -> None:
        """Take in what the watch should have told, and say so."""
        for known in await self._take_in(kind):
            self._metrics.missed_deletions.labels(kind.name).inc()
            logger.warning("%s %s/%s was deleted unseen", kind.name, known.namespace, known.name)

    async def _take_in(self, kind: Kind) -> list[Known]:
        """Take out what is gone, look up what is newer than the store has it; returns what was taken out."""
        before = [Known(*entry) for entry in self._store.versions(kind)]
        listed, version = await self._api.list_known(kind)
        present = {known[:3] for known in listed}
        gone = [
            known
            for known in before
            if known[:3] not in present and version > known.version and self._feed.gone(kind, _remains(known), version)
        ]
        held = {entry[:3]: entry[3] for entry in self._store.versions(kind)}
        newer = [known for known in listed if held.get(known[:3], -1) < known.version]
        await asyncio.gather(*(self._look_up(kind, known) for known in newer))
        return gone

    async def _look_up(self, kind: Kind, known: Known) -> None:
        with contextlib.suppress(NotFoundError):
            self._feed.put(kind, await self._api.get(kind, known.namespace, known.name))


def _remains(known: Known) -> Object:
    """What is known of an object that is gone."""
    place = {"namespace": known.namespace, "name": known.name, "uid": known.uid}
    return {"metadata": place | {"resourceVersion": str(known.version)}}
