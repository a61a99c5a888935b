"""The log: append, commit, read by position, truncate.

`append` puts a record into memory and says where it will stand. `commit` makes all that was appended durable: the first
thread that comes writes for all that wait, the others wait for it (group commit). A batch is written with one fence a
segment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from omnixan.edge_network.commitlog.entry import Entry
from omnixan.edge_network.commitlog.folder import Folder
from omnixan.edge_network.commitlog.recovery import Tail
from omnixan.edge_network.commitlog.segment import MINIMUM
from omnixan.edge_network.commitlog.segments import Shelf
from omnixan.edge_network.commitlog.writer import Batch, Writer
from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import BadArgument, Closed, Failed, PositionGone, ReadOnly, TooLarge
from omnixan.edge_network.persistent_memory.medium import LINE, Ack, MediumError
from omnixan.edge_network.persistent_memory.record import Header, Kind, compose, extent_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from omnixan.edge_network.commitlog.folder import Segments

SEGMENT_SIZE = 16 << 20
"""Bytes of a segment where nothing else is asked for."""

BUFFER = 8 << 20
"""Bytes that may wait for a commit; more, and `append` commits by itself."""


class Log:
    """A log of payloads. One process writes; its methods may be called from several threads."""

    def __init__(self, segments: Segments, shelf: Shelf, writer: Writer | None, tail: Tail) -> None:
        """Use `Log.open` or `Log.over`."""
        self._segments, self._shelf, self._writer = segments, shelf, writer
        self._path = segments.path
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[Batch] = []
        self._waiting_bytes = 0
        self._writing = False
        self._next = self._durable = tail.position
        self._sequence, self._epoch = tail.sequence, tail.epoch + 1
        self._ended = tail.closed
        self._closed = False
        self._failed: MediumError | None = None

    @classmethod
    def open(cls, folder: Path | str, *, readonly: bool = False, segment_size: int = SEGMENT_SIZE) -> Self:
        """The log in `folder`, made if there is none. A reader takes no lock and sees what was durable when it opened.

        Raises `StoreLocked`, `Corrupt` (naming the position), `NewerFormat`, or what the file system says by name.
        """
        return cls.over(Folder(Path(folder), readonly=readonly), readonly=readonly, segment_size=segment_size)

    @classmethod
    def over(cls, segments: Segments, *, readonly: bool = False, segment_size: int = SEGMENT_SIZE) -> Self:
        """The log in these segments; it owns them from then on, also when this raises."""
        try:
            if segment_size < MINIMUM or segment_size % LINE:
                raise BadArgument(
                    segments.path,
                    f"a segment of {segment_size} bytes",
                    f"use a multiple of {LINE} of at least {MINIMUM}",
                )
            shelf, tail = Shelf.recover(segments, readonly=readonly, segment_size=segment_size)
            try:
                writer = None if readonly else Writer(segments, shelf, tail, segment_size)
            except BaseException:
                shelf.close()
                raise
        except BaseException:
            segments.close()
            raise
        return cls(segments, shelf, writer, tail)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def append(self, payload: Buffer) -> int:
        """Take the payload in and return its position; it is durable after the next `commit`.

        Raises `TooLarge` for a payload that fits into no segment.
        """
        raw = memoryview(payload).cast("B")
        with self._changed:
            writer = self._check_writable()
            extent = extent_of(0, 0, len(raw))
            if extent > writer.capacity:
                raise TooLarge(
                    self._path,
                    f"a payload of {len(raw)} bytes fits into no segment",
                    f"use at most {writer.capacity - LINE}",
                )
            full = self._waiting_bytes + extent > BUFFER
        if full:
            self.commit()
        with self._changed:
            writer = self._check_writable()
            return self._take(Kind.DATA, raw, writer)

    def commit(self) -> Ack:
        """Make all that was appended before durable; the position is the end of what is. Threads that wait share one fence.

        Raises `MediumError`. Where no space was left for a new segment, it can be tried again when there is.
        """
        with self._changed:
            writer = self._check_writable()
            wanted = self._next
            while self._writing and self._durable < wanted:
                self._changed.wait()
            self._check_writable()
            if self._durable >= wanted:
                return Ack(self._durable, self._shelf.tier)
            self._writing = True
            batches, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            writer.write(batches)
        except MediumError as error:
            with self._changed:
                if writer.broken:
                    self._failed = error
                self._waiting = [batch for batch in batches if batch.end > writer.durable] + self._waiting
                self._waiting_bytes = sum(batch.size for batch in self._waiting)
            raise
        finally:
            with self._changed:
                self._writing = False
                self._durable = writer.durable
                self._changed.notify_all()
        return Ack(self._durable, self._shelf.tier)

    def read(self, from_position: int = 0) -> Iterator[Entry]:
        """What is durable from a position on (0: from the start), in order; ends where the log does at that moment.

        A position is one that `append`, `Ack` or `Entry.next_position` gave, or 0. Raises `PositionGone` if the log was
        truncated beyond it (0 never is), `BadArgument` if no record begins there, `Corrupt` where one is damaged.
        """
        self._check_open()
        position = max(from_position, self.first_position) if from_position == 0 else from_position
        if position < self.first_position:
            raise PositionGone(
                self._path, f"the log begins at {self.first_position}", "read from 0", position=position
            )  # fmt: skip
        return self._entries(position)

    def truncate_before(self, position: int) -> int:
        """Give back the segments that hold nothing from `position` on; the first position that is still there."""
        with self._changed:
            self._check_writable()
            if not 0 <= position <= self._durable:
                raise BadArgument(self._path, f"position {position} is not in the log", f"use 0..{self._durable}")
        self._shelf.drop_before(position)
        return self.first_position

    def compact(self, live: Iterable[Buffer]) -> int:
        """Append the payloads that still count, make them durable, then give back all segments before them.

        Where they begin.

        After an interruption old records and some of the new ones are there: payloads must say the same when read twice.
        """
        start = self.end_position
        for payload in live:
            self.append(payload)
        self.commit()
        self.truncate_before(start)
        return start

    @property
    def first_position(self) -> int:
        """The position of the first record that is there."""
        return self._shelf.first_position

    @property
    def end_position(self) -> int:
        """Where the next record will stand."""
        return self._next

    @property
    def durable_position(self) -> int:
        """The end of what is durable."""
        return self._durable

    def close(self) -> None:
        """Commit, note that all is well, so that any later damage is recognised as such, and give the lock back."""
        with self._changed:
            if self._closed:
                return
        try:
            if self._writer is not None and self._failed is None:
                self.commit()
                with self._changed:
                    if not self._ended:
                        self._take(Kind.END, memoryview(b""), self._writer)
                self.commit()
        finally:
            with self._changed:
                while self._writing:
                    self._changed.wait()
                self._closed = True
            if self._writer is not None:
                self._writer.close()
            self._shelf.close()
            self._segments.close()

    def _take(self, kind: Kind, payload: memoryview, writer: Writer) -> int:
        """Frame a record and put it behind those that wait; under the lock."""
        extent = extent_of(0, 0, len(payload))
        head = writer.place(self._next, extent, self._sequence)
        batch = self._waiting[-1] if self._waiting else None
        if batch is None or batch.head is not head:
            link = batch.link if batch is not None else self._next
            batch = Batch(head, self._next, link)
            self._waiting.append(batch)
        position = self._next
        header = Header(
            self._epoch, self._sequence, batch.link, len(payload), crc32c(payload), 0, kind, 0, 0, 0, len(payload)
        )  # fmt: skip
        batch.add(compose(header, head.id, position, b"", payload))
        self._next += extent
        self._sequence += 1
        self._waiting_bytes += extent
        self._ended = kind is Kind.END
        return position

    def _entries(self, position: int) -> Iterator[Entry]:
        while True:
            with self._changed:
                self._check_open()
                end = self._durable
            if position >= end:
                if position > end:
                    raise BadArgument(self._path, f"position {position} is behind the log's end", f"use 0..{end}")
                return
            entry, position = self._shelf.entry_at(position, end)
            if entry is not None:
                yield entry

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(self._path, "this log is closed", "open it again")

    def _check_writable(self) -> Writer:
        self._check_open()
        if self._writer is None:
            raise ReadOnly(self._path, "this log was opened for reading", "open it without readonly")
        if self._failed is not None:
            raise Failed(self._path, f"a write failed before ({self._failed.what})", "close it and open it again")
        return self._writer
