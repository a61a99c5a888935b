"""The fork server process as asyncio sees it: start it, ask it for children, learn of their ends (see `forkserver`)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnixan.edge_network.quantum.errors import ProgramError

START_TIMEOUT = 60.0
_SERVER = "omnixan.edge_network.quantum.forkserver"
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH")


class ServerDiedError(Exception):
    """The fork server ended while something was asked of it."""


@dataclass(frozen=True, slots=True)
class WorkerHandle:
    """A forked worker, by the fork server that forked it."""

    server: ForkServer
    number: int
    ended: asyncio.Future[dict[str, Any]]
    """Done, with a result or with ServerDiedError, when the process is gone."""

    @property
    def pid(self) -> int | None:
        """The process, None before and after its life."""
        return self.server.children.get(self.number)

    def kill(self) -> None:
        """End it at once; its connection then ends."""
        self.server.kill(self.number)


class ForkServer:
    """One fork server process and what is asked of it."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._control = control
        self._numbers = itertools.count(1)
        self._ended: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.children: dict[int, int] = {}
        """Pid of each running child by its request's number."""
        self._ready: asyncio.Future[None] = loop.create_future()
        self.dead = False
        loop.add_reader(control.fileno(), self._on_packet)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @classmethod
    async def start(cls) -> ForkServer:
        """Start a process and wait until it is warm; BACKEND_ERROR if it does not come up in a minute."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            process = subprocess.Popen(  # noqa: ASYNC220 (milliseconds, and its pipes are not used)
                [sys.executable, "-P", "-m", _SERVER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
            )
        server = cls(process, ours)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await server._ready
        except (TimeoutError, ServerDiedError) as error:
            await server.close()
            raise ProgramError(
                "BACKEND_ERROR", "ParserUnavailable", f"the fork server did not start: {error or 'timeout'}"
            ) from error
        return server

    def request(self, message: dict[str, Any], descriptors: list[int]) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        """Send a request; return its number and the future of the child's end; ServerDiedError if it is gone."""
        number = next(self._numbers)
        self._send({**message, "id": number}, descriptors)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieve)
        self._ended[number] = future
        return number, future

    def kill(self, number: int) -> None:
        """Kill the child of a request, if it still runs."""
        with contextlib.suppress(ServerDiedError):
            self._send({"op": "kill", "id": number}, [])

    async def close(self) -> None:
        """End the process and, with it, all its children."""
        self._fail()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    def _send(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if self.dead:
            raise ServerDiedError("the fork server has ended")
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        except OSError as error:
            self._fail()
            raise ServerDiedError(f"the fork server cannot be reached: {error}") from error

    def _on_packet(self) -> None:
        try:
            packet = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._fail()
            return
        message = json.loads(packet)
        if "ready" in message:
            if not self._ready.done():
                self._ready.set_result(None)
        elif "pid" in message:
            self.children[message["id"]] = message["pid"]
        elif "exit" in message:
            self.children.pop(message["id"], None)
            future = self._ended.pop(message["id"], None)
            if future is not None and not future.done():
                future.set_result(message)

    def _fail(self) -> None:
        if self.dead:
            return
        self.dead = True
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        waiting: list[asyncio.Future[Any]] = [*self._ended.values(), self._ready]
        for future in waiting:
            if not future.done():
                future.set_exception(ServerDiedError("the fork server has ended"))
        self._ended.clear()
        self._ready.add_done_callback(_retrieve)


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Look at a future's exception, so that asyncio does not complain about one nobody waited for."""
    if not future.cancelled():
        future.exception()


def _environment() -> dict[str, str]:
    """Return the fork server's environment: nothing of ours but what Python needs, and one thread for BLAS."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    kept["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return kept | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
