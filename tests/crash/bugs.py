"""Mistakes that a store or a log can have, each put into the real code; every one of them has to be found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from omnixan.edge_network.commitlog import Log, writer
from omnixan.edge_network.commitlog import recovery as log_recovery
from omnixan.edge_network.commitlog.segments import Shelf
from omnixan.edge_network.commitlog.writer import Writer
from omnixan.edge_network.persistent_memory import compaction, format, reading, record, recovery
from omnixan.edge_network.persistent_memory.append import Appender
from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.index import Located
from omnixan.edge_network.persistent_memory.medium import LINE
from tests.crash.recording import RecordingMedium


@dataclass(frozen=True)
class Bug:
    """`planted()` puts it in; `script` is what shows it, `second_cut` whether it takes two power cuts."""

    what: str
    script: str
    planted: Callable[[], AbstractContextManager[Any]]
    second_cut: bool = False


def _append(persists: Callable[[Appender, Located, Callable[[], None]], None]) -> Callable[..., Located]:
    """An `Appender.append` whose writing and fencing is done by `persists`."""

    def append(self: Appender, kind: record.Kind, key: str, name: bytes, *value: Any, link: int = 0, whole: int) -> Located:
        raw, keys = b"".join(value), len(key.encode())
        fenced = record.FENCED if len(raw) > self.one_fence else 0
        header = self.header(kind, name, keys, len(raw), crc32c(raw), link, whole, self.sequence + 1, fenced)
        added = Located(self.tail, header, key, name[keys:])
        persists(self, added, lambda: self.write_body(added, name, raw))
        self.tail += header.extent
        self.sequence = header.sequence
        return added

    return append


def _header(self: Appender, added: Located) -> None:
    self.medium.write(added.position, added.header.pack(self.owner, added.position))


def _body_not_flushed(self: Appender, added: Located, body: Callable[[], None]) -> None:
    body()
    _header(self, added)
    self.medium.persist((added.position, LINE))


def _no_fence(self: Appender, added: Located, body: Callable[[], None]) -> None:
    body()
    _header(self, added)


def _commit_before_body(self: Appender, added: Located, body: Callable[[], None]) -> None:
    if added.header.flags & record.FENCED:
        _header(self, added)
        self.medium.persist((added.position, LINE))
        body()
        self.medium.persist((added.position + LINE, added.header.extent))
    else:
        _right(self, added, body)


def _one_fence_for_all(self: Appender, added: Located, body: Callable[[], None]) -> None:
    body()
    _header(self, added)
    self.medium.persist((added.position, added.header.extent + LINE))


def _right(self: Appender, added: Located, body: Callable[[], None]) -> None:
    body()
    if added.header.flags & record.FENCED:
        self.medium.persist((added.position + LINE, added.header.extent))
    _header(self, added)
    self.medium.persist((added.position, added.header.extent + LINE))


def _appends(persists: Callable[[Appender, Located, Callable[[], None]], None]) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(Appender, "append", _append(persists))


def _slots_at_once(medium: Any, path: str, superblock: format.Superblock) -> None:
    for offset in format.SLOTS:
        medium.write(offset, superblock.pack())
    medium.persist(*((offset, format.SLOT_SIZE) for offset in format.SLOTS))


def _slot_not_flushed(medium: Any, offset: int, raw: bytes) -> None:
    medium.write(offset, raw)


@contextmanager
def _switch_before_copies_are_durable() -> Any:
    real, waiting = format.replace, []

    def persist(self: RecordingMedium, *ranges: tuple[int, int]) -> None:
        if ranges and ranges[0][0] >= format.DATA and ranges[0][0] in starts:
            waiting.append(ranges)
        else:
            flush(self, *ranges)

    def replace_(medium: Any, path: str, superblock: format.Superblock) -> None:
        real(medium, path, superblock)
        if isinstance(medium, RecordingMedium):
            for ranges in waiting:
                flush(medium, *ranges)
            waiting.clear()

    flush = RecordingMedium.persist
    starts = {format.DATA, format.DATA + 4096}
    copying = compaction.compact

    def compact(*arguments: Any, **more: Any) -> Any:
        with mock.patch.object(RecordingMedium, "persist", persist), mock.patch.object(format, "replace", replace_):
            return copying(*arguments, **more)

    with mock.patch.object(compaction, "compact", compact):
        yield


@contextmanager
def _old_half_freed_first() -> Any:
    copying = compaction.compact

    def compact(medium: Any, path: str, superblock: format.Superblock, index: Any, appender: Any, **more: Any) -> Any:
        values = {chain.last.position: bytes(reading.read_value(medium, path, chain)) for chain in index.chains.values()}
        start = superblock.start(superblock.half)
        medium.write(start, bytes(superblock.half_size))
        medium.persist((start, superblock.half_size))

        def kept(medium: Any, path: str, chain: Any) -> memoryview:
            return memoryview(values[chain.last.position])

        with (
            mock.patch.object(compaction, "read_value", kept),
            mock.patch.object(compaction, "raw_value", lambda medium, located: memoryview(values[located.position])),
            mock.patch.object(compaction, "check_value", lambda path, located, value: None),
        ):
            return copying(medium, path, superblock, index, appender, **more)

    with mock.patch.object(compaction, "compact", compact):
        yield


def _epoch_stays(medium: Any, path: str, superblock: format.Superblock, found: recovery.Recovered) -> format.Superblock:
    if found.last is not None:
        compaction.secure(medium, found.last)
    same = replace(superblock, floor=found.tail, sequence=found.sequence, clean=False)
    format.replace(medium, path, same)
    return same


@contextmanager
def _floor_not_raised() -> Any:
    real = format.replace

    def same_floor(medium: Any, path: str, superblock: format.Superblock) -> None:
        real(medium, path, replace(superblock, floor=superblock.start(superblock.half)))

    with mock.patch.object(format, "replace", same_floor):
        with mock.patch.object(recovery._Walk, "header_at", _any_epoch):
            yield


def _any_epoch(self: Any, position: int) -> record.Header | None:
    if position + LINE > self.end:
        return None
    header = record.unpack(self.medium.read(position, LINE), self.superblock.id, position)
    if header is None or position + header.extent > self.end or header.sequence <= self.sequence:
        return None
    return header


@contextmanager
def _header_believed() -> Any:
    """Neither the header's checksum nor its lengths are checked."""

    def unpack(line: Any, owner: bytes, position: int) -> record.Header | None:
        raw = bytes(line)
        if not raw.startswith(record.MAGIC):
            return None
        fields = record._BODY.unpack_from(raw, record._COMMIT.size)
        epoch, sequence, link, length, value_crc, name_crc, kind, flags, keys, metas, whole = fields
        kind = kind if kind in record._KINDS else 1
        return record.Header(
            epoch, sequence, link, length, value_crc, name_crc, record.Kind(kind), flags, keys, metas, whole
        )

    def header_at(self: Any, position: int) -> record.Header | None:
        return unpack(self.medium.read(position, LINE), b"", position) if position + LINE <= self.end else None

    with mock.patch.object(recovery._Walk, "header_at", header_at):
        yield


@contextmanager
def _values_not_checked() -> Any:
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(recovery._Walk, "is_whole", lambda self, located: True))
        stack.enter_context(mock.patch.object(reading, "check_value", lambda path, located, value: None))
        stack.enter_context(mock.patch.object(compaction, "check_value", lambda path, located, value: None))
        yield


def _delete_not_durable() -> AbstractContextManager[Any]:
    def persists(self: Appender, added: Located, body: Callable[[], None]) -> None:
        if added.header.kind is not record.Kind.DELETE:
            _right(self, added, body)
            return
        body()
        _header(self, added)

    return mock.patch.object(Appender, "append", _append(persists))


def _fence_before_write(medium: Any, offset: int, raw: bytes) -> None:
    medium.persist((offset, len(raw)))
    medium.write(offset, raw)


def _first_record_only(medium: Any, offset: int, raw: bytes) -> None:
    medium.write(offset, raw)
    medium.persist((offset, min(len(raw), 128)))


def _head_not_flushed(medium: Any, head: Any) -> None:
    for copy in (0, 2048):
        medium.write(copy, head.pack())


@contextmanager
def _next_segment_first() -> Any:
    """The head of the next segment, which says where the one before ends, is durable before the records of that one."""

    def write(self: Writer, batches: Any) -> None:
        late = []
        for batch in batches:
            last = self._shelf.last
            assert last is not None
            if batch.head is not last[0].head:
                self._begin(batch.head)
                last = self._shelf.last
            medium = last[1]
            medium.write(batch.head.offset(batch.start), batch.joined())
            late.append((medium, (batch.head.offset(batch.start), batch.size)))
            self.durable = batch.end
        for medium, place in late:
            type(medium)(*medium.again).persist(place)

    with mock.patch.object(Writer, "write", write):
        yield


@contextmanager
def _removed_before_live_is_durable() -> Any:
    def compact(self: Log, live: Any) -> int:
        start = self.end_position
        kept = list(live)
        self.truncate_before(self.durable_position)
        for payload in kept:
            self.append(payload)
        self.commit()
        return start

    with mock.patch.object(Log, "compact", compact):
        yield


@contextmanager
def _newest_removed_first() -> Any:
    def drop_before(self: Shelf, position: int) -> None:
        doomed = [place for place in range(len(self._placed) - 1) if self._placed[place + 1].head.base <= position]
        for place in reversed(doomed):
            self._segments.remove(self._placed[place].number)
            del self._placed[place]

    with mock.patch.object(Shelf, "drop_before", drop_before):
        yield


def _patched(where: Any, name: str, what: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(where, name, what)


BUGS = [
    Bug("the body is not flushed", "store", _appends(_body_not_flushed)),
    Bug("an operation is acknowledged without a fence", "store", _appends(_no_fence)),
    Bug("the header of a long value is durable before the value", "store", _appends(_commit_before_body)),
    Bug("one fence for header and value where recovery counts on two", "store", _appends(_one_fence_for_all)),
    Bug("a deletion is not fenced", "store", _delete_not_durable),
    Bug(
        "both slots of the superblock are overwritten under one fence", "store", _patched(format, "replace", _slots_at_once)
    ),
    Bug("a slot of the superblock is not flushed", "store", _patched(format, "write_slot", _slot_not_flushed)),
    Bug("a compaction switches before the copies are durable", "store", _switch_before_copies_are_durable),
    Bug("a compaction frees the old half before the switch", "store", _old_half_freed_first),
    Bug("opening does not raise the epoch", "store", _patched(compaction, "begin_epoch", _epoch_stays), second_cut=True),
    Bug("records behind the floor may be of any epoch", "store", _floor_not_raised, second_cut=True),
    Bug(
        "what a killed process wrote is adopted, not made durable", "store", _patched(compaction, "secure", lambda *_: None)
    ),
    Bug("header and lengths are believed without a checksum", "store", _header_believed),
    Bug("recovery does not check the last value", "store", _patched(recovery._Walk, "is_whole", lambda self, located: True)),
    Bug("no value is checked", "store", _values_not_checked),
    Bug("the fence comes before the write", "log", _patched(writer, "write_batch", _fence_before_write)),
    Bug("a fence covers the first record of a batch only", "log", _patched(writer, "write_batch", _first_record_only)),
    Bug("a segment's head is not flushed", "log", _patched(writer, "write_head", _head_not_flushed)),
    Bug("a segment begins before the one before it is durable", "log", _next_segment_first),
    Bug("payloads of the last batch are not checked", "log", _patched(log_recovery, "payload_of", lambda *_: b"")),
    Bug("the end that was found is not made durable", "log", _patched(writer, "_adopt", lambda *_: None), second_cut=True),
    Bug("compaction removes before what lives is durable", "log", _removed_before_live_is_durable),
    Bug("the newest segments are removed first", "log", _newest_removed_first),
]
