"""Kubernetes events about this node: few, and never in the way of anything."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from omnixan.edge_network.agent.apiserver import EVENTS, MANAGER, ApiServer, RefusedError, UnreachableError
from omnixan.edge_network.agent.outcome import micro_time

QUIET_SECONDS = 60.0
"""Of one reason there is one event in this time; the next says how many were left out."""

log = logging.getLogger(__name__)


class Events:
    """Writes events in the background; one that cannot be written is dropped."""

    def __init__(self, api: ApiServer, reporter: str) -> None:
        self._api = api
        self._reporter = reporter
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def warn(self, regarding: Mapping[str, Any] | None, reason: str, message: str) -> None:
        """Write a Warning about an object (with apiVersion, kind and metadata); nothing if there is none."""
        now = time.time()
        if regarding is None:
            return
        if now - self._last.get(reason, 0.0) < QUIET_SECONDS:
            self._left_out[reason] = self._left_out.get(reason, 0) + 1
            return
        self._last[reason] = now
        if left_out := self._left_out.pop(reason, 0):
            message += f" ({left_out} more of these since the last event)"
        event = warning(regarding, reason, message, self._reporter, now)
        task = asyncio.create_task(self._create(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _create(self, event: dict[str, Any]) -> None:
        try:
            await self._api.create(EVENTS, event["metadata"]["namespace"], event)
        except (RefusedError, UnreachableError) as error:
            log.warning("event %s was not written: %s", event["reason"], error)


def warning(regarding: Mapping[str, Any], reason: str, message: str, reporter: str, now: float) -> dict[str, Any]:
    """Return the body of a core/v1 Event; `now` in seconds since the epoch."""
    metadata = regarding["metadata"]
    second = micro_time(now)[:19] + "Z"
    return {
        "metadata": {"name": f"{metadata['name']}.{int(now * 1e6):x}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message[:1000],
        "source": {"component": MANAGER, "host": reporter},
        "firstTimestamp": second,
        "lastTimestamp": second,
        "count": 1,
    }
