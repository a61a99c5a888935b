"""The agent's pool of memory, which the quantum worker has: what is known of it; and the modules' metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.modules import Modules, Refusal, memory_pooling
from omnixan.edge_network.agent.settings import Settings
from omnixan.edge_network.agent.storage import MemoryReport
from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.memory_pooling.errors import PoolError
from omnixan.edge_network.memory_pooling.pool import MemoryPooling, PoolStats
from omnixan.edge_network.quantum.circuit import Circuit

CIRCUIT_BYTES = 32 << 20
"""Bound on the remembered programs of an agent with a pool."""

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
    """The pool that the settings ask for, which the quantum worker has: its states are there.

    Nothing needs it: where it cannot be, the agent works without, and says why.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._untouched: PoolStats | None = None
        self._said: PoolStats | None = None
        self._error: Refusal | None = None
        self.sizes: tuple[int, int] | None = None
        """Bytes of it and of a block; None while it is not open, and where there shall be none."""
        self.circuits: CircuitCache[Circuit] | None = None
        """Where parsed programs are remembered: nowhere, if the pool shall remember none; None without a pool."""

    def open(self) -> None:
        """Look whether it can be, if there shall be one; how that went is told by `modules()`."""
        wanted = self._settings
        if not wanted.pool_size:
            return
        try:
            with MemoryPooling(wanted.pool_size, wanted.block_size, wanted.reuse_strategy, quantum_circuits=False) as trial:
                self._untouched = trial.stats()
        except PoolError as error:
            self._error = Refusal(error.reason, str(error))
            log.warning("pool of memory: %s: %s", error.reason, error)
            return
        self.sizes = wanted.pool_size, wanted.block_size
        self.circuits = CircuitCache(CIRCUIT_BYTES if wanted.circuit_cache else 0)

    def hear(self, said: Mapping[str, Any] | None) -> None:
        """Take what the worker says of it, and None when that worker and its memory are gone."""
        refused = None if said is None else said.get("refused")
        self._error = None if refused is None else Refusal(refused["reason"], refused["message"])
        self._said = None if said is None or refused is not None else PoolStats(**said)

    def stats(self) -> PoolStats | None:
        """Its figures, as the worker last said them; None while there is none."""
        if self._error is not None or self._untouched is None:
            return None
        return self._untouched if self._said is None else self._said

    def modules(self) -> Modules:
        """What the agent says of it."""
        return memory_pooling(self.stats(), self._error)
