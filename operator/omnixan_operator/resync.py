"""Whether the store is complete: after the start, and after a watch was broken.

Nothing is reconciled before every object that existed at the start has come in: with half of the Nodes or EdgeClusters
unseen, claims would be taken away from the others.

When a watch has been away for too long (410 Gone), kopf lists again, but an object that is missing from the list makes
no event. So after such a list, and now and then in any case, the metadata of all objects of a kind are compared with
the store: reads only, from the API server's watch cache.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from omnixan_operator.apiserver import ApiError, ApiServer, Known, NotFoundError
from omnixan_operator.feed import Feed
from omnixan_operator.kinds import WATCHED, Kind, Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.store import Store, uid_of

logger = logging.getLogger(__name__)

POLL = 0.05
IMPATIENT = 3.0
"""Seconds without an arrival after which what has not come in is looked up: it may have been deleted meanwhile."""
PERIOD = 600.0
"""Seconds from one comparison of a kind to the next; the first ones are spread over the same time. A list that is empty
makes no event, so this is also how late the loss of a kind's last objects is noticed."""
SETTLE = 5.0
"""Seconds after the first event of a new list, by which the list has been read."""


class Resync:
    """Compares the store with the API server."""

    def __init__(self, api: ApiServer, store: Store, feed: Feed, metrics: Metrics) -> None:
        self._api = api
        self._store = store
        self._feed = feed
        self._metrics = metrics
        self._due: dict[Kind, float] = {}
        self._changed = asyncio.Event()

    async def wait_until_complete(self) -> None:
        """Return when everything that exists now has come in; then the feed is started."""
        missing = {kind: await self._everything(kind) for kind in WATCHED}
        loop = asyncio.get_running_loop()
        last, since = -1, loop.time()
        while count := sum(map(len, missing.values())):
            if count != last:
                last, since = count, loop.time()
            elif loop.time() > since + IMPATIENT:
                await self._fetch(missing)
            await asyncio.sleep(POLL)
            for kind, known in missing.items():
                # From the end: what comes in comes in the list's order, as a rule, so most looks end at once.
                while known and self._store.knows(kind, *known[-1][:3]):
                    known.pop()
        self._feed.start()

    async def _everything(self, kind: Kind) -> list[Known]:
        while True:
            try:
                return (await self._api.list_known(kind))[0]
            except ApiError as error:
                logger.warning("waiting for the list of %s: %s", kind.plural, error)
                await asyncio.sleep(1.0)

    async def _fetch(self, missing: dict[Kind, list[Known]]) -> None:
        for kind, objects in missing.items():
            for known in objects:
                if self._store.knows(kind, *known[:3]):
                    continue
                try:
                    found = await self._api.get(kind, known.namespace, known.name)
                    self._feed.put(kind, found)
                    if uid_of(found) != known.uid:
                        self._feed.gone(kind, _remains(known))
                except NotFoundError:
                    self._feed.gone(kind, _remains(known))
                except ApiError as error:
                    logger.warning("waiting for %s %s/%s: %s", kind.name, known.namespace, known.name, error)

    def listed_again(self, kind: Kind) -> None:
        """kopf has listed this kind anew."""
        self._due[kind] = min(self._due.get(kind, float("inf")), asyncio.get_running_loop().time() + SETTLE)
        self._changed.set()

    async def run(self) -> None:
        """Wait for the first list, then compare what is due, for ever."""
        await self.wait_until_complete()
        loop = asyncio.get_running_loop()
        step = PERIOD / len(WATCHED)
        self._due = {kind: loop.time() + step * (i + 1) for i, kind in enumerate(WATCHED)}
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

    async def compare(self, kind: Kind) -> None:
        """Take out what is gone, look up what is newer than the store has it."""
        before = [Known(*entry) for entry in self._store.versions(kind)]
        listed, version = await self._api.list_known(kind)
        present = {known[:3] for known in listed}
        for known in before:
            gone = known[:3] not in present and version > known.version
            if gone and self._feed.gone(kind, _remains(known), version):
                self._metrics.missed_deletions.labels(kind.name).inc()
                logger.warning("%s %s/%s was deleted unseen", kind.name, known.namespace, known.name)
        for known in listed:
            if self._store.get(kind, known.namespace, known.name) is None:
                await self._look_up(kind, known)

    async def _look_up(self, kind: Kind, known: Known) -> None:
        with contextlib.suppress(NotFoundError):
            self._feed.put(kind, await self._api.get(kind, known.namespace, known.name))


def _remains(known: Known) -> Object:
    """What is known of an object that is gone."""
    place = {"namespace": known.namespace, "name": known.name, "uid": known.uid}
    return {"metadata": place | {"resourceVersion": str(known.version)}}
