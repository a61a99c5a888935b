"""Kubernetes Events: posted in the background, the same one about an object at most once in a while."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from omnixan.edge_network.api.meta import MANAGED_BY
from omnixan_operator import kinds
from omnixan_operator.apiserver import ApiError, ApiServer
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.reasons import Reason
from omnixan_operator.store import name_of, namespace_of, uid_of

logger = logging.getLogger(__name__)

WINDOW = 600.0
"""Seconds in which an equal event about the same object is not posted again."""
BACKLOG = 256
"""Events that may wait; more are dropped, they are a courtesy."""
REMEMBERED = 4096
MAX_NOTE = 1024


@dataclass(frozen=True)
class Happening:
    """What happened to which object."""

    regarding: Object
    type: Literal["Normal", "Warning"]
    reason: Reason
    note: str


class Recorder:
    """Posts events.k8s.io/v1 Events."""

    def __init__(self, api: ApiServer, metrics: Metrics, instance: str, monotonic: Callable[[], float]) -> None:
        self._api = api
        self._metrics = metrics
        self._instance = instance
        self._monotonic = monotonic
        self._waiting: asyncio.Queue[Happening] = asyncio.Queue(BACKLOG)
        self._posted: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def normal(self, kind: Kind, obj: Object, reason: Reason, note: str) -> None:
        """Something worth knowing."""
        self._record(kind, obj, "Normal", reason, note)

    def warning(self, kind: Kind, obj: Object, reason: Reason, note: str) -> None:
        """Something worth looking after."""
        self._record(kind, obj, "Warning", reason, note)

    def _record(self, kind: Kind, obj: Object, type_: Literal["Normal", "Warning"], reason: Reason, note: str) -> None:
        now = self._monotonic()
        mark = (uid_of(obj) or name_of(obj), str(reason), note)
        if now - self._posted.get(mark, -WINDOW) < WINDOW:
            return
        self._posted[mark] = now
        self._posted.move_to_end(mark)
        while len(self._posted) > REMEMBERED:
            self._posted.popitem(last=False)
        regarding = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "namespace": namespace_of(obj),
            "name": name_of(obj),
            "uid": uid_of(obj),
        }
        try:
            self._waiting.put_nowait(Happening(regarding, type_, reason, note[:MAX_NOTE]))
        except asyncio.QueueFull:
            self._metrics.events_dropped.labels("backlog").inc()

    async def run(self) -> None:
        """Post what waits, for ever."""
        while True:
            happening = await self._waiting.get()
            try:
                await self._api.create(kinds.EVENT, manifest(happening, datetime.now(UTC), self._instance))
            except ApiError as error:
                self._metrics.events_dropped.labels("refused").inc()
                logger.warning("event %s not posted: %s", happening.reason, error)


def manifest(happening: Happening, moment: datetime, instance: str) -> Object:
    """The Event; its name is unique per object and moment."""
    regarding = happening.regarding
    time = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    mark = hashlib.sha256(f"{regarding['uid']}{happening.reason}{happening.note}{time}".encode()).hexdigest()[:16]
    return {
        "metadata": {
            "name": f"{regarding['name'][:200]}.{mark}",
            "namespace": regarding["namespace"] or "default",
        },
        "eventTime": time,
        "type": happening.type,
        "reason": str(happening.reason),
        "note": happening.note,
        "action": "Reconcile",
        "regarding": regarding,
        "reportingController": MANAGED_BY,
        "reportingInstance": instance[:128],
    }
