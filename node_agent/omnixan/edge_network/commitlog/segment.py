"""A segment of the log: a head, twice, then records one after another.

    0     head (64 bytes)       a head, little endian:
    2048  the same again        0   8s  magic "OMNIXLOG"         32  u64 base: position of its first record
    4096  records               8   u32 version                  40  u64 epoch: the opening that made it
                                12  u32 CRC32C of all the rest   48  u64 sequence of its first record
                                16  16s id of the log            56  u64 bytes of the segment, head included

A position counts the bytes of records since the log began: the record at position p of a segment with base b stands at
4096 + p - b. A segment ends where the next one begins; behind the last record are zeros. Magic, version and CRC keep
their places in every later version.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import NewerFormat
from omnixan.edge_network.persistent_memory.medium import LINE

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.medium import Medium

MAGIC = b"OMNIXLOG"
VERSION = 1
COPIES = (0, 2048)
DATA = 4096
MINIMUM = DATA + 4096
"""Bytes of the smallest segment."""

_HEAD = struct.Struct("<8sII")
_BODY = struct.Struct("<16sQQQQ")


@dataclass(frozen=True, slots=True)
class Head:
    """The fields of a segment's head, as in the module's table."""

    id: bytes
    base: int
    epoch: int
    sequence: int
    size: int

    @property
    def limit(self) -> int:
        """The position behind the last byte that this segment could hold."""
        return self.base + self.size - DATA

    def offset(self, position: int) -> int:
        """Where the record at `position` stands on the segment's medium."""
        return DATA + position - self.base

    def pack(self) -> bytes:
        """The 64 bytes."""
        body = _BODY.pack(self.id, self.base, self.epoch, self.sequence, self.size)
        return _HEAD.pack(MAGIC, VERSION, _crc(VERSION, body)) + body


def _crc(version: int, body: bytes) -> int:
    return crc32c(body, crc32c(MAGIC + version.to_bytes(4, "little")))


def write_head(medium: Medium, head: Head) -> None:
    """Make an empty medium a segment; durable when it returns."""
    for copy in COPIES:
        medium.write(copy, head.pack())
    medium.persist(*((copy, LINE) for copy in COPIES))


def read_head(medium: Medium, path: str) -> Head | None:
    """The head, or None where no copy is whole; raises `NewerFormat`."""
    for copy in COPIES:
        raw = bytes(medium.read(copy, LINE))
        magic, version, crc = _HEAD.unpack_from(raw)
        body = raw[_HEAD.size :]
        if magic == MAGIC and crc == _crc(version, body):
            if version > VERSION:
                raise NewerFormat(
                    path,
                    f"it is in version {version} of the format, this program knows {VERSION}",
                    "open it with a release that knows it",
                )
            return Head(*_BODY.unpack(body))
    return None


def is_unused(medium: Medium) -> bool:
    """Whether no record was ever written to it: the head is durable before the first one is."""
    return not any(medium.read(DATA, LINE))
