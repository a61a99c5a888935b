"""Append a record behind the last one: header, name, value and a line of zeros, with one fence or two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.crc32c import crc32c, crc32c_beside
from omnixan.edge_network.persistent_memory.index import Located
from omnixan.edge_network.persistent_memory.medium import LINE
from omnixan.edge_network.persistent_memory.record import FENCED, ZERO_LINE, Header, Kind, compose

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.format import Superblock
    from omnixan.edge_network.persistent_memory.medium import Medium

SMALL = 128 << 10
"""Bytes of the longest value that is put together with its header in memory first: one write instead of three."""

MANY = 16
"""Pieces of a longer value that are written one by one; more are put together first."""

Piece = bytes | memoryview
"""A part of a value: contiguous bytes, of format "B" where it is a view."""


class Appender:
    """Where the next record of a half goes."""

    def __init__(self, medium: Medium, superblock: Superblock, tail: int, sequence: int, *, one_fence: int) -> None:
        self.medium = medium
        self.owner, self.epoch = superblock.id, superblock.epoch
        self.end = superblock.start(superblock.half) + superblock.half_size
        self.tail, self.sequence = tail, sequence
        self.one_fence = one_fence

    def append(self, kind: Kind, key: str, name: bytes, *value: Piece, link: int = 0, whole: int) -> Located:
        """A record with the next sequence, durable when this returns. The caller made sure that it fits.

        `name` is the key's bytes and then the metadata's; the value is what its pieces are together.
        """
        at, sequence = self.tail, self.sequence + 1
        length = len(value[0]) if len(value) == 1 else sum(map(len, value))
        keys = len(key) if key.isascii() else len(key.encode())
        fenced = length > self.one_fence
        header = self.header(
            kind, name, keys, length, 0 if fenced else _checksum(value), link, whole, sequence, FENCED if fenced else 0
        )
        record = Located(at, header, key, name[keys:])
        end = at + header.extent
        if fenced:
            checksum = self._body_and_checksum(record, name, value)
            self.medium.persist((at + LINE, end - at))
            record = record._replace(header=header._replace(value_crc=checksum))
            self.write_header(record)
            self.medium.persist((at, LINE))
        else:
            self.write(record, name, *value)
            self.medium.persist((at, end - at + LINE))
        self.tail, self.sequence = end, sequence
        return record

    def add(self, key: str, name: bytes, value: Piece) -> Located:
        """As `append` of a whole value, for a half that is made durable and put into use in one go afterwards."""
        at, keys = self.tail, len(key.encode())
        header = self.header(Kind.PUT, name, keys, len(value), 0, 0, len(value), self.sequence + 1, FENCED)
        record = Located(at, header, key, name[keys:])
        checksum = self._body_and_checksum(record, name, (value,))
        record = record._replace(header=header._replace(value_crc=checksum))
        self.write_header(record)
        self.tail = at + header.extent
        self.sequence += 1
        return record

    def _body_and_checksum(self, record: Located, name: bytes, value: tuple[Piece, ...]) -> int:
        if len(value) == 1:
            return crc32c_beside(value[0], lambda: self.write_body(record, name, *value))
        self.write_body(record, name, *value)
        return _checksum(value)

    def header(
        self,
        kind: Kind,
        name: bytes,
        keys: int,
        length: int,
        checksum: int,
        link: int,
        whole: int,
        sequence: int,
        flags: int,
    ) -> Header:
        """The header of such a record in this epoch; `keys` bytes of the name are the key, the rest is metadata."""
        metas = len(name) - keys
        return Header(self.epoch, sequence, link, length, checksum, crc32c(name), kind, flags, keys, metas, whole)

    def write(self, record: Located, name: bytes, *value: Piece) -> None:
        """Header, name, value and the line of zeros, nothing made durable yet."""
        at, header = record.position, record.header
        if header.length <= SMALL:
            raw = compose(header, self.owner, at, name, *value, behind=self._behind(at + header.extent))
            self.medium.write(at, raw)
        else:
            self.write_body(record, name, *value)
            self.write_header(record)

    def write_header(self, record: Located) -> None:
        """The header alone, which makes a record of what stands behind it."""
        self.medium.write(record.position, record.header.pack(self.owner, record.position))

    def write_body(self, record: Located, name: bytes, *value: Piece) -> None:
        """Name, value and the line of zeros."""
        header, at = record.header, record.position + LINE
        self.medium.write(at, name + bytes(-len(name) & LINE - 1))
        at = record.position + header.value_offset
        for piece in value if len(value) <= MANY else (b"".join(value),):
            self.medium.write(at, piece)
            at += len(piece)
        self.medium.write(at, bytes(-header.length & LINE - 1) + self._behind(record.position + header.extent))

    def _behind(self, end: int) -> bytes:
        """The line of zeros, if there is room for one (the caller always leaves it)."""
        return ZERO_LINE if end + LINE <= self.end else b""


def _checksum(value: tuple[Piece, ...]) -> int:
    checksum = crc32c(value[0]) if value else 0
    for piece in value[1:]:
        checksum = crc32c(piece, checksum)
    return checksum
