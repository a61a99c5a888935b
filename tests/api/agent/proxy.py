"""A TCP proxy in front of the API server: the link that an edge node loses."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


class Link:
    """A link to a server, by a loop in a thread of its own. `cut` breaks it, `freeze` makes it silent."""

    def __init__(self, server: str, *, up: bool = True) -> None:
        parts = urlsplit(server)
        self._scheme = parts.scheme
        self._target = (parts.hostname or "", parts.port or 443)
        self._up = up
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._port = 0

    def __enter__(self) -> Link:
        self._thread.start()
        self._flowing = asyncio.Event()
        self._flowing.set()
        server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self._port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._do(self._break())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The server's URL by this link."""
        return f"{self._scheme}://127.0.0.1:{self._port}"

    def cut(self) -> None:
        """Break all connections, refuse new ones."""
        self._up = False
        self._do(self._break())

    def mend(self) -> None:
        """Let new connections through."""
        self._up = True

    def freeze(self) -> None:
        """Pass nothing on in either direction, and tell nobody."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """Pass on what was held back, and all that follows."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def _do(self, work: Awaitable[Any]) -> Any:
        async def done() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    async def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        if not self._up:  # it was cut meanwhile
            writer.transport.abort()
            far_writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}
            writer.close()
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
