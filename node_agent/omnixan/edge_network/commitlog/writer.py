"""Put batches into segments: adopt the end that recovery found, write, fence, begin the next segment when one is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnixan.edge_network.commitlog.recovery import nonzero
from omnixan.edge_network.commitlog.segment import DATA, Head, write_head
from omnixan.edge_network.commitlog.spare import Spare
from omnixan.edge_network.persistent_memory import record
from omnixan.edge_network.persistent_memory.medium import LINE, MediumError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnixan.edge_network.commitlog.folder import Segments
    from omnixan.edge_network.commitlog.recovery import Tail
    from omnixan.edge_network.commitlog.segments import Shelf
    from omnixan.edge_network.persistent_memory import record
from omnixan.edge_network.persistent_memory.medium import Medium


class Batch:
    """Records that one fence makes durable: those of one segment that were appended since `link`."""

    def __init__(self, head: Head, start: int, link: int) -> None:
        self.head, self.start, self.link = head, start, link
        self.size = 0
        self._records: list[bytes] = []

    @property
    def end(self) -> int:
        """The position behind the last record."""
        return self.start + self.size

    def add(self, framed: bytes) -> None:
        """One more, framed and padded."""
        self._records.append(framed)
        self.size += len(framed)

    def joined(self) -> bytes:
        """All of them in one piece."""
        return b"".join(self._records)


class Writer:
    """The writing end of a log."""

    def __init__(self, segments: Segments, shelf: Shelf, tail: Tail, segment_size: int) -> None:
        """Make what recovery found durable, and everything behind it zeros."""
        self._shelf, self._path = shelf, segments.path
        self._size = segment_size
        self._epoch = tail.epoch + 1
        self.durable = tail.position
        self.broken = False
        self._spare = Spare(segments, segment_size)
        last = shelf.last
        if last is None:
            self._number, self._planned = 0, Head(record.new_id(), 0, self._epoch, 0, segment_size)
            self._begin(self._planned)
        else:
            placed, medium = last
            self._number, self._planned = placed.number, placed.head
            _adopt(medium, placed.head, tail)
            self._spare.prepare(self._number + 1)

    @property
    def capacity(self) -> int:
        """Bytes of the largest record."""
        return self._size - DATA

    def place(self, position: int, extent: int, sequence: int) -> Head:
        """The head of the segment into which a record at `position` goes: the last planned one, or one more."""
        if position + extent > self._planned.limit:
            self._planned = Head(self._planned.id, position, self._epoch, sequence, self._size)
        return self._planned

    def write(self, batches: Sequence[Batch]) -> None:
        """Write and fence them one after another. Raises `MediumError`; `broken` then says whether the log may go on."""
        for batch in batches:
            last = self._shelf.last
            if last is None or batch.head is not last[0].head:
                self._begin(batch.head)
            with self._shelf.lock:
                medium = self._current()
                offset = batch.head.offset(batch.start)
                try:
                    write_batch(medium, offset, batch.joined())
                except MediumError:
                    self.broken = True
                    raise
                self.durable = batch.end

    def close(self) -> None:
        """Give the prepared segment back."""
        self._spare.close()

    def _current(self) -> Medium:
        last = self._shelf.last
        assert last is not None, "a writer has begun a segment"
        return last[1]

    def _begin(self, head: Head) -> None:
        """A new segment. What is before it is durable: it says where the one before ends."""
        medium = self._spare.take(self._number + 1)
        with self._shelf.lock:
            try:
                write_head(medium, head)
            except MediumError:
                self.broken = True
                medium.close()
                raise
            self._number += 1
            self._shelf.add(self._number, head, medium)
        self._spare.prepare(self._number + 1)


def write_batch(medium: Medium, offset: int, raw: bytes) -> None:
    """Records behind one another; durable when it returns."""
    medium.write(offset, raw)
    medium.persist((offset, len(raw)))


def _adopt(medium: Medium, head: Head, tail: Tail) -> None:
    """Write the last batch again and zeros behind it, and persist both.

    Its writer may have been killed before it was durable, and nothing of an interrupted batch may ever look like a record.
    """
    start, end = head.offset(tail.batch), head.offset(tail.position)
    ranges = []
    if end > start:
        medium.write(start, bytes(medium.read(start, end - start)))
        ranges.append((start, end - start))
    for offset, length in nonzero(medium, end, head.offset(head.limit) & -LINE):
        medium.write(offset, bytes(length))
        ranges.append((offset, length))
    if ranges:
        medium.persist(*ranges)
