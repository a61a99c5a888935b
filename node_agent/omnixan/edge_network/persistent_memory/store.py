"""The store: keys and values on a medium. What is acknowledged survives a power cut at the tier that the answer names.

One append is one record and, up to `ONE_FENCE` bytes, one fence: recovery checks the value of the last record. A longer
value is durable
before its header is written, so that recovery never has to read it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from omnixan.edge_network.persistent_memory import compaction, delta, format, record
from omnixan.edge_network.persistent_memory.append import Appender, Piece
from omnixan.edge_network.persistent_memory.errors import (
    BadArgument,
    Closed,
    Failed,
    NotAStore,
    ReadOnly,
    StoreFull,
    TooLarge,
)
from omnixan.edge_network.persistent_memory.medium import LINE, Ack, MediumError
from omnixan.edge_network.persistent_memory.names import decode_meta, encode_key, encode_meta
from omnixan.edge_network.persistent_memory.reading import read_value
from omnixan.edge_network.persistent_memory.record import Kind, extent_of
from omnixan.edge_network.persistent_memory.recovery import recover

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from omnixan.edge_network.persistent_memory.format import Superblock
    from omnixan.edge_network.persistent_memory.index import Chain, Located
    from omnixan.edge_network.persistent_memory.medium import Medium
    from omnixan.edge_network.persistent_memory.recovery import Recovered

ONE_FENCE = 1 << 20
"""Bytes of the longest value that is written together with its header."""

CHAIN_LIMIT = 256
"""Deltas over one whole value; the next snapshot is whole again."""

NO_META: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Record:
    """A key's value as it was acknowledged at `position` (the store's sequence); its CRC32C was checked."""

    key: str
    value: memoryview
    meta: Mapping[str, str]
    position: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key that has a value: bytes of it, metadata, and the position at which it was acknowledged."""

    key: str
    size: int
    meta: Mapping[str, str]
    position: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A value that cannot be read: `position` in bytes on the medium."""

    position: int
    key: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """How a store is. Bytes: `capacity` for records, `used` of it, `live` of these needed; `damaged` is empty where
    not looked for.
    """

    keys: int
    capacity: int
    used: int
    live: int
    damaged: tuple[Damage, ...] = ()

    @property
    def garbage(self) -> int:
        """Bytes that a compaction would give back."""
        return self.used - self.live


class Store:
    """Keys and values on a medium; one writer. Its methods may be called from several threads."""

    def __init__(self, medium: Medium, path: str, superblock: Superblock, found: Recovered, *, readonly: bool) -> None:
        """Use `Store.open`."""
        self._medium, self._path, self._readonly = medium, path, readonly
        self._superblock = superblock
        self._index = found.index
        self._salvaged = tuple(found.damaged)
        self._appender = Appender(medium, superblock, found.tail, found.sequence, one_fence=ONE_FENCE)
        self._lock = threading.RLock()
        self._closed = False
        self._failed: MediumError | None = None

    @classmethod
    def open(cls, medium: Medium, *, readonly: bool = False, salvage: bool = False) -> Self:
        """The store on `medium`, made if the medium is empty. The store owns the medium from then on, also when this raises.

        With `readonly` nothing is written; with `salvage` (only then) damaged records are passed over instead of
        refused: what is answered was acknowledged once, but a newer value may be among the damaged.
        Raises `NotAStore`, `NewerFormat`, `Corrupt`, `TooLarge`.
        """
        path = str(getattr(medium, "path", "store"))
        try:
            if salvage and not readonly:
                raise BadArgument(path, "salvage=True writes nothing", "open it with readonly=True and copy what is left")
            superblock = format.newest(medium, path)
            if superblock is None:
                if readonly:
                    raise NotAStore(path, "there is no store on it yet", "open it for writing first")
                superblock = format.first(medium, record.new_id())
                format.create(medium, superblock)
            found = recover(medium, path, superblock, salvage=salvage)
            if not readonly:
                superblock = compaction.begin_epoch(medium, path, superblock, found)
        except BaseException:
            medium.close()
            raise
        return cls(medium, path, superblock, found, readonly=readonly)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def put(self, key: str, value: Buffer, *, meta: Mapping[str, str] = NO_META) -> Ack:
        """Give `key` this value (any contiguous buffer, taken as bytes): durable when it returns.

        Raises `TooLarge`, `BadArgument` and `StoreFull` before anything is written.
        """
        raw = value if isinstance(value, bytes) else memoryview(value).cast("B")
        name = self._name(key, meta)
        with self._lock:
            if self._closed or self._readonly or self._failed is not None:
                self._check_writable()  # says which
            return self._put(key, name, raw)

    def snapshot(
        self, key: str, base: Buffer, dirty: Sequence[tuple[int, int]], *, meta: Mapping[str, str] = NO_META
    ) -> Ack:
        """Give `key` the value in `base`, of which only the `dirty` (offset, length) ranges differ from what `key` has now.

        Only these are written, unless there is no value of this size yet, or what was changed since the last whole one
        comes to as much again or to `CHAIN_LIMIT` snapshots: then the whole value is. That nothing else differs is the
        caller's word.
        """
        name = self._name(key, meta)
        value = memoryview(base).cast("B")
        ranges = delta.merged(self._path, dirty, len(value))
        with self._lock:
            self._check_writable()
            chain = self._index.chains.get(key)
            length = delta.encoded_length(ranges)
            if chain is None or chain.size != len(value) or _too_long(chain, length):
                return self._put(key, name, value)
            if extent_of(len(name), 0, length) + LINE > self._free:
                return self._put(key, name, value)  # makes room: after a compaction the chain is another one
            encoded = delta.encode(value, ranges)
            return self._append(Kind.DELTA, key, name, *encoded, link=chain.last.position, whole=len(value))

    def delete(self, key: str) -> Ack:
        """Take the key's value away; a key without one is no error. Always possible, also in a full store."""
        raw_key = encode_key(self._path, key)
        with self._lock:
            self._check_writable()
            if extent_of(len(raw_key), 0, 0) + LINE > self._free:
                if key in self._index.chains:
                    self._compact(without=key)
                return Ack(self._appender.sequence, self._medium.tier)
            return self._append(Kind.DELETE, key, raw_key, whole=0)

    def get(self, key: str) -> Record | None:
        """The key's value (a copy, read-only) or None; raises `Corrupt` where it is damaged."""
        encode_key(self._path, key)
        with self._lock:
            self._check_open()
            chain = self._index.chains.get(key)
            if chain is None:
                return None
            value = read_value(self._medium, self._path, chain)
            return Record(key, value, decode_meta(chain.last.meta), chain.last.header.sequence)

    def list(self, prefix: str = "") -> list[Entry]:
        """All keys that begin with `prefix`, in order; no value is read."""
        with self._lock:
            self._check_open()
            return [
                Entry(key, chain.size, decode_meta(chain.last.meta), chain.last.header.sequence)
                for key, chain in sorted(self._index.chains.items())
                if key.startswith(prefix)
            ]

    def verify(self) -> Report:
        """Read every value and check it; `damaged` says which cannot be read."""
        with self._lock:
            self._check_open()
            damaged = [Damage(position, "", "a record is damaged") for position in self._salvaged]
            for key, chain in sorted(self._index.chains.items()):
                try:
                    read_value(self._medium, self._path, chain)
                except MediumError as error:
                    damaged.append(Damage(chain.last.position, key, error.what))
            return self._report(tuple(damaged))

    def compact(self) -> Report:
        """Copy what lives into the other half and go on there; every value is checked on the way (raises `Corrupt`)."""
        with self._lock:
            self._check_writable()
            self._compact()
            return self._report()

    def report(self) -> Report:
        """Keys and bytes, without reading a value."""
        with self._lock:
            self._check_open()
            return self._report()

    @property
    def superblock(self) -> Superblock:
        """The superblock in force: id, epoch, halves."""
        return self._superblock

    def close(self) -> None:
        """Note that all is well, so that any later damage is recognised as such, and give the medium back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if not self._readonly and self._failed is None:
                    compaction.next_epoch(self._medium, self._path, self._superblock, self._appender, clean=True)
            finally:
                self._medium.close()

    @property
    def _free(self) -> int:
        return self._appender.end - self._appender.tail

    def _name(self, key: str, meta: Mapping[str, str]) -> bytes:
        raw = encode_key(self._path, key)
        return raw + encode_meta(self._path, meta) if meta else raw

    def _put(self, key: str, name: bytes, value: Piece) -> Ack:
        need = extent_of(len(name), 0, len(value)) + LINE
        if need > self._free:
            return self._put_and_compact(key, name, value, need)
        return self._append(Kind.PUT, key, name, value, whole=len(value))

    def _put_and_compact(self, key: str, name: bytes, value: Piece, need: int) -> Ack:
        """Write into the other half what lives and, instead of the key's old value, the new one.

        Raises `TooLarge` or `StoreFull` where that would not fit.
        """
        capacity = self._superblock.half_size
        if need > capacity:
            raise TooLarge(
                self._path, f"the value of {key!r} needs {need} bytes, a half of this store has {capacity}",
                f"make a store of at least {2 * need + format.DATA} bytes",
            )  # fmt: skip
        others = sum(chain.folded for other, chain in self._index.chains.items() if other != key)
        if others + need > capacity:
            raise StoreFull(
                self._path,
                f"{key!r} needs {need} bytes, other keys have {others} of {capacity}",
                "delete keys or make a larger store",
            )
        self._compact(without=key, put=lambda copier: copier.add(key, name, value))
        return Ack(self._appender.sequence, self._medium.tier)

    def _append(self, kind: Kind, key: str, name: bytes, *value: Piece, link: int = 0, whole: int) -> Ack:
        try:
            added = self._appender.append(kind, key, name, *value, link=link, whole=whole)
        except MediumError as error:
            self._failed = error
            raise
        self._index.apply(added)
        return Ack(added.header.sequence, self._medium.tier)

    def _compact(self, without: str | None = None, put: Callable[[Appender], Located] | None = None) -> None:
        try:
            self._superblock, self._index, self._appender = compaction.compact(
                self._medium, self._path, self._superblock, self._index, self._appender, without=without, put=put
            )
        except compaction.Unreadable as error:
            self._skip_epoch()
            raise error.damage from error
        except MediumError as error:
            self._failed = error
            raise

    def _skip_epoch(self) -> None:
        """Let no later compaction use the epoch of one that stopped half way: what it left must not look like records."""
        try:
            self._superblock = compaction.next_epoch(self._medium, self._path, self._superblock, self._appender, clean=False)
        except MediumError as error:
            self._failed = error
            raise
        self._appender.epoch = self._superblock.epoch

    def _report(self, damaged: tuple[Damage, ...] = ()) -> Report:
        start = self._superblock.start(self._superblock.half)
        used = self._appender.tail - start
        return Report(len(self._index.chains), self._superblock.half_size, used, self._index.live, damaged)

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(self._path, "this store is closed", "open it again")

    def _check_writable(self) -> None:
        self._check_open()
        if self._readonly:
            raise ReadOnly(self._path, "this store was opened for reading", "open it without readonly")
        if self._failed is not None:
            raise Failed(self._path, f"a write failed before ({self._failed.what})", "close it and open it again")


def _too_long(chain: Chain, length: int) -> bool:
    """A whole value now and then keeps what a reader has to read and apply within twice the value."""
    return len(chain.parts) > CHAIN_LIMIT or chain.delta_bytes + length > chain.size
