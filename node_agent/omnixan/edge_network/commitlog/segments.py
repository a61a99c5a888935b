"""All segments of a log in order: which holds a position, reading a record there, giving old ones back."""

from __future__ import annotations

import bisect
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from omnixan.edge_network.commitlog.entry import Entry
from omnixan.edge_network.commitlog.recovery import DAMAGED, Tail, find_tail, header_at, payload_of
from omnixan.edge_network.commitlog.segment import DATA, MINIMUM, Head, is_unused, read_head
from omnixan.edge_network.persistent_memory.errors import BadArgument, Corrupt, NotAStore
from omnixan.edge_network.persistent_memory.medium import MediumMissing, Tier
from omnixan.edge_network.persistent_memory.record import Kind

if TYPE_CHECKING:
    from omnixan.edge_network.commitlog.folder import Segments
    from omnixan.edge_network.persistent_memory.medium import Medium

OPEN = 4
"""Older segments that are kept open for readers."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment: its number in the folder and its head."""

    number: int
    head: Head


class Shelf:
    """The segments of a log. `lock` is held by whoever uses a medium: a medium is not for several threads at once."""

    def __init__(self, segments: Segments) -> None:
        """An empty one."""
        self.lock = threading.Lock()
        self.tier = Tier.T3
        self._segments = segments
        self._path = segments.path
        self._placed: list[Placed] = []
        self._last: Medium | None = None
        self._open: dict[int, Medium] = {}

    @classmethod
    def recover(cls, segments: Segments, *, readonly: bool, segment_size: int) -> tuple[Self, Tail]:
        """What is in the folder and where it ends. Only a segment that holds no record yet is removed, and not by a reader.

        Raises `Corrupt` where the heads do not follow on one another or an acknowledged record of the last segment is
        damaged.
        """
        shelf = cls(segments)
        try:
            return shelf, shelf._recover(readonly)
        except BaseException:
            shelf.close()
            raise

    def _recover(self, readonly: bool) -> Tail:
        headless: list[int] = []
        for number in self._segments.numbers():
            try:
                medium = self._segments.open(number, readonly=True)
            except MediumMissing:
                if self._placed or not readonly:
                    raise
                continue  # its writer truncated the log just now
            try:
                if medium.size < MINIMUM:
                    raise self._cut_off(number, medium.size, self._limit())
                head = read_head(medium, self._path)
                if head is not None and medium.size < head.size:
                    raise self._cut_off(number, medium.size, head.base + medium.size - DATA)
                unused = head is None and is_unused(medium)
            finally:
                medium.close()
            if head is None and unused:
                headless.append(number)
                continue
            if head is None or headless or not self._follows(head):
                raise Corrupt(
                    self._path, f"segment {number} does not follow on the one before", DAMAGED, position=self._limit()
                )
            self._placed.append(Placed(number, head))
        if not readonly:
            for number in headless:
                self._segments.remove(number)
        if not self._placed:
            if readonly:
                raise NotAStore(self._path, "there is no log in it yet", "open it for writing first")
            return Tail(0, 0, 0, 0, closed=False)
        self._last = self._segments.open(self._placed[-1].number, readonly=readonly)
        self.tier = self._last.tier
        return find_tail(self._last, self._placed[-1].head, self._path)

    def _cut_off(self, number: int, size: int, position: int) -> Corrupt:
        """A segment has its name only when all of it is there: whether the lost part held records, nobody can say."""
        return Corrupt(self._path, f"segment {number} is cut off after {size} bytes", DAMAGED, position=position)

    def _limit(self) -> int:
        return self._placed[-1].head.limit if self._placed else 0

    def _follows(self, head: Head) -> bool:
        if not self._placed:
            return True
        last = self._placed[-1].head
        return head.id == last.id and last.base < head.base <= last.limit and head.sequence > last.sequence

    @property
    def first_position(self) -> int:
        """Where the first segment begins."""
        return self._placed[0].head.base if self._placed else 0

    @property
    def last(self) -> tuple[Placed, Medium] | None:
        """The segment that is written to, or None in a new log."""
        return (self._placed[-1], self._last) if self._last is not None else None

    def add(self, number: int, head: Head, medium: Medium) -> None:
        """A new last segment; the one before may be closed from now on. Under the lock."""
        if self._last is not None:
            self._last.close()
        self._placed.append(Placed(number, head))
        self._last = medium
        self.tier = medium.tier

    def entry_at(self, position: int, end: int) -> tuple[Entry | None, int]:
        """The entry at a position below `end` (None where the log was closed once) and the position behind it."""
        with self.lock:
            index = bisect.bisect_right(self._placed, position, key=lambda placed: placed.head.base) - 1
            if index < 0:
                raise Corrupt(self._path, "it was truncated while it was read", "read from 0", position=position)
            head = self._placed[index].head
            medium = self._medium(index)
            limit = self._placed[index + 1].head.base if index + 1 < len(self._placed) else end
            header = header_at(medium, head, position)
            if header is None or position + header.extent > limit:
                if (position - head.base) % 64:
                    raise BadArgument(self._path, f"no record begins at {position}", "use a position that the log gave")
                raise Corrupt(self._path, "there is no whole record", DAMAGED, position=position)
            payload = payload_of(medium, head, position, header)
        if payload is None:
            raise Corrupt(self._path, "the payload is damaged", DAMAGED, position=position)
        behind = position + header.extent
        return (Entry(position, behind, payload) if header.kind is Kind.DATA else None), behind

    def _medium(self, index: int) -> Medium:
        if index == len(self._placed) - 1 and self._last is not None:
            return self._last
        number = self._placed[index].number
        if number not in self._open:
            while len(self._open) >= OPEN:
                self._open.pop(next(iter(self._open))).close()
            self._open[number] = self._segments.open(number, readonly=True)
        return self._open[number]

    def drop_before(self, position: int) -> None:
        """Remove segments, oldest first, that end at or before `position`; the last one stays."""
        while True:
            with self.lock:
                if len(self._placed) < 2 or self._placed[1].head.base > position:
                    return
                number = self._placed[0].number
                medium = self._open.pop(number, None)
                if medium is not None:
                    medium.close()
                self._segments.remove(number)
                del self._placed[0]

    def close(self) -> None:
        """Close every medium."""
        with self.lock:
            for medium in self._open.values():
                medium.close()
            self._open.clear()
            if self._last is not None:
                self._last.close()
                self._last = None
