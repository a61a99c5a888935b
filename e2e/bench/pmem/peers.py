"""What else makes bytes durable on a disk, each set up to be as fast as it is while it keeps its word.

`save` takes pieces (offset, bytes) and has all of them durable, in one transaction where there are any, when it returns.
LMDB and RocksDB come from tests/bench/requirements.txt, into a folder of the cache that only this benchmark sees.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from e2e.cluster.pypi import installed_from_lock
from e2e.manifests import ROOT

LOCK = ROOT / "tests/bench/requirements.txt"

Pieces = Sequence[tuple[int, bytes]]


class Peer(Protocol):
    """One of them, on a folder of its own."""

    def save(self, pieces: Pieces) -> None:
        """Durable when it returns."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


def module(name: str) -> Any:
    """A package of the lock file."""
    folder = str(installed_from_lock("bench-peers", LOCK))
    if folder not in sys.path:
        sys.path.append(folder)
    return __import__(name)


class Pwrite:
    """pwrite into a file whose blocks are there, and one fdatasync. A power cut may leave half of it: no checkpoint."""

    def __init__(self, folder: Path, size: int) -> None:
        self._file = os.open(folder / "pwrite", os.O_RDWR | os.O_CREAT, 0o600)
        piece = bytes(1 << 20)
        for offset in range(0, size, len(piece)):
            os.pwrite(self._file, piece[: size - offset], offset)
        os.fsync(self._file)

    def save(self, pieces: Pieces) -> None:
        """As of `Peer`."""
        for offset, data in pieces:
            view = memoryview(data)
            while view:
                done = os.pwrite(self._file, view, offset)
                view, offset = view[done:], offset + done
        os.fdatasync(self._file)

    def close(self) -> None:
        """As of `Peer`."""
        os.close(self._file)


class Renamed:
    """A new file, fsync, rename over the old one, fsync of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "renamed"
        self._folder.mkdir()
        self._fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)

    def save(self, pieces: Pieces) -> None:
        """As of `Peer`."""
        new = self._folder / "new"
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            for _, data in pieces:
                view = memoryview(data)
                while view:
                    view = view[os.write(file, view) :]
            os.fsync(file)
        finally:
            os.close(file)
        new.rename(self._folder / "state")
        os.fsync(self._fd)

    def close(self) -> None:
        """As of `Peer`."""
        os.close(self._fd)


class Lmdb:
    """LMDB, a value for each piece; `writemap` stores through the mapping instead of with write."""

    def __init__(self, folder: Path, map_size: int, *, writemap: bool = False) -> None:
        path = folder / f"lmdb-{'mapped' if writemap else 'written'}"
        path.mkdir()
        self._env = module("lmdb").open(str(path), map_size=map_size, writemap=writemap)

    def save(self, pieces: Pieces) -> None:
        """As of `Peer`."""
        with self._env.begin(write=True) as transaction:
            for offset, data in pieces:
                transaction.put(b"%d" % offset, data)

    def close(self) -> None:
        """As of `Peer`."""
        self._env.close()


class Rocks:
    """RocksDB, a value for each piece, its log synced with every write; no compression (the bytes are random)."""

    def __init__(self, folder: Path) -> None:
        self._rocks = module("rocksdict")
        options = self._rocks.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_compression_type(self._rocks.DBCompressionType.none())
        self._db = self._rocks.Rdict(str(folder / "rocksdb"), options)
        self._durable = self._rocks.WriteOptions()
        self._durable.sync = True

    def save(self, pieces: Pieces) -> None:
        """As of `Peer`."""
        if len(pieces) == 1:
            ((offset, data),) = pieces
            self._db.put(b"%d" % offset, data, write_opt=self._durable)
            return
        batch = self._rocks.WriteBatch(raw_mode=True)
        for offset, data in pieces:
            batch.put(b"%d" % offset, data)
        self._db.write(batch, write_opt=self._durable)

    def close(self) -> None:
        """As of `Peer`."""
        self._db.close()


class Sqlite:
    """SQLite, a row for each piece, with a write-ahead log that is synced with every transaction."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE piece (place INTEGER PRIMARY KEY, data BLOB)")

    def save(self, pieces: Pieces) -> None:
        """As of `Peer`."""
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO piece VALUES (?, ?)", pieces)
        self._db.execute("COMMIT")

    def close(self) -> None:
        """As of `Peer`."""
        self._db.close()
