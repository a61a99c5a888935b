"""Checkpoints on the code of DAX, forced on memory (an emulation), against what a disk's own ways take."""

from __future__ import annotations

import os
from itertools import count, cycle
from mmap import mmap
from typing import Any

import numpy as np

from e2e.bench import figures
from e2e.bench.pmem.ground import MIB, Ground, in_turn
from e2e.bench.pmem.measure import Taken, Way, compared, take_turns
from e2e.bench.pmem.peers import Lmdb, Pieces, Pwrite, Renamed, Rocks, Sqlite

KIB = 1 << 10
OURS = "emulated DAX"
BARE = "emulated DAX without a store"
"""The control: libpmem's copy and fence alone, no checksum, no header, no index. No store on it can be faster."""
TIMES_FASTER = 50.0
OF_MEMCPY = 0.8

Rows = list[dict[str, Any]]


def small(ground: Ground, data: dict[str, Any]) -> Rows:
    """A checkpoint of 4 KiB."""
    store = ground.emulated(64 * MIB)
    contents = [os.urandom(4 * KIB) for _ in range(4)]
    ours, theirs = cycle(contents), cycle(contents)
    peers = _peers(ground, 64 * MIB, lambda: [(0, next(theirs))])
    ways = {OURS: lambda: store.put("checkpoint", next(ours)), BARE: _bare(ground, 64 * MIB, contents[0])} | peers
    taken = take_turns(ways, 200)
    data["microseconds"] = taken.wire()
    return _faster("4 KiB", data, taken, list(peers))


def dirty(ground: Ground, data: dict[str, Any]) -> Rows:
    """64 KiB that changed in 16 MiB: peers store just these, as a chunk of their own; the whole state beside."""
    store = ground.emulated(192 * MIB)
    state, changes, _ = in_turn(16 * MIB, 1, 64 * KIB)
    _, _, pieces = in_turn(16 * MIB, 1, 64 * KIB)
    whole = bytes(state)
    ways: dict[str, Way] = {OURS: lambda: store.snapshot("state", state, next(changes))}
    ways[BARE] = _bare(ground, 192 * MIB, os.urandom(64 * KIB))
    peers = _peers(ground, 256 * MIB, lambda: next(pieces))
    ways |= peers
    renamed, lmdb = ground.peer(Renamed(ground.folder())), ground.peer(Lmdb(ground.folder(), 256 * MIB))
    ways |= {"tmp+fsync+rename, whole": lambda: renamed.save([(0, whole)]), "LMDB, whole": lambda: lmdb.save([(0, whole)])}
    times = dict.fromkeys(ways, 64) | {"tmp+fsync+rename, whole": 3, "LMDB, whole": 3}
    taken = take_turns(ways, times | {OURS: 256, BARE: 256})
    data["microseconds"] = taken.wire()
    rows = _faster("64 KiB dirty in 16 MiB, peers writing just these", data, taken, list(peers))
    data["comparedWithWhole"] = compared(taken, OURS, ["tmp+fsync+rename, whole", "LMDB, whole"])
    return [*rows, _against("64 KiB dirty in 16 MiB, peers writing it whole", data["comparedWithWhole"])]


def whole(ground: Ground, data: dict[str, Any], mib: int, *, times: int, repeats: int) -> Rows:
    """A state as a whole, every byte of it checksummed: beside memcpy's into the same kind of memory, and the disk's."""
    size = mib * MIB
    store = ground.emulated((4 if mib <= 16 else 1) * 2 * (size + MIB) + MIB)
    states = [np.frombuffer(os.urandom(size), dtype=np.uint8) for _ in range(2)]
    ours, copied, theirs = cycle(states), cycle(states), cycle([state.tobytes() for state in states])
    memory = _touched(ground, (4 if mib <= 16 else 1) * 2 * size)
    places = cycle(range(0, len(memory), size))

    def memcpy() -> None:
        place = next(places)
        np.copyto(memory[place : place + size], next(copied))

    pwrite, lmdb = ground.peer(Pwrite(ground.folder(), size)), ground.peer(Lmdb(ground.folder(), 8 * size))
    renamed = ground.peer(Renamed(ground.folder()))
    disk: dict[str, Way] = {
        "pwrite+fdatasync": lambda: pwrite.save([(0, next(theirs))]),
        "tmp+fsync+rename": lambda: renamed.save([(0, next(theirs))]),
        "LMDB": lambda: lmdb.save([(0, next(theirs))]),
    }
    copies: dict[str, Way] = {OURS: lambda: store.put("state", next(ours).data), "memcpy": memcpy}
    # the copies in a row of their own, ten times as often: a disk that still writes would be in the way of neither
    taken = take_turns(copies, 10 * times, repeats=repeats)
    on_disk = take_turns(disk, times, repeats=repeats)
    data["microseconds"] = taken.wire() | on_disk.wire()
    data["comparedWithMemcpy"] = compared(taken, OURS, ["memcpy"])
    data["gigabytesPerSecond"] = {name: round(size / way["p50"] / 1000, 2) for name, way in data["microseconds"].items()}
    ratio = data["comparedWithMemcpy"]["ratio"]
    return [figures.at_least(f"{mib} MiB whole, emulated DAX, of memcpy's speed", ratio, OF_MEMCPY, "times")]


def _touched(ground: Ground, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Shared memory like the store's, all pages of it touched."""
    path = ground.memory / f"memcpy-{next(_COUNT)}"
    with path.open("w+b") as file:
        file.truncate(size)
        memory = np.frombuffer(mmap(file.fileno(), size), dtype=np.uint8)
    path.unlink()
    memory[:] = 1
    return memory


_COUNT = count()


def _peers(ground: Ground, size: int, pieces: Any) -> dict[str, Way]:
    """Every peer on the disk, storing what `pieces()` gives next."""
    folder = ground.folder()

    def saving(save: Any) -> Way:
        def way() -> None:
            next_pieces: Pieces = pieces()
            save(next_pieces)

        return way

    return {
        "pwrite+fdatasync": saving(ground.peer(Pwrite(folder, min(size, 16 * MIB))).save),
        "LMDB": saving(ground.peer(Lmdb(folder, size)).save),
        "LMDB, writemap": saving(ground.peer(Lmdb(folder, size, writemap=True)).save),
        "RocksDB": saving(ground.peer(Rocks(folder)).save),
        "SQLite": saving(ground.peer(Sqlite(folder)).save),
    }


def _bare(ground: Ground, size: int, data: bytes) -> Way:
    """Bytes copied to one place after another, as a store appends, each made durable."""
    medium = ground.bare(size)
    places = cycle(range(0, size - len(data), len(data)))

    def way() -> None:
        at = next(places)
        medium.write(at, data)
        medium.persist((at, len(data)))

    return way


def _faster(what: str, data: dict[str, Any], taken: Taken, peers: list[str]) -> Rows:
    """Against the peers, and how much the control would be: the bound of any store."""
    data["compared"], data["controlCompared"] = compared(taken, OURS, peers), compared(taken, BARE, peers)
    bound = figures.noted(f"{what}: the same for libpmem's copy and fence alone", data["controlCompared"]["ratio"], "times")
    return [_against(what, data["compared"]), bound]


def _against(what: str, comparison: dict[str, Any]) -> dict[str, Any]:
    name = f"{what}: emulated DAX, against the best on the disk ({comparison['fastest']})"
    return figures.at_least(name, comparison["ratio"], TIMES_FASTER, "times")
