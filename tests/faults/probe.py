"""Asks an operator at its own HTTP endpoint, as the kubelet does: aiohttp's server runs as it is, but for the socket."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from tests.faults.virtualtime import CLIENT, VirtualLoop

TIMEOUT = 1.0
"""Seconds after which no answer counts as one: the kubelet's default."""


class _Answer(asyncio.Transport):
    """The server's transport: keeps what it writes until it closes."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.data = b""
        self.done = loop.create_future()

    def write(self, data: Any) -> None:
        self.data += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.done.done()

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return


async def probe(loop: VirtualLoop, client: str, path: str) -> tuple[int, str]:
    """The HTTP status of the answer and its body; 0: nobody listens, or nobody answers in time."""
    factory = loop.listening.get(client)
    if factory is None:
        return 0, ""
    context = contextvars.copy_context()
    context.run(CLIENT.set, client)  # what the server does about it is done by the operator, which may be frozen
    answer = _Answer(loop)
    protocol = context.run(factory)
    context.run(protocol.connection_made, answer)
    context.run(protocol.data_received, f"GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n".encode())
    try:
        async with asyncio.timeout(TIMEOUT):
            await answer.done
    except TimeoutError:
        return 0, ""
    finally:
        loop.call_soon(protocol.connection_lost, None, context=context)
    head, _, body = answer.data.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body.decode()
