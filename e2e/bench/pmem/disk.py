"""Without any persistent memory: a 16 MiB state of which at most 5 % changed, one fence, on the disk."""

from __future__ import annotations

from typing import Any

from e2e.bench import figures
from e2e.bench.pmem.ground import MIB, Ground, in_turn
from e2e.bench.pmem.measure import compared, take_turns
from e2e.bench.pmem.peers import Lmdb, Pwrite, Renamed

CHUNK = 64 << 10
CHUNKS = 12
"""12 · 64 KiB are 4.7 % of 16 MiB."""


def incremental(ground: Ground, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Our snapshot against tmp+fsync+rename and against LMDB, which has the value as one; chunks beside."""
    store = ground.on_disk(256 * MIB)
    state, changes, _ = in_turn(16 * MIB, CHUNKS, CHUNK)
    _, _, pieces = in_turn(16 * MIB, CHUNKS, CHUNK)
    whole = bytes(state)
    folder = ground.folder()
    renamed, lmdb = ground.peer(Renamed(folder)), ground.peer(Lmdb(folder, 512 * MIB))
    chunks, pwrite = ground.peer(Lmdb(ground.folder(), 512 * MIB)), ground.peer(Pwrite(folder, 16 * MIB))
    chunks.save([(offset, whole[offset : offset + CHUNK]) for offset in range(0, 16 * MIB, CHUNK)])
    data["tier"] = store.put("state", state).tier.label
    ways = {
        "ours": lambda: store.snapshot("state", state, next(changes)),
        "tmp+fsync+rename": lambda: renamed.save([(0, whole)]),
        "LMDB, whole": lambda: lmdb.save([(0, whole)]),
        "LMDB, chunks of 64 KiB": lambda: chunks.save(next(pieces)),
        "pwrite+fdatasync of what changed": lambda: pwrite.save(next(pieces)),
    }
    taken = take_turns(ways, dict.fromkeys(ways, 6) | {"ours": 22, "LMDB, chunks of 64 KiB": 22})
    data["microseconds"] = taken.wire()
    for name in list(ways)[1:]:
        data[f"comparedWith {name}"] = compared(taken, "ours", [name])
    by = {name: data[f"comparedWith {name}"]["ratio"] for name in list(ways)[1:]}
    what = "16 MiB, 4.7 % dirty, on the disk, one fence: against"
    return [
        figures.at_least(f"{what} tmp+fsync+rename", by["tmp+fsync+rename"], 8.0, "times"),
        figures.at_least(f"{what} LMDB storing the value whole", by["LMDB, whole"], 3.0, "times"),
    ]
