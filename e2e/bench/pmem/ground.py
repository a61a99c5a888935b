"""Where the figures are measured: a folder on the disk, one in memory, and stores in them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import TypeVar

from e2e.bench.pmem.peers import Peer, Pieces
from e2e.cluster.cache import remove_tree, scratch_folder
from omnixan.edge_network.persistent_memory import Medium, Store, open_medium

MEMORY = Path("/dev/shm")
MIB = 1 << 20

P = TypeVar("P", bound=Peer)


@dataclass
class Ground:
    """The two folders; whatever is opened here is closed and removed in the end."""

    disk: Path
    memory: Path
    _open: ExitStack = field(default_factory=ExitStack)
    _names: Iterator[int] = field(default_factory=count)

    def folder(self) -> Path:
        """A new folder on the disk."""
        path = self.disk / str(next(self._names))
        path.mkdir()
        return path

    def peer(self, peer: P) -> P:
        """Close it in the end."""
        self._open.callback(peer.close)
        return peer

    def emulated(self, size: int) -> Store:
        """A store of `size` bytes in memory, on the code of DAX; every page of the mapping has been touched before."""
        return self._store(self._touched(size))

    def bare(self, size: int) -> Medium:
        """The same without a store: what copies bytes there and makes them durable, and does no more."""
        medium = self._touched(size)
        self._open.callback(medium.close)
        return medium

    def _touched(self, size: int) -> Medium:
        path = self.memory / str(next(self._names))
        medium = open_medium(path, size, emulate=True)
        for offset in range(0, size, MIB):
            medium.write(offset, bytes(min(MIB, size - offset)))
        return medium

    def on_disk(self, size: int) -> Store:
        """A store of `size` bytes on the disk, at the tier that it has."""
        return self._store(open_medium(self.disk / str(next(self._names)), size, "auto"))

    def _store(self, medium: Medium) -> Store:
        store = Store.open(medium)
        self._open.callback(store.close)
        return store


@contextmanager
def ground() -> Iterator[Ground]:
    """Both folders, empty; removed in the end."""
    disk = scratch_folder("bench-pmem")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-pmem-", dir=MEMORY) as memory, ExitStack() as opened:
            yield Ground(disk, Path(memory), opened)
    finally:
        remove_tree(disk)


def in_turn(
    size: int, ranges: int, length: int, versions: int = 4
) -> tuple[bytearray, Iterator[list[tuple[int, int]]], Iterator[Pieces]]:
    """A state of `size` bytes; for ever, which `ranges` of `length` bytes change next; and these as pieces of new bytes.

    Ranges begin at multiples of their length: what keeps a state in chunks of this size has to write just these.
    """
    state = bytearray(os.urandom(size))
    step = size // ranges // length * length
    dirty = [[(start * length + part * step, length) for part in range(ranges)] for start in range(versions)]
    pieces = [[(offset, os.urandom(length)) for offset, length in one] for one in dirty]
    return state, cycle(dirty), cycle(pieces)
