"""Find out what is in a store: walk over the headers of the half in use, touching no value but perhaps the last.

Where the walk ends is either the store's end (nothing was ever acknowledged behind it) or damage; the two are told apart:

1. Below the superblock's floor everything was durable: a break there is damage.
2. A whole record of this epoch behind the break means that what is before it had been acknowledged: damage. Every write
   puts a line of zeros behind its record, so that the search for one happens only where a write was interrupted.
3. Otherwise the write at the break was interrupted and never acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import Corrupt
from omnixan.edge_network.persistent_memory.index import Index, Located
from omnixan.edge_network.persistent_memory.medium import LINE, ReadAhead
from omnixan.edge_network.persistent_memory.record import FENCED, ZERO_LINE, Kind, candidates, unpack

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.format import Superblock
    from omnixan.edge_network.persistent_memory.medium import Medium
    from omnixan.edge_network.persistent_memory.record import Header

DAMAGED = "restore the store from a copy, or open it with salvage=True to read what is left"

AHEAD = 1 << 20
"""Bytes that are announced at a time."""

_STORED = frozenset({Kind.PUT, Kind.DELETE, Kind.DELTA})


@dataclass(slots=True)
class Recovered:
    """What was found: the index, where the next record goes, the last sequence, the last record if it was not below
    the floor, and (salvaging) the positions of damage."""

    index: Index = field(default_factory=Index)
    tail: int = 0
    sequence: int = 0
    records: int = 0
    last: Located | None = None
    damaged: list[int] = field(default_factory=list)


class _Walk:
    """One walk over the half in use."""

    def __init__(self, medium: Medium, path: str, superblock: Superblock) -> None:
        self.medium, self.path, self.superblock = medium, path, superblock
        self.start = superblock.start(superblock.half)
        self.end = self.start + superblock.half_size
        self.sequence = 0
        self._ahead = medium.ahead if isinstance(medium, ReadAhead) else None
        self._announced = 0

    def announce(self, position: int, extent: int) -> None:
        """Where records are short the walk reads nearly every page: a file is told `AHEAD` bytes before."""
        if self._ahead is not None and extent < AHEAD // 8 and position + AHEAD // 2 > self._announced:
            self._announced = max(position, self._announced)
            self._ahead(self._announced, AHEAD)
            self._announced += AHEAD

    def header_at(self, position: int) -> Header | None:
        """The header of a record that may stand at `position`."""
        if position + LINE > self.end:
            return None
        header = unpack(self.medium.read(position, LINE), self.superblock.id, position)
        if header is None or header.kind not in _STORED or position + header.extent > self.end:
            return None
        lowest = self.superblock.epoch if position >= self.superblock.floor else self.superblock.half_epoch
        if not lowest <= header.epoch <= self.superblock.epoch or header.sequence <= self.sequence:
            return None
        return header

    def record_at(self, position: int) -> Located | None:
        """The record at `position` with its name, or None if it is not there in whole."""
        header = self.header_at(position)
        if header is None:
            return None
        self.announce(position, header.extent)
        name = bytes(self.medium.read(position + LINE, header.name_length))
        if crc32c(name) != header.name_crc:
            return None
        return Located(position, header, name[: header.key_length].decode(), name[header.key_length :])

    def is_whole(self, record: Located) -> bool:
        """Whether the value of a record that may not have been fenced is there."""
        if record.header.flags & FENCED:
            return True
        value = self.medium.read(record.position + record.header.value_offset, record.header.length)
        return crc32c(value) == record.header.value_crc

    def broken_off(self, position: int) -> int | None:
        """None if the store ends at `position`; else where its next whole record stands, or the half's end if none does."""
        below = position < self.superblock.floor
        if not below and (
            self.superblock.clean or position + LINE > self.end or self.medium.read(position, LINE) == ZERO_LINE
        ):
            return None
        for later in candidates(self.medium, position + LINE, self.end):
            if self.header_at(later) is not None:
                return later
        return self.end if below else None


def recover(medium: Medium, path: str, superblock: Superblock, *, salvage: bool = False) -> Recovered:
    """What is in the store; nothing is written.

    Raises `Corrupt` naming the position; with `salvage` it goes on at the next whole record and notes the position in
    `damaged`.
    """
    walk = _Walk(medium, path, superblock)
    found = Recovered(tail=walk.start)
    pending: Located | None = None
    while True:
        record = walk.record_at(found.tail)
        if pending is not None:
            if record is None and pending.position >= superblock.floor and not walk.is_whole(pending):
                found.tail = pending.position
            else:
                _take(found, pending, path, salvage)
            pending = None
        if record is None:
            later = walk.broken_off(found.tail)
            if later is None:
                break
            if not salvage:
                raise Corrupt(path, f"an acknowledged record is damaged ({later} is the next)", DAMAGED, position=found.tail)
            found.damaged.append(found.tail)
            if later >= walk.end:
                break
            found.tail = later
            continue
        pending, walk.sequence = record, record.header.sequence
        found.tail += record.header.extent
    found.sequence = max(found.sequence, superblock.sequence)
    if found.last is not None and found.last.position < superblock.floor:
        found.last = None
    return found


def _take(found: Recovered, record: Located, path: str, salvage: bool) -> None:
    if not found.index.apply(record):
        if not salvage:
            raise Corrupt(path, "a delta does not follow its key's newest record", DAMAGED, position=record.position)
        found.damaged.append(record.position)
    found.records += 1
    found.last = record
    found.sequence = record.header.sequence
