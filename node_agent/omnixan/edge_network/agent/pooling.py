"""The agent's pool of memory: opened at the start, looked after while it rests; and the modules' metrics."""

from __future__ import annotations

import asyncio
import logging

from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.modules import Modules, memory_pooling
from omnixan.edge_network.agent.settings import Settings
from omnixan.edge_network.agent.storage import MemoryReport
from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.memory_pooling.errors import PoolError
from omnixan.edge_network.memory_pooling.pool import MemoryPooling, PoolStats
from omnixan.edge_network.quantum.circuit import Circuit

TEND_SECONDS = 1.0
"""How often a pool that rests looks whether others need its memory."""

log = logging.getLogger(__name__)


def show(metrics: Metrics, report: MemoryReport | None, stats: PoolStats | None, modules: Modules) -> None:
    """Set the metrics of both modules; those of one that is off, or not in use, have no series."""
    for gauge in (metrics.store_bytes, metrics.pool_bytes, metrics.pool_waste, metrics.module_ready):
        gauge.clear()
    for said in modules.conditions:
        metrics.module_ready.labels(said.type).set(said.ready)
    if report is not None and report.tier:
        metrics.store_bytes.labels(report.tier, "size").set(report.size)
        metrics.store_bytes.labels(report.tier, "used").set(report.used)
    if stats is not None:
        for kind in ("used", "idle", "resident"):
            metrics.pool_bytes.labels(kind).set(getattr(stats, f"{kind}_bytes"))
        metrics.pool_bytes.labels("total").set(stats.pool_bytes)
        for kind in ("external", "internal", "overhead"):
            metrics.pool_waste.labels(kind).set(getattr(stats, kind))


class PoolOfMemory:
    """The pool that the settings ask for. Nothing needs it: where it cannot be, the agent works without, and says why."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._error: PoolError | None = None
        self.pool: MemoryPooling | None = None
        """None while it is not open, and where there shall be none."""

    def open(self) -> None:
        """Open it, if there shall be one; whether that went well is told by `modules()`."""
        wanted = self._settings
        if not wanted.pool_size:
            return
        try:
            self.pool = MemoryPooling(
                wanted.pool_size, wanted.block_size, wanted.reuse_strategy, quantum_circuits=wanted.circuit_cache
            )
        except PoolError as error:
            self._error = error
            log.warning("pool of memory: %s: %s", error.reason, error)

    @property
    def circuits(self) -> CircuitCache[Circuit] | None:
        """Where parsed programs are remembered: nowhere, if the pool shall remember none; None without a pool."""
        if self.pool is None:
            return None
        return CircuitCache(0) if self.pool.circuits is None else self.pool.circuits

    def stats(self) -> PoolStats | None:
        """Its figures; None while there is none."""
        return None if self.pool is None else self.pool.stats()

    def modules(self) -> Modules:
        """What the agent says of it."""
        return memory_pooling(self.stats(), self._error)

    async def run(self) -> None:
        """Give memory back that others need, for ever."""
        while self.pool is not None:
            await asyncio.sleep(TEND_SECONDS)
            self.pool.check_pressure()

    def close(self) -> None:
        """Give its memory back."""
        if self.pool is not None:
            self.pool.close()
