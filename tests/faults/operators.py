"""The real operator, as processes that can be started, stopped, killed, frozen and cut off, on the virtual loop.

`omnixan_operator.main.run` runs as it is. What a process gets from outside (kubeconfig, clocks, the first socket of a
connection) is replaced here and nowhere else, and put back in the end.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import sys
import time
import types
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from os import devnull
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp.connector
import yaml

from omnixan_operator import events, main
from omnixan_operator.election import LeadershipLostError
from omnixan_operator.settings import Settings
from tests.faults.probe import probe
from tests.faults.virtualtime import CLIENT, VirtualLoop
from tests.faults.wire import MemoryNetwork

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "fake", "cluster": {"server": "http://127.0.0.1:6443"}}],
    "users": [{"name": "operator", "user": {"token": "none"}}],
    "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "operator"}}],
    "current-context": "fake",
}


@contextmanager
def surroundings(loop: VirtualLoop, directory: Path, seed: int) -> Iterator[None]:
    """Clocks, kubeconfig and sockets of the process, for as long as the context is open."""
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(KUBECONFIG))
    clock = types.SimpleNamespace(
        monotonic=loop.time,
        perf_counter=loop.time,
        time=lambda: loop.wall().timestamp(),
        CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
        clock_gettime=lambda _: loop.time(),
    )
    identities = types.SimpleNamespace(uuid4=lambda: uuid.UUID(int=random.getrandbits(128), version=4))

    class WallClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return loop.wall().astimezone(tz)

    async def start_connection(*_: Any, **__: Any) -> Any:
        return None  # the loop makes the connection

    state = random.getstate()
    with ExitStack() as stack:
        # Every operator that starts would read the system's certificates, which took a seventh of a story's time.
        environment = {"KUBECONFIG": str(path), "HOME": str(directory), "SSL_CERT_FILE": devnull, "SSL_CERT_DIR": devnull}
        stack.enter_context(patch.dict("os.environ", environment, clear=True))
        stack.enter_context(patch.object(aiohttp.connector.aiohappyeyeballs, "start_connection", start_connection))
        stack.enter_context(patch.object(aiohttp.connector, "monotonic", loop.time))
        # A leader freezes what is in its memory for good; here that would be all episodes up to now.
        stack.enter_context(patch.object(main, "gc", types.SimpleNamespace(collect=lambda: 0, freeze=lambda: None)))
        # kopf ends all tasks of its loop when it stops: here, those of its own process
        stack.enter_context(patch.object(asyncio, "all_tasks", lambda *_: set(loop.tasks.get(CLIENT.get(), ()))))
        for module in _with_clocks():
            if hasattr(module, "time") and isinstance(module.time, types.ModuleType):
                stack.enter_context(patch.object(module, "time", clock))
            if getattr(module, "uuid", None) is uuid:
                stack.enter_context(patch.object(module, "uuid", identities))
            if getattr(module, "datetime", None) is datetime:
                stack.enter_context(patch.object(module, "datetime", WallClock))
        random.seed(seed)  # the work queue's jitter
        try:
            yield
        finally:
            random.setstate(state)


def _with_clocks() -> list[Any]:
    names = [name for name in sys.modules if name.split(".")[0] == "omnixan_operator"]
    return [main, events, *(sys.modules[name] for name in sorted(names) if sys.modules[name] not in (main, events))]


class Process:
    """One operator process."""

    def __init__(self, name: str, task: asyncio.Task[None]) -> None:
        self.name = name
        self.task = task


class Operators:
    """Starts operators and ends them in all the ways that there are."""

    def __init__(self, loop: VirtualLoop, network: MemoryNetwork, workers: int = 16) -> None:
        self._loop = loop
        self._network = network
        self._workers = workers
        self._count = 0
        self.running: dict[str, Process] = {}
        self.crashes: list[str] = []
        """Why processes ended by themselves; Kubernetes would start them again, and so do we."""
        self.errors: list[BaseException] = []
        """Those of them that did not just lose the election."""
        self.on_start: Callable[[str], None] = lambda name: None
        loop.on_suicide = self.kill

    def start(self) -> str:
        """Start one; returns its name."""
        self._count += 1
        name = f"operator-{self._count}"
        settings = Settings(
            agent_image="registry.invalid/agent:1", pod_name=name, metrics_host="127.0.0.1", workers=self._workers
        )
        context = contextvars.copy_context()
        context.run(CLIENT.set, name)
        task = self._loop.create_task(main.run(settings), name=name, context=context)
        self.running[name] = Process(name, task)
        self.on_start(name)
        task.add_done_callback(lambda done: self._ended(name, done))
        return name

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self.running.pop(name, None) is None:
            return
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, LeadershipLostError) and not isinstance(error.__cause__, LeadershipLostError):
                self.errors.append(error)
            self.crashes.append(f"{name} at {self._loop.now:.1f} s: {type(error).__name__}: {error}")
            self._loop.call_later(2.0, self.start)

    def kill(self, name: str) -> None:
        """SIGKILL: it never runs again, and its connections break."""
        if self.running.pop(name, None) is not None:
            self._loop.freeze(name)

    def stop(self, name: str) -> None:
        """SIGTERM."""
        if (name, 15) in self._loop.signals:
            self._loop.terminate(name)
        else:
            self.kill(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        if name in self.running:
            self._loop.freeze(name)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        if name in self.running:
            self._loop.thaw(name)
            self._network.heal(name)

    async def ready(self, name: str) -> bool:
        """Whether a process says at its own endpoint that it is ready, as the kubelet asks; False: it does not answer."""
        return not self._network.is_cut(name) and (await probe(self._loop, name, "/readyz"))[0] == 200

    async def believes_to_lead(self, name: str) -> bool:
        """Whether a process would write at this moment, by its own metric, asked from beside it: it may be cut off."""
        _, metrics = await probe(self._loop, name, "/metrics")
        return "\nomnixan_operator_leader 1.0" in metrics

    async def bury(self) -> None:
        """Let everything that is left of all processes end, without any byte reaching the server."""
        names = [name for name in self._loop.tasks if name]
        self.running.clear()
        for name in names:
            self._network.cut(name)
            self._loop.thaw(name)
        logging.disable(logging.CRITICAL)
        try:
            for _ in range(200):
                left = [task for name in names for task in self._loop.tasks[name] if not task.done()]
                if not left:
                    return
                for task in left:
                    task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait(left, timeout=100.0)
        finally:
            logging.disable(logging.NOTSET)
