"""Keeps the node's twin true: the agent's share of the EdgeNode's status, and the heartbeat Lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from omnixan.edge_network.agent.apiserver import LEASES, NODES, ApiServer, RefusedError, UnreachableError
from omnixan.edge_network.agent.backoff import Backoff
from omnixan.edge_network.agent.conditions import Difference, Report, desired_status, difference, lease_body
from omnixan.edge_network.agent.informer import follow
from omnixan.edge_network.agent.memory import Memory
from omnixan.edge_network.agent.modules import Modules
from omnixan.edge_network.agent.outcome import micro_time
from omnixan.edge_network.agent.settings import Settings

HEARTBEAT_SECONDS = 10.0
LEASE_SECONDS = 40
"""Four heartbeats: the node is taken for gone after that."""
SETTLE_SECONDS = 3.0
"""A worker that is back within this time was not worth a message."""
FIGURES_SECONDS = 15.0
"""Where nothing but figures has changed, the status is written at most so often."""

log = logging.getLogger(__name__)


class Twin:
    """The node's twin; `run()` for ever, and `say()` what is to be reported."""

    def __init__(
        self,
        api: ApiServer,
        settings: Settings,
        version: str,
        memory: Memory,
        calibration: Mapping[str, Any] | None = None,
        modules: Callable[[], Modules] = Modules,
    ) -> None:
        self._api = api
        self._memory = memory
        self._settings = settings
        self._node: dict[str, Any] | None = None
        self._report = Report(
            version,
            settings.backend,
            settings.qubits,
            False,
            "WorkerStarting",
            "the quantum worker is starting",
            calibration,
        )
        self._modules = modules
        self._written = float("-inf")
        self._silent_until = time.monotonic() + SETTLE_SECONDS
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self.synced = asyncio.Event()
        """Set once the API server has answered whether the EdgeNode exists."""

    @property
    def node(self) -> dict[str, Any] | None:
        """The EdgeNode as last seen; None while there is none."""
        return self._node

    async def restore(self) -> None:
        """Take the EdgeNode as an earlier agent saw it last, until the API server says how it is."""
        if self._node is None and not self.synced.is_set():
            self._node = await self._memory.twin()

    def say(self, ready: bool, reason: str, message: str, *, settle: bool = False) -> None:
        """Report this condition from now on; with `settle` only if it stays so for SETTLE_SECONDS."""
        self._report = replace(self._report, ready=ready, reason=reason, message=message)
        self._silent_until = time.monotonic() + SETTLE_SECONDS if settle else 0.0
        self._changed.set()

    def look(self) -> None:
        """Look at the modules: one of them has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Watch the EdgeNode, publish what changes, send heartbeats; for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._publish())
            group.create_task(self._beat())
            group.create_task(self._sample())

    async def _watch(self) -> None:
        name = self._settings.node_name
        seen = False
        async for change in follow(self._api, NODES, self._settings.namespace, f"metadata.name={name}"):
            if change.type == "SYNC":
                if not self.synced.is_set() and not seen:
                    self._node = None  # deleted while no agent looked
                    self._memory.put_twin(None)
                self.synced.set()
                if self._node is None:
                    log.info("EdgeNode %s does not exist yet; waiting for the operator to make it", name)
            else:
                seen = change.type != "DELETED"
                known = self._node if self.synced.is_set() else None
                self._node = newer(known, change.object if seen else None)
                self._memory.put_twin(self._node)
            self._changed.set()

    async def _publish(self) -> None:
        backoff = Backoff(0.2, 10.0)
        while True:
            await self._changed.wait()
            self._changed.clear()
            if (rest := self._silent_until - time.monotonic()) > 0:
                await self._pause(rest)
                continue
            try:
                await self.publish_now()
                backoff.reset()
            except (RefusedError, UnreachableError) as error:
                delay = backoff.next()
                log.warning("status of EdgeNode %s: %s; again in %.1f s", self._settings.node_name, error, delay)
                await self._pause(delay)

    async def _sample(self) -> None:
        """Look at the modules' figures now and then: nobody says when they change."""
        while self._modules().conditions:
            await asyncio.sleep(FIGURES_SECONDS)
            self._changed.set()

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until something changes; then publish again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.set()

    async def publish_now(self) -> None:
        """Write our share of the status if it differs from what stands there."""
        async with self._writing:
            await self._publish_once()

    async def _publish_once(self) -> None:
        node = self._node
        # A twin from the memory may be old: what is said over it would take a condition back to a time before its last turn.
        if node is None or not self.synced.is_set():
            return
        report = replace(self._report, modules=self._modules())
        found = difference(report, node)
        # What may wait waits for the next look.
        if found is Difference.NONE or (
            found is Difference.FIGURES and time.monotonic() - self._written < FIGURES_SECONDS * 0.9
        ):
            return
        status = desired_status(report, node, micro_time(time.time())[:19] + "Z")
        try:
            answer = await self._api.apply_status(NODES, self._settings.namespace, self._settings.node_name, status)
        except RefusedError as error:
            if error.status != 404:
                raise
            return  # deleted meanwhile; the watch will say so, and what comes instead
        if self._node is not None:
            self._node = newer(self._node, answer)
        self._written = time.monotonic()
        if found is Difference.FACTS:
            log.info("%s", ", ".join(f"{said.type}={said.ready}: {said.reason}" for said in report.said))

    async def _beat(self) -> None:
        backoff = Backoff(1.0, HEARTBEAT_SECONDS)
        while True:
            delay = HEARTBEAT_SECONDS
            if self._node is None:
                delay = 0.5
            else:
                try:
                    await self._renew(self._node)
                    backoff.reset()
                except (RefusedError, UnreachableError) as error:
                    delay = backoff.next()
                    log.warning("heartbeat: %s; again in %.1f s", error, delay)
            await asyncio.sleep(delay)

    async def _renew(self, node: dict[str, Any]) -> None:
        lease = lease_body(node, self._settings.pod_name, micro_time(time.time()), LEASE_SECONDS)
        await self._api.apply(LEASES, self._settings.namespace, self._settings.node_name, lease)


def newer(known: dict[str, Any] | None, found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The newer of two versions of the EdgeNode; None for `found` means that it is gone.

    The watch may tell of a version from before our last write: taken for true, it would be mended by another write.
    """
    if known is None or found is None or known["metadata"]["uid"] != found["metadata"]["uid"]:
        return found
    return found if _version(found) >= _version(known) else known


def _version(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])
