"""Append a record behind the last one: header, name, value and a line of zeros, with one fence or two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.index import Located
from omnixan.edge_network.persistent_memory.medium import LINE
from omnixan.edge_network.persistent_memory.record import FENCED, ZERO_LINE, Header, Kind, compose, padded

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.format import Superblock
    from omnixan.edge_network.persistent_memory.medium import Medium

SMALL = 64 << 10
"""Bytes of the longest value that is put together with its header in memory first: one write instead of three."""


class Appender:
    """Where the next record of a half goes."""

    def __init__(self, medium: Medium, superblock: Superblock, tail: int, sequence: int, *, one_fence: int) -> None:
        self.medium = medium
        self.owner, self.epoch = superblock.id, superblock.epoch
        self.end = superblock.start(superblock.half) + superblock.half_size
        self.tail, self.sequence = tail, sequence
        self.one_fence = one_fence

    def append(self, kind: Kind, key: bytes, meta: bytes, value: memoryview, *, link: int, whole: int) -> Located:
        """A record with the next sequence, durable when this returns. The caller made sure that it fits."""
        fenced = FENCED if len(value) > self.one_fence else 0
        header = self.header(kind, key, meta, value, link=link, whole=whole, sequence=self.sequence + 1, flags=fenced)
        record = Located(self.tail, header, key.decode(), meta)
        if fenced:
            self.write_body(record, key + meta, value)
            self.medium.persist((record.position + LINE, header.extent))
            self.medium.write(record.position, header.pack(self.owner, record.position))
            self.medium.persist((record.position, LINE))
        else:
            self.write(record, key + meta, value)
            self.medium.persist((record.position, header.extent + LINE))
        self.tail += header.extent
        self.sequence = header.sequence
        return record

    def header(
        self, kind: Kind, key: bytes, meta: bytes, value: memoryview, *, link: int, whole: int, sequence: int, flags: int
    ) -> Header:
        """The header of such a record in this epoch."""
        return Header(
            kind,
            self.epoch,
            sequence,
            link,
            len(value),
            crc32c(value),
            crc32c(key + meta),
            flags,
            len(key),
            len(meta),
            whole,
        )

    def write(self, record: Located, name: bytes, value: memoryview) -> None:
        """Header, name, value and the line of zeros, nothing made durable yet."""
        if len(value) <= SMALL:
            raw = compose(record.header, self.owner, record.position, name, value)
            self.medium.write(record.position, raw + self._behind(record))
        else:
            self.write_body(record, name, value)
            self.medium.write(record.position, record.header.pack(self.owner, record.position))

    def write_body(self, record: Located, name: bytes, value: memoryview) -> None:
        """Name, value and the line of zeros."""
        at = record.position
        self.medium.write(at + LINE, name + bytes(padded(len(name)) - len(name)))
        self.medium.write(at + record.header.value_offset, value)
        rest = bytes(padded(len(value)) - len(value)) + self._behind(record)
        self.medium.write(at + record.header.value_offset + len(value), rest)

    def _behind(self, record: Located) -> bytes:
        """The line of zeros, if there is room for one (the caller always leaves it)."""
        return ZERO_LINE if record.position + record.header.extent + LINE <= self.end else b""
