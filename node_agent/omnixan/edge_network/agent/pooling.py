"""The agent's pool of memory: opened at the start, looked after while it rests."""

from __future__ import annotations

import asyncio
import logging

from omnixan.edge_network.agent.modules import Modules, memory_pooling
from omnixan.edge_network.agent.settings import Settings
from omnixan.edge_network.memory_pooling.errors import PoolError
from omnixan.edge_network.memory_pooling.pool import MemoryPooling

TEND_SECONDS = 1.0
"""How often a pool that rests looks whether others need its memory."""

log = logging.getLogger(__name__)


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

    def modules(self) -> Modules:
        """What the agent says of it."""
        return memory_pooling(None if self.pool is None else self.pool.stats(), self._error)

    async def run(self) -> None:
        """Give memory back that others need, for ever."""
        while self.pool is not None:
            await asyncio.sleep(TEND_SECONDS)
            self.pool.check_pressure()

    def close(self) -> None:
        """Give its memory back."""
        if self.pool is not None:
            self.pool.close()
