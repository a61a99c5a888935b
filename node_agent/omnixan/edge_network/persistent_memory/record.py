"""A record on a medium: the one framing, used by the store and by the log.

    header, 64 bytes | name (key, then metadata), padded to 64 | value, padded to 64

    offset bytes
       0     4   magic "OMXR" ┐ the commit word: the record is there if this is right
       4     4   header CRC   ┘
       8     8   epoch of the writer
      16     8   sequence
      24     8   link: store: position of the record that a delta changes; log: start of the batch
      32     8   bytes of the value
      40     4   CRC32C of the value
      44     4   CRC32C of the name
      48     1   kind
      49     1   flags
      50     2   bytes of the key
      52     4   bytes of the metadata
      56     8   whole: bytes of the value that a delta results in, else the bytes of the value

Little endian. The header's CRC32C covers the owner (the store's or log's id) and the position too, so that neither a
copy of a record inside
a value nor one of a former life of the medium is taken for a record.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.medium import LINE

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from omnixan.edge_network.persistent_memory.medium import Medium

MAGIC = b"OMXR"
ZERO_LINE = bytes(LINE)
FENCED = 1
"""Flag: name and value were durable before the header was written, so that a header that is there has its value."""

_BODY = struct.Struct("<QQQQIIBBHIQ")
_COMMIT = struct.Struct("<4sI")
_PLACE = struct.Struct("<16sQ")
_GAPS = [bytes(length) for length in range(LINE)]
_SEALED = struct.Struct(_PLACE.format + _BODY.format.removeprefix("<"))
_SEARCHED = 1 << 20


class Kind(IntEnum):
    """What a record says."""

    PUT = 1
    """The key has this value."""
    DELETE = 2
    """The key has no value."""
    DELTA = 3
    """The key has the value of the record at `link` with these ranges replaced."""
    DATA = 4
    """An entry of a log."""
    END = 5
    """The log was closed here."""


_KINDS = {int(kind): kind for kind in Kind}


def padded(length: int) -> int:
    """`length` rounded up to whole lines."""
    return (length + LINE - 1) & -LINE


def new_id() -> bytes:
    """16 random bytes that name a store or a log."""
    return os.urandom(16)


class Header(NamedTuple):
    """The fields of a header, as in the module's table and in its order."""

    epoch: int
    sequence: int
    link: int
    length: int
    value_crc: int
    name_crc: int
    kind: Kind
    flags: int
    key_length: int
    meta_length: int
    whole: int

    @property
    def name_length(self) -> int:
        """Bytes of key and metadata together, without padding."""
        return self.key_length + self.meta_length

    @property
    def value_offset(self) -> int:
        """Where the value begins, from the record's position."""
        return LINE + (self.key_length + self.meta_length + LINE - 1 & -LINE)

    @property
    def extent(self) -> int:
        """Bytes of the whole record, padding included."""
        return LINE + (self.key_length + self.meta_length + LINE - 1 & -LINE) + (self.length + LINE - 1 & -LINE)

    def pack(self, owner: bytes, position: int) -> bytes:
        """The 64 bytes that stand at `position` of `owner`'s (16 bytes) medium."""
        sealed = _SEALED.pack(owner, position, *self)
        return _COMMIT.pack(MAGIC, crc32c(sealed)) + sealed[_PLACE.size :]


def extent_of(key_length: int, meta_length: int, length: int) -> int:
    """Bytes that a record with a name and value of these lengths takes."""
    return LINE + (key_length + meta_length + LINE - 1 & -LINE) + (length + LINE - 1 & -LINE)


def unpack(line: Buffer, owner: bytes, position: int) -> Header | None:
    """The header in the 64 bytes of `line`, or None when no record of `owner` was committed at `position`."""
    raw = bytes(line)
    magic, crc = _COMMIT.unpack_from(raw)
    if magic != MAGIC or crc != crc32c(_PLACE.pack(owner, position) + raw[_COMMIT.size :]):
        return None
    epoch, sequence, link, length, value_crc, name_crc, number, flags, keys, metas, whole = _BODY.unpack_from(
        raw, _COMMIT.size
    )
    kind = _KINDS.get(number)
    if kind is None:
        return None
    return Header(epoch, sequence, link, length, value_crc, name_crc, kind, flags, keys, metas, whole)


def compose(header: Header, owner: bytes, position: int, name: bytes, *value: Buffer, behind: bytes = b"") -> bytes:
    """The whole record in one piece, padding and then `behind` included: for small values (in pieces, if there are any)."""
    sealed = _SEALED.pack(owner, position, *header)
    commit = _COMMIT.pack(MAGIC, crc32c(sealed))
    gap, end = _GAPS[-len(name) & LINE - 1], _GAPS[-header.length & LINE - 1]
    return b"".join((commit, sealed[_PLACE.size :], name, gap, *value, end, behind))


def candidates(medium: Medium, start: int, stop: int) -> Iterator[int]:
    """Positions of lines in start..stop (both multiples of 64) that begin like a record."""
    for base in range(start, stop, _SEARCHED):
        piece = bytes(medium.read(base, min(_SEARCHED, stop - base)))
        found = piece.find(MAGIC)
        while found >= 0:
            if found % LINE == 0:
                yield base + found
            found = piece.find(MAGIC, found + 1)
