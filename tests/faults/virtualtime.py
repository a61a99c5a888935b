"""An asyncio event loop whose clock is virtual: when nothing is ready it jumps to the next timer.

No file descriptor is ever polled and no thread is started. What would open a socket is handed to a `Network` instead, so
aiohttp's and kopf's own code run unchanged on top. Every iteration of the loop is one step: an operator can be killed at
any of them, which is at any of its awaits.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
import signal
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall clock when the virtual clock stands at 0."""
MAX_STEPS_AT_ONE_MOMENT = 200_000

CLIENT: ContextVar[str] = ContextVar("CLIENT", default="")
"""Whose code is running: set once in the root task of each operator, inherited by all tasks it makes."""


class StuckError(AssertionError):
    """The loop has nothing left to wait for, or never comes to rest."""


class Network(Protocol):
    """What stands in for the operating system's sockets."""

    async def connect(self, client: str, factory: Callable[[], asyncio.Protocol]) -> tuple[Any, Any]:
        """A TCP connection to the API server."""

    async def connect_unix(self, client: str, factory: Callable[[], asyncio.Protocol]) -> tuple[Any, Any]:
        """A connection to the program analyzer's Unix socket."""


class _Task(asyncio.Task[Any]):
    """Sets of tasks are walked through in an order that follows from their making, not from their addresses."""

    def __new__(cls, *args: Any, loop: VirtualLoop, **kwargs: Any) -> _Task:
        task = super().__new__(cls)
        task.number = loop.next_number()
        return task

    number: int

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Future(asyncio.Future[Any]):
    """As above."""

    def __new__(cls, *, loop: VirtualLoop) -> _Future:
        future = super().__new__(cls)
        future.number = loop.next_number()
        return future

    number: int

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Selector(selectors.BaseSelector):
    """Registers what asyncio registers (its self-pipe), and lets virtual time pass instead of waiting."""

    def __init__(self) -> None:
        self.loop: VirtualLoop | None = None
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, number, events, data)
        self._keys[number] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def get_map(self) -> Any:
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[fileobj if isinstance(fileobj, int) else fileobj.fileno()]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert self.loop is not None
        self.loop.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        selector = _Selector()
        self._numbers = 0
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 1e-6
        self.now = 0.0
        self.steps = 0
        self._since_progress = 0
        self.skew = 0.0
        """Seconds by which the wall clock differs from the virtual one: clock jumps."""
        self.network: Network | None = None
        self.on_step: Callable[[], None] | None = None
        self.on_suicide: Callable[[str], None] = lambda client: None
        self.signals: dict[tuple[str, int], tuple[Callable[..., object], tuple[Any, ...]]] = {}
        self.listening: dict[str, Callable[[], Any]] = {}
        """What would make a server's side of a connection to each client's own HTTP endpoint."""
        self._frozen: dict[str, list[asyncio.Handle]] = {}
        self.tasks: dict[str, set[asyncio.Task[Any]]] = {}
        """The unfinished tasks of each client."""
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: Any, coro: Any, context: Any = None) -> asyncio.Task[Any]:
        client = CLIENT.get() if context is None else context.get(CLIENT, "")
        task: asyncio.Task[Any] = _Task(coro, loop=loop, context=context)
        mine = self.tasks.setdefault(client, set())
        mine.add(task)
        task.add_done_callback(mine.discard)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(loop=self)

    def next_number(self) -> int:
        """Of a task or future."""
        self._numbers += 1
        return self._numbers

    def freeze(self, client: str) -> None:
        """From now on nothing of this client runs, as after SIGSTOP; for ever, it is SIGKILL: no clean-up code runs."""
        self._frozen.setdefault(client, [])

    def thaw(self, client: str) -> None:
        """What became due meanwhile runs now, as after SIGCONT."""
        self._ready.extend(self._frozen.pop(client, ()))  # type: ignore[attr-defined]

    def frozen(self, client: str) -> bool:
        """Whether nothing of this client runs."""
        return client in self._frozen

    def _set_aside(self) -> None:
        """Take what frozen clients would run now out of the loop's hands."""
        if not self._frozen:
            return
        ready: Any = self._ready  # type: ignore[attr-defined]
        for _ in range(len(ready)):
            self._keep_or_stash(ready.popleft(), ready.append)
        due = self.now + self._clock_resolution
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        kept: list[Any] = []
        while scheduled and scheduled[0].when() < due:
            self._keep_or_stash(heapq.heappop(scheduled), kept.append)
        for handle in kept:
            heapq.heappush(scheduled, handle)

    def _keep_or_stash(self, handle: Any, keep: Callable[[Any], None]) -> None:
        client = handle._context.get(CLIENT, "")
        if client in self._frozen and not handle._cancelled:
            if isinstance(handle, asyncio.TimerHandle):
                handle._scheduled = False
            self._frozen[client].append(handle)
        else:
            keep(handle)

    def time(self) -> float:
        return self.now

    def wall(self) -> datetime:
        """The wall clock, jumps included."""
        return START + timedelta(seconds=self.now + self.skew)

    def advance(self, timeout: float | None) -> None:
        """One iteration has nothing ready before `timeout` (None: no timer at all)."""
        self.steps += 1
        if self.on_step is not None:
            self.on_step()
        if timeout is None and not self._ready and not self._stopping:  # type: ignore[attr-defined]
            raise StuckError("nothing is ready and no timer runs: everybody waits for somebody else")
        if timeout is not None and timeout > 0:
            self.now += timeout
            self._since_progress = 0
            self._set_aside()
            return
        self._set_aside()
        self._since_progress += 1
        if self._since_progress > MAX_STEPS_AT_ONE_MOMENT:
            raise StuckError(f"{MAX_STEPS_AT_ONE_MOMENT} steps of the loop without any time passing")

    # What would need the operating system.

    async def create_connection(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        assert self.network is not None
        return await self.network.connect(CLIENT.get(), protocol_factory)

    async def create_unix_connection(self, protocol_factory: Any, path: Any = None, **kwargs: Any) -> Any:
        assert self.network is not None
        return await self.network.connect_unix(CLIENT.get(), protocol_factory)

    async def create_server(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        self.listening[CLIENT.get()] = protocol_factory
        return _Deaf()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """At once, here: a thread would need real time."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        self.signals[CLIENT.get(), sig] = (callback, args)

    def remove_signal_handler(self, sig: int) -> bool:
        return self.signals.pop((CLIENT.get(), sig), None) is not None

    def terminate(self, client: str) -> None:
        """SIGTERM to one operator."""
        callback, args = self.signals[client, signal.SIGTERM]
        callback(*args)

    def call_later(self, delay: float, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if callback is signal.pthread_kill:  # kopf's last resort against a shutdown that hangs: it must not hit us
            client = CLIENT.get()
            return super().call_later(delay, lambda: self.on_suicide(client), **kwargs)
        return super().call_later(delay, callback, *args, **kwargs)


class _Deaf:
    """A listening socket to which nobody connects: the operator's own HTTP endpoint is asked by probe.py."""

    sockets: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self.sockets = (self,)

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8080

    def close(self) -> None:
        self.sockets = ()

    async def wait_closed(self) -> None:
        return
