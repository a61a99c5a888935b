"""Parsing strangers' programs in safety: the client of the fork server.

    async with Sandbox() as sandbox:
        parsed = await sandbox.parse(text, sha256=None)      # Parsed(circuit, analysis, sha256) or ProgramError

Each program is parsed in a forked child of its own that can open no file or socket and is killed when it takes too long
or too much memory (`limits`); that is a PAYLOAD_REJECTED with reason ParserKilled. Several run at once, so a program
that burns until its limit does not hold up its neighbours. A fork server that died is replaced, and what it was parsing
is parsed again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from omnixan.edge_network.api.workload import MAX_PROGRAM_BYTES, wrong_format
from omnixan.edge_network.quantum import frames
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.forkclient import ForkServer, ServerDiedError, WorkerHandle

MIB = 1024 * 1024
MAX_ANSWER = 8 * MIB
_GRACE = 5.0
_INLINE_DECODING = 64 * 1024
_EXIT_MEMORY = 77


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """What one program may take: wall and CPU time in seconds, memory in bytes beyond the loaded parser's."""

    wall: float = 5.0
    cpu: int = 4
    memory: int = 256 * MIB


@dataclass(frozen=True, slots=True)
class Parsed:
    """A program that was understood: its circuit, its analysis (`analysis.analyze`), the SHA-256 of its text."""

    circuit: Circuit
    analysis: dict[str, Any]
    sha256: str


class Sandbox:
    """A fork server and up to `concurrency` limited children at once. Belongs to one event loop."""

    def __init__(self, limits: ParserLimits = ParserLimits(), concurrency: int = 4) -> None:
        self.limits = limits
        self._slots = asyncio.Semaphore(concurrency)
        self._starting = asyncio.Lock()
        self._server: ForkServer | None = None
        self._closed = False

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """The fork server's pid, None while there is none."""
        return None if self._server is None else self._server.pid

    async def start(self) -> None:
        """Start the fork server and wait until it is warm; BACKEND_ERROR if it does not come up."""
        await self._running()

    async def close(self) -> None:
        """End the fork server and all its children."""
        self._closed = True
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def parse(self, text: str, sha256: str | None = None, format_: str | None = None) -> Parsed:
        """Parse an OpenQASM program; `sha256` (hex), if given, must be the digest of its UTF-8 bytes."""
        data, digest = check_text(text, sha256, format_)
        answer = await self._ask(data, digest, "circuit")
        return Parsed(answer["circuit"], answer["analysis"], digest)

    async def analyze(self, text: str, sha256: str | None = None) -> dict[str, Any]:
        """Return only the analysis of a program; as `parse`, but the circuit never leaves the child."""
        data, digest = check_text(text, sha256)
        analysis: dict[str, Any] = (await self._ask(data, digest, "analysis"))["analysis"]
        return analysis

    async def fork_worker(self) -> tuple[socket.socket, WorkerHandle]:
        """Fork a quantum worker; return our end of its connection and the handle to kill it by."""
        server = await self._running()
        ours, theirs = socket.socketpair()
        with theirs:
            number, ended = server.request({"op": "worker"}, [theirs.fileno()])
        return ours, WorkerHandle(server, number, ended)

    async def _ask(self, data: bytes, digest: str, want: str) -> dict[str, Any]:
        async with self._slots:
            for _ in range(2):
                server = await self._running()
                try:
                    async with asyncio.timeout(self.limits.wall + _GRACE):
                        return await self._ask_once(server, data, digest, want)
                except ServerDiedError:
                    continue  # nothing of the program runs in the server itself: it is not to blame, try again
                except TimeoutError:
                    await server.close()  # it did not even kill the child in time: stuck
        raise ProgramError("BACKEND_ERROR", "ParserUnavailable", "the program parser keeps failing; try again later")

    async def _ask_once(self, server: ForkServer, data: bytes, digest: str, want: str) -> dict[str, Any]:
        text_fd = os.memfd_create("program", os.MFD_CLOEXEC)
        answer_fd, child_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.write(text_fd, data)
            os.set_blocking(child_end, True)
            limits = {"wall": self.limits.wall, "cpu": self.limits.cpu, "memory": self.limits.memory}
            message = {"op": "parse", "want": want, "sha256": digest, "limits": limits}
            number, ended = server.request(message, [text_fd, child_end])
            os.close(child_end)
            child_end = -1
            answer = await _read_all(answer_fd, MAX_ANSWER + frames.HEADER)
            if len(answer) > MAX_ANSWER:
                server.kill(number)
                raise ProgramError(
                    "PAYLOAD_REJECTED", "AnswerTooLarge", "the program expands to more than 8 MiB; make it smaller"
                )
            status = await ended
        finally:
            for fd in (text_fd, answer_fd, child_end):
                if fd >= 0:
                    os.close(fd)
        if status["exit"] != 0:
            raise self._killed(status)
        if len(answer) > _INLINE_DECODING:
            return await asyncio.to_thread(_decode, answer)
        return _decode(answer)

    def _killed(self, status: dict[str, Any]) -> ProgramError:
        code = status["exit"]
        if status["why"] == "wall":
            what = f"took longer than {self.limits.wall:g} s"
        elif code == -signal.SIGXCPU:
            what = f"took more than {self.limits.cpu} s of CPU time"
        elif status["why"] == "memory" or code == _EXIT_MEMORY:
            what = f"took more than {self.limits.memory // MIB} MiB of memory"
        elif code < 0:
            name = signal.Signals(-code).name
            what = f"ended with {name}, usually for want of memory ({self.limits.memory // MIB} MiB are allowed)"
        else:
            return ProgramError(
                "BACKEND_ERROR", "ParserFailed", f"the program's parser failed with status {code} ({status['why']})"
            )
        return ProgramError(
            "PAYLOAD_REJECTED",
            "ParserKilled",
            f"reading the program {what} and was stopped: make it smaller or nest it less",
        )

    async def _running(self) -> ForkServer:
        async with self._starting:
            if self._closed:
                raise RuntimeError("the sandbox is closed")
            if self._server is None or self._server.dead:
                if self._server is not None:
                    await self._server.close()
                self._server = None
                self._server = await ForkServer.start()
            return self._server


class BlockingSandbox:
    """A sandbox for callers without an event loop: a context manager with the same `parse`."""

    def __init__(self, limits: ParserLimits = ParserLimits()) -> None:
        self._runner = asyncio.Runner()
        self._limits = limits
        self._sandbox: Sandbox | None = None

    def __enter__(self) -> BlockingSandbox:
        async def started() -> Sandbox:
            sandbox = Sandbox(self._limits)
            await sandbox.start()
            return sandbox

        self._sandbox = self._runner.run(started())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._sandbox is not None:
            self._runner.run(self._sandbox.close())
        self._runner.close()

    def parse(self, text: str, sha256: str | None = None, format_: str | None = None) -> Parsed:
        """As `Sandbox.parse`."""
        if self._sandbox is None:
            raise RuntimeError("use the sandbox in a with statement")
        return self._runner.run(self._sandbox.parse(text, sha256, format_))


def check_text(text: str, sha256: str | None, format_: str | None = None) -> tuple[bytes, str]:
    """Return the program's bytes and digest; refuse what needs no parser to be refused.

    `format_` None: the program's own first line says what it is written in.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise ProgramError("INVALID_PROGRAM", "NotText", "the program is not valid Unicode text") from error
    if len(data) > MAX_PROGRAM_BYTES:
        raise ProgramError(
            "PAYLOAD_REJECTED",
            "ProgramTooLarge",
            f"the program has {len(data)} bytes; at most {MAX_PROGRAM_BYTES} (128 KiB) are allowed",
        )
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and sha256.lower() != digest:
        raise ProgramError(
            "PAYLOAD_REJECTED",
            "DigestMismatch",
            f"the program's SHA-256 is {digest}, the manifest pins {sha256[:80]}: the program was changed, or the pin "
            "is of another one",
        )
    if format_ is not None and (wrong := wrong_format(format_, text)) is not None:
        raise ProgramError("INVALID_PROGRAM", "FormatMismatch", wrong)
    return data, digest


def _decode(answer: bytes) -> dict[str, Any]:
    """Return a child's answer, checked: the child may have been taken over by the program it read."""
    try:
        size = frames.length(answer[: frames.HEADER], MAX_ANSWER)
        message = frames.decode(answer[frames.HEADER :])
        if size != len(answer) - frames.HEADER:
            raise ValueError("it is cut off")
        if "error" in message:
            raise ProgramError.from_dict(message["error"])
        if not isinstance(message.get("analysis"), dict):
            raise ValueError("it has no analysis")
        if "circuit" in message:
            message["circuit"] = Circuit.from_dict(message["circuit"])
    except (frames.FrameError, ValueError) as error:
        raise ProgramError("BACKEND_ERROR", "BadAnswer", f"the program's parser gave a bad answer: {error}") from error
    return message


async def _read_all(fd: int, limit: int) -> bytes:
    """Read a non-blocking pipe to its end, at most a little over `limit` bytes."""
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    size = 0
    while size <= limit:
        try:
            part = os.read(fd, 1 << 18)
        except BlockingIOError:
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(fd, _wake, readable)
            try:
                await readable
            finally:
                loop.remove_reader(fd)
            continue
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
