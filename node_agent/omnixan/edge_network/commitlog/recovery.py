"""Find the end of a log: walk over the headers of its last segment and check the payloads of the last batch.

A batch is what one fence made durable; every record names where its batch began, and what is before that was durable
when it was written. So a break is an interrupted batch, unless a whole record behind it belongs to a later batch: then
it is damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnixan.edge_network.commitlog.segment import Head
from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import Corrupt
from omnixan.edge_network.persistent_memory.medium import LINE
from omnixan.edge_network.persistent_memory.record import ZERO_LINE, Header, Kind, candidates, unpack

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.medium import Medium

LOOKS = 3
"""A reader may look while the writer goes on: what seems damaged is looked at again."""

DAMAGED = "restore the segment from a copy, or remove the log and what follows from it"


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a log ends: position and sequence of the next record; epoch, batch and kind (closed: END) of the last."""

    position: int
    sequence: int
    epoch: int
    batch: int
    closed: bool


def header_at(medium: Medium, head: Head, position: int) -> Header | None:
    """The header of the record at `position` of a segment, or None if none stands there."""
    if not head.base <= position <= head.limit - LINE:
        return None
    header = unpack(medium.read(head.offset(position), LINE), head.id, position)
    if header is None or header.kind not in (Kind.DATA, Kind.END) or position + header.extent > head.limit:
        return None
    return header


def payload_of(medium: Medium, head: Head, position: int, header: Header) -> bytes | None:
    """A copy of the record's payload, or None if it is not what was written."""
    payload = bytes(medium.read(head.offset(position) + header.value_offset, header.length))
    return payload if crc32c(payload) == header.value_crc else None


def find_tail(medium: Medium, head: Head, path: str) -> Tail:
    """The end of the log in its last segment; nothing is written. Raises `Corrupt` naming the position."""
    for _ in range(LOOKS):
        tail = _walk(medium, head)
        later = _later(medium, head, tail.position)
        if later is None:
            return tail
    raise Corrupt(path, f"an acknowledged record is damaged: a later one stands at {later}", DAMAGED, position=tail.position)


def _walk(medium: Medium, head: Head) -> Tail:
    walked: list[tuple[int, Header]] = []
    position, sequence, epoch, batch = head.base, head.sequence, head.epoch, head.base
    while (header := header_at(medium, head, position)) is not None:
        if header.sequence != sequence or header.epoch < epoch or not batch <= max(header.link, head.base) <= position:
            break
        walked.append((position, header))
        position, sequence, epoch, batch = position + header.extent, sequence + 1, header.epoch, max(header.link, head.base)
    for number, (at, header) in enumerate(walked):
        if at >= batch and payload_of(medium, head, at, header) is None:
            position, walked = at, walked[:number]
            break
    if not walked:
        return Tail(head.base, head.sequence, head.epoch, head.base, closed=False)
    last = walked[-1][1]
    return Tail(position, last.sequence + 1, last.epoch, max(last.link, head.base), closed=last.kind is Kind.END)


def _later(medium: Medium, head: Head, position: int) -> int | None:
    """Where behind a break at `position` a record of a later batch stands, if one does."""
    if position + LINE > head.limit or medium.read(head.offset(position), LINE) == ZERO_LINE:
        return None
    for offset in candidates(medium, head.offset(position) + LINE, head.offset(head.limit) & -LINE):
        later = position + offset - head.offset(position)
        header = header_at(medium, head, later)
        if header is not None and header.link > position:
            return later
    return None


def nonzero(medium: Medium, start: int, stop: int) -> list[tuple[int, int]]:
    """The (offset, length) pieces of start..stop that hold anything but zeros."""
    piece = 64 << 10
    zeros = bytes(piece)
    found = []
    for offset in range(start, stop, piece):
        length = min(piece, stop - offset)
        if medium.read(offset, length) != zeros[:length]:
            found.append((offset, length))
    return found
