"""The program analyzer: a container beside the operator that tells what a program takes, and never runs one.

The operator holds an API token, so it must not parse strangers' programs; this process holds nothing. It listens on a
Unix socket that both containers mount. Protocol:

- A frame is 4 bytes, big-endian, the length of the body, and the body: a JSON object in UTF-8. Requests have at most
  1 MiB. One connection may send any number of requests, each after the answer to the one before.
- Request: {"format": "openqasm3" | "openqasm2", "data": "<program text>", "sha256": "<64 hex digits>"?}. With
  `sha256` a text of another digest is refused (PAYLOAD_REJECTED, DigestMismatch).
- Answer: {"analysis": {"qubits", "depth", "twoQubitGates", "gates": {name: number}, "sha256"}} or
  {"error": {"category", "reason", "message", "line"?}} with a category of `api.categories`. A frame that is no request
  is answered with INVALID_PROGRAM/BadRequest; after one that is too long the connection is closed too.

An answer takes up to 5 s plus the time programs before it take; at most four are read at once. Answers are kept by
digest. A program whose reading was stopped is kept for a few minutes only (a busy machine may have been the cause), a
failure of the analyzer itself (BACKEND_ERROR: ask again later) not at all.

`omnixan-analyzer --socket PATH` serves; with `--check` it asks the one that serves, for use as a readiness probe.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, get_args

from omnixan.edge_network.api.workload import Format
from omnixan.edge_network.quantum import frames
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.sandbox import Sandbox, check_text

DEFAULT_SOCKET = "/run/omnixan/analyzer.sock"
MAX_REQUEST = 1024 * 1024
MAX_CONNECTIONS = 64
CACHED_ANSWERS = 1024
KILLED_FOR = 300.0
CHECK_TIMEOUT = 10.0

FORMATS = get_args(Format)

_CHECK = "OPENQASM 3.0; qubit q; bit c; c = measure q;"

log = logging.getLogger("omnixan.analyzer")


class Analyzer:
    """Answers requests, from memory where it can. Equal programs that come at the same time are read once."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._answers: OrderedDict[str, tuple[dict[str, Any], float]] = OrderedDict()
        self._reading: dict[str, asyncio.Task[dict[str, Any]]] = {}

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request, as in this module's docstring; never raises for a bad one."""
        text, sha256 = request.get("data"), request.get("sha256")
        format_ = request.get("format")
        if format_ not in FORMATS:
            return _error("CAPABILITY_MISMATCH", "UnknownFormat", f"format must be one of {', '.join(FORMATS)}")
        if not isinstance(text, str) or not (sha256 is None or isinstance(sha256, str)):
            return _error("INVALID_PROGRAM", "BadRequest", "data must be the program's text, sha256 a string")
        try:
            _, digest = check_text(text, sha256, format_)
        except ProgramError as error:
            return {"error": error.to_dict()}
        kept = self._answers.get(digest)
        if kept is not None and kept[1] > time.monotonic():
            self._answers.move_to_end(digest)
            return kept[0]
        task = self._reading.get(digest)
        if task is None:
            task = self._reading[digest] = asyncio.create_task(self._read(text, digest))
            task.add_done_callback(lambda _: self._reading.pop(digest, None))
        return await asyncio.shield(task)

    async def _read(self, text: str, digest: str) -> dict[str, Any]:
        expires = float("inf")
        try:
            answer: dict[str, Any] = {"analysis": await self._sandbox.analyze(text)}
        except ProgramError as error:
            answer = {"error": error.to_dict()}
            if error.category == "BACKEND_ERROR":
                return answer
            if error.reason == "ParserKilled":
                log.warning("program %s: %s", digest, error)
                expires = time.monotonic() + KILLED_FOR
        self._answers[digest] = (answer, expires)
        if len(self._answers) > CACHED_ANSWERS:
            self._answers.popitem(last=False)
        return answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        try:
            while (request := await self._request(reader, writer)) is not None:
                writer.write(frames.encode(await self.answer(request)))
                await writer.drain()
        except ConnectionError:
            pass  # the other end is gone
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any] | None:
        try:
            return await frames.read(reader, MAX_REQUEST)
        except frames.FrameError as error:
            writer.write(frames.encode(_error("INVALID_PROGRAM", "BadRequest", f"{error}")))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            return None


def _error(category: str, reason: str, message: str) -> dict[str, Any]:
    return {"error": ProgramError(category, reason, message).to_dict()}


def _share(path: str) -> None:
    Path(path).chmod(0o660)  # the operator's container shares the pod's group


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


async def serve(path: str, stop: asyncio.Event) -> None:
    """Listen on the Unix socket `path` until `stop` is set; the socket exists only once programs can be read."""
    open_connections = 0

    async with Sandbox() as sandbox:
        analyzer = Analyzer(sandbox)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_connections
            if open_connections >= MAX_CONNECTIONS:
                writer.close()
                return
            open_connections += 1
            try:
                await analyzer.serve(reader, writer)
            finally:
                open_connections -= 1

        server = await asyncio.start_unix_server(connected, path)
        _share(path)
        log.info("serving on %s", path)
        try:
            await stop.wait()
        finally:
            server.close()
            _remove(path)


async def check(path: str) -> dict[str, Any]:
    """Ask the analyzer on `path` about a small program and return its answer."""
    async with asyncio.timeout(CHECK_TIMEOUT):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(frames.encode({"format": "openqasm3", "data": _CHECK}))
            await writer.drain()
            answer = await frames.read(reader)
        finally:
            writer.close()
    if answer is None:
        raise ConnectionError("the analyzer closed the connection")
    return answer


async def _run(path: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(path, stop)


def main(arguments: list[str] | None = None) -> int:
    """Serve, or check the one that serves; return the exit status."""
    parser = argparse.ArgumentParser(prog="omnixan-analyzer", description="Tell what quantum programs take.")
    parser.add_argument("--socket", default=DEFAULT_SOCKET, help="path of the Unix socket (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="ask the analyzer that serves there; status 0 if it answers")
    options = parser.parse_args(arguments)
    if options.check:
        try:
            answer = asyncio.run(check(options.socket))
        except (OSError, TimeoutError, frames.FrameError) as error:
            print(f"the analyzer on {options.socket} does not answer: {error or 'timeout'}", file=sys.stderr)
            return 1
        if "analysis" not in answer:
            print(f"the analyzer on {options.socket} is not well: {answer}", file=sys.stderr)
            return 1
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(options.socket))
    return 0


if __name__ == "__main__":
    sys.exit(main())
