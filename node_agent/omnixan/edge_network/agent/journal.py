"""One run's log of evaluations in the agent's memory: written as the loop goes, read when the run is begun again.

The log is a stream of bytes (records of `quantum.qaoa.records`) in pieces of CHUNK bytes, `logs/<uid of the run>/<number>`.
Of a piece only what is new is written. The agent knows nothing of what the bytes mean.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.api.meta import seconds_of
from omnixan.edge_network.api.workload import Checkpoint
from omnixan.edge_network.persistent_memory.errors import Corrupt
from omnixan.edge_network.quantum.training_log import GROUP_SECONDS, Kept, Pace, Resumed

CHUNK = 32 * 1024
"""Bytes of a piece."""

log = logging.getLogger(__name__)


def prefix_of(uid: str) -> str:
    """Return what the keys of a run's log begin with."""
    return f"logs/{uid}/"


def pace_of(checkpoint: Checkpoint | None, most_seconds: float) -> Pace:
    """Return how far a job's loop may be ahead of its log, on a node that lets at most `most_seconds` pass."""
    if checkpoint is None or (checkpoint.every_iterations is None and checkpoint.interval is None):
        return Pace(None, min(GROUP_SECONDS, most_seconds))
    asked = math.inf if checkpoint.interval is None else seconds_of(checkpoint.interval)
    return Pace(checkpoint.every_iterations, min(asked, most_seconds))


class Journal:
    """Keeps the log of one run (a `worker.Keeper`); make it with `await Journal.open(…)`.

    While the memory is away, the log is kept in this process and written when it is there again.
    """

    def __init__(self, storage: Storage, uid: str, pace: Pace, on_resumed: Callable[[Resumed], None]) -> None:
        self._storage = storage
        self._prefix = prefix_of(uid)
        self._on_resumed = on_resumed
        self._stream = bytearray()
        self._written = 0
        self._stale = False
        self._before = 0
        self._shots = 0
        self._flushing = asyncio.Lock()
        self._flusher: asyncio.Task[None] | None = None
        self._problem = ""
        self.kept = Kept()
        self.pace = pace
        self.wasted = 0
        """Shots that are known to have run before and are not in the log."""

    @classmethod
    async def open(
        cls, storage: Storage, uid: str, pace: Pace, shots: int, on_resumed: Callable[[Resumed], None]
    ) -> Journal:
        """Read what is there of a run, of which `shots` are known to have run; `on_resumed` is told what became of it."""
        journal = cls(storage, uid, pace, on_resumed)
        await journal._load()
        journal._before = max(journal._before, shots)
        return journal

    async def _load(self) -> None:
        pieces: list[bytes] = []
        fingerprint, whole = "", True
        try:
            keys = await self._storage.keys(self._prefix)
            for number, key in enumerate(keys):
                found = await self._storage.get(key)
                used = 0 if found is None else int(found[1]["used"])
                if found is None or key != self._key(number) or not whole or fingerprint not in ("", found[1]["print"]):
                    self._problem = "a piece of it is missing"
                    break
                value, meta = found
                fingerprint, whole = meta["print"], used == CHUNK
                self._before = max(self._before, int(meta["shots"]))
                pieces.append(value[:used])
        except Corrupt as error:
            self._problem = f"it is damaged: {error}"
        except (KeyError, ValueError) as error:
            self._problem = f"it is not understood: {error!r}"
        self._stale = bool(self._problem)
        if not self._problem:
            self.kept = Kept(fingerprint, b"".join(pieces))

    def resumed(self, resumed: Resumed) -> None:
        """Go on behind what counts of the log; what does not is taken away before anything new is written."""
        self._stale = self._stale or (resumed.length == 0 and bool(self.kept.records))
        self._stream = bytearray(self.kept.records[: resumed.length])
        self._written = resumed.length
        self.wasted = max(0, self._before - resumed.shots)
        self._shots = self.wasted + resumed.shots
        self.kept = Kept(resumed.fingerprint)
        problem = resumed.problem or self._problem
        self._on_resumed(Resumed(resumed.fingerprint, resumed.evaluations, resumed.length, resumed.shots, problem))

    async def keep(self, records: bytes, shots: int, wait: bool) -> None:
        """Write these too; with `wait` return when they are durable, or cannot be now."""
        self._stream += records
        self._shots = self.wasted + shots
        if wait:
            await self._flush()
        elif self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())

    async def close(self) -> None:
        """Write what is left; nothing is written any more after that."""
        await self._flush()

    async def _flush(self) -> None:
        async with self._flushing:
            if self._stale and not await self._storage.delete(prefix=self._prefix):
                return
            self._stale = False
            while self._written < len(self._stream):
                number = self._written // CHUNK
                first = number * CHUNK
                last = min(len(self._stream), first + CHUNK)
                value = bytes(self._stream[first:last]).ljust(CHUNK, b"\0")
                meta = {"print": self.kept.fingerprint, "used": str(last - first), "shots": str(self._shots)}
                dirty = [(self._written - first, last - self._written)]
                if not await self._storage.snapshot(self._key(number), value, dirty, meta):
                    return
                self._written = last

    def _key(self, number: int) -> str:
        return f"{self._prefix}{number:06d}"
