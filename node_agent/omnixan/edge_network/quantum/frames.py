"""Length-prefixed JSON, the one wire format between this package's processes.

A frame is the length of its body (4 bytes, big-endian) and the body, a JSON object in UTF-8.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

HEADER = 4
MAX_FRAME = 16 * 1024 * 1024


class FrameError(Exception):
    """What came is not a frame, or is larger than allowed."""


def encode(message: dict[str, Any], limit: int = MAX_FRAME) -> bytes:
    """Return a message as one frame; FrameError above `limit` bytes of body."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(body) > limit:
        raise FrameError(f"a message of {len(body)} bytes is over the limit of {limit}")
    return len(body).to_bytes(HEADER, "big") + body


def decode(body: bytes) -> dict[str, Any]:
    """Return the message of a frame's body."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise FrameError("a frame is not a JSON object")
    return message


def length(header: bytes, limit: int) -> int:
    """Return the length a header announces; FrameError above `limit`."""
    size = int.from_bytes(header, "big")
    if size > limit:
        raise FrameError(f"a frame of {size} bytes is over the limit of {limit}")
    return size


def receive(sock: socket.socket, limit: int = MAX_FRAME) -> dict[str, Any] | None:
    """Read one message from a blocking socket; None at a clean end, FrameError if it ends within a frame."""
    header = _exactly(sock, HEADER)
    if header is None:
        return None
    body = _exactly(sock, length(header, limit))
    if body is None:
        raise FrameError("the connection ended within a frame")
    return decode(body)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    parts: list[bytes] = []
    missing = size
    while missing:
        part = sock.recv(min(missing, 1 << 20))
        if not part:
            if parts:
                raise FrameError("the connection ended within a frame")
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


async def read(reader: asyncio.StreamReader, limit: int = MAX_FRAME) -> dict[str, Any] | None:
    """Read one message from a stream; None at a clean end, FrameError if it ends within a frame."""
    try:
        header = await reader.readexactly(HEADER)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise FrameError("the connection ended within a frame") from error
        return None
    try:
        return decode(await reader.readexactly(length(header, limit)))
    except asyncio.IncompleteReadError as error:
        raise FrameError("the connection ended within a frame") from error
