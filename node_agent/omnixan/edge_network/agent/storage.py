"""The agent's memory: one store that outlives it, opened when it starts and again whenever it was lost.

Nothing in the agent needs it: where it is not asked for, cannot be opened or fails, the agent works without and
`report()` says why. All its input and output happens in one thread, in the order of the calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from omnixan.edge_network.agent.backoff import Backoff
from omnixan.edge_network.persistent_memory import ndctl
from omnixan.edge_network.persistent_memory.errors import BadArgument, Corrupt, StoreFull, TooLarge
from omnixan.edge_network.persistent_memory.medium import MediumError, MediumMissing, MediumUnsuitable, Tier
from omnixan.edge_network.persistent_memory.memory import PersistentMemory
from omnixan.edge_network.persistent_memory.sizes import parse_size

T = TypeVar("T")

READY = "Durable"
"""Reason of a memory that is open and outlives a power cut."""
EMULATION = "Emulation"
"""Reason of a memory that is open, on a file system that does not outlive a power cut."""
RETRY_SECONDS = 60.0
"""The longest time between two attempts to open it."""
_KEEPS_OPEN = (BadArgument, Corrupt, StoreFull, TooLarge)
"""Refusals of one value, after which the store goes on."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryReport:
    """How the agent's memory is; what the condition PersistentMemoryReady says."""

    ready: bool
    """Whether what is put there is durable."""
    reason: str
    """One CamelCase word: Durable, Emulation, or why not: the reason of a MediumError, such as NoDAX or StoreLocked."""
    message: str
    """For people: which path, what is wrong, what to do."""
    tier: str = ""
    """How it is durable, such as T1-fsdax; empty while it is not open."""
    proof: tuple[str, ...] = ()
    """How the tier was found, a sentence a step."""
    size: int = 0
    """Bytes of the store."""
    used: int = 0
    """Bytes in use of those for values (about half of `size`), replaced values that wait for a compaction included."""
    last_checkpoint: float | None = None
    """When something was last made durable, in seconds since the epoch."""
    namespaces: tuple[ndctl.Namespace, ...] = ()
    """The machine's persistent memory, as ndctl lists it."""
    ndctl: str = ""
    """What came of asking ndctl: Found, None, NdctlMissing, …"""


class Storage:
    """The memory at `path` (None: there shall be none); `size` in bytes or as `1Gi`, `mode` is auto, dax or file.

    `await open()` once, then `run()` for ever opens it again when need be. `on_change` is called when what `report()`
    says has changed, but for its figures. The methods that write do so in the order of the calls, whether somebody
    awaits them or not, and answer whether it is durable; they do not raise.
    """

    def __init__(self, path: str | None, mode: str, size: int | str, on_change: Callable[[], None] = lambda: None) -> None:
        self._path = None if path is None else Path(path)
        self._mode = mode
        self._size = parse_size(size)
        self._on_change = on_change
        self._memory: PersistentMemory | None = None
        self._thread = ThreadPoolExecutor(1, "memory")
        self._closed = False
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._report: MemoryReport | None = None
        self._opened: MemoryReport | None = None
        self._used = 0
        self._last: float | None = None
        if path is not None:
            self._report = MemoryReport(False, "Opening", f"{path}: the store is being opened")

    @property
    def wanted(self) -> bool:
        """Whether there shall be one."""
        return self._path is not None

    @property
    def ready(self) -> bool:
        """Whether it is open."""
        return self._memory is not None

    def report(self) -> MemoryReport | None:
        """How it is now; None if there shall be none."""
        if self._report is None:
            return None
        return replace(self._report, used=self._used, last_checkpoint=self._last)

    async def open(self) -> bool:
        """Try to open it; return whether it is open now."""
        if self._path is None or self._closed:
            return False
        if self._memory is None:
            try:
                self._memory, found = await self._call(self._open, self._path)
                self._opened = found
            except MediumError as error:
                found = MemoryReport(False, error.reason, str(error))
            except Exception as error:  # a mistake of ours must not keep the agent from working
                log.exception("opening %s", self._path)
                found = MemoryReport(False, "StoreFailed", f"{self._path}: opening it failed: {error!r}")
            self._say(found)
        return self._memory is not None

    async def run(self, on_open: Callable[[], Awaitable[None]]) -> None:
        """Open it whenever it is not open, for ever; `on_open` is awaited each time that went well."""
        backoff = Backoff(2.0, RETRY_SECONDS)
        if self._path is None:
            return
        while True:
            if self._memory is not None:
                self._lost.clear()
                await self._lost.wait()
                backoff.reset()
            await asyncio.sleep(backoff.next())
            if await self.open():
                await on_open()

    async def close(self) -> None:
        """Finish what is under way and close it; nothing is taken after that."""
        self._closed = True
        memory, self._memory = self._memory, None
        if memory is not None:
            await self._call(_close, memory)
        self._thread.shutdown()

    def put(self, key: str, value: bytes, meta: Mapping[str, str] | None = None) -> Awaitable[bool]:
        """Give a key this value."""
        return self._write(lambda memory: memory.put(key, value, meta=meta or {}))

    def snapshot(
        self, key: str, value: bytes, dirty: Sequence[tuple[int, int]], meta: Mapping[str, str] | None = None
    ) -> Awaitable[bool]:
        """Give a key this value, of which only the `dirty` (offset, length) ranges differ from what it has."""
        return self._write(lambda memory: memory.store.snapshot(key, value, dirty, meta=meta or {}))

    def delete(self, *keys: str, prefix: str = "") -> Awaitable[bool]:
        """Take keys away, and with a `prefix` all that begin so; those that are not there are no error."""

        def delete(memory: PersistentMemory) -> None:
            below = [entry.key for entry in memory.list(prefix)] if prefix else []
            for key in (*keys, *below):
                memory.delete(key)

        return self._write(delete)

    async def get(self, key: str) -> tuple[bytes, Mapping[str, str]] | None:
        """Return a key's value and metadata, None if it is not there; Corrupt if it is damaged."""

        def get(memory: PersistentMemory) -> tuple[bytes, Mapping[str, str]] | None:
            record = memory.get(key)
            return None if record is None else (bytes(record.value), record.meta)

        return await self._read(get)

    async def keys(self, prefix: str = "") -> list[str]:
        """Return all keys that begin so, in order; none without a memory."""
        return await self._read(lambda memory: [entry.key for entry in memory.list(prefix)]) or []

    async def _read(self, what: Callable[[PersistentMemory], T]) -> T | None:
        memory = self._memory
        if memory is None:
            return None
        try:
            return await self._call(what, memory)
        except Corrupt:
            raise
        except MediumError as error:
            await self._failed(memory, error)
            return None

    def _write(self, what: Callable[[PersistentMemory], object]) -> Awaitable[bool]:
        """Have it done in its turn; who does not care when need not wait."""
        memory = self._memory
        future = None if memory is None else asyncio.get_running_loop().run_in_executor(self._thread, _written, memory, what)
        task = asyncio.create_task(self._settled(memory, future))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return asyncio.shield(task)

    async def _settled(self, memory: PersistentMemory | None, future: asyncio.Future[int] | None) -> bool:
        if memory is None or future is None:
            return False
        try:
            self._used = await future
        except MediumError as error:
            await self._failed(memory, error)
            return False
        self._last = time.time()
        if self._opened is not None and self._memory is memory:
            self._say(self._opened)  # perhaps it had been full
        return True

    async def _failed(self, memory: PersistentMemory, error: MediumError) -> None:
        """Say what is wrong; unless only one value was refused, give the store back, to be opened again."""
        if memory is not self._memory or self._report is None:
            return
        self._say(replace(self._report, ready=False, reason=error.reason, message=str(error)))
        if not isinstance(error, _KEEPS_OPEN):
            self._memory = None
            self._lost.set()
            await self._call(_close, memory)

    def _say(self, found: MemoryReport) -> None:
        if found != self._report:
            self._report = found
            log.log(logging.INFO if found.ready else logging.WARNING, "memory: %s: %s", found.reason, found.message)
            self._on_change()

    def _open(self, path: Path) -> tuple[PersistentMemory, MemoryReport]:
        if not path.exists():
            raise MediumMissing(path, "no such folder or device", "make it on the node, or correct the path")
        try:
            memory = PersistentMemory(path, self._size, self._mode)
        except MediumUnsuitable as error:
            try:
                memory = PersistentMemory(path, None, self._mode)
            except MediumMissing:
                raise error from None
        discovery = ndctl.discover()
        lasting = memory.tier is not Tier.EMULATION
        promise = f"durable at {memory.tier.label}" if lasting else "kept when the agent ends, and lost with the power"
        message = f"{memory.path}: what the agent knows is {promise}"
        if memory.size != self._size:
            message += f"; it was made with {memory.size} bytes and keeps them, although {self._size} are asked for"
        self._used = memory.store.report().used
        return memory, MemoryReport(
            True,
            READY if lasting else EMULATION,
            message,
            tier=memory.tier.label,
            proof=memory.proof.evidence,
            size=memory.size,
            namespaces=discovery.namespaces,
            ndctl=discovery.state.value,
        )

    async def _call(self, what: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, what, *arguments)


def _written(memory: PersistentMemory, what: Callable[[PersistentMemory], object]) -> int:
    """Do it and return the bytes in use after it."""
    what(memory)
    return memory.store.report().used


def _close(memory: PersistentMemory) -> None:
    try:
        memory.close()
    except MediumError as error:
        log.warning("closing the memory: %s", error)
