"""From nothing open to the first state read, in a store of 1 GiB of states."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import Any

from e2e.bench import figures
from e2e.bench.pmem.ground import MIB, Ground
from omnixan.edge_network.persistent_memory import Store, open_medium

GIB = 1 << 30
STATES = (16 * MIB, MIB, 64 << 10)
"""Bytes of a state: the first counts, of the others there are more records to walk over."""
AIM = 100.0
REPEATS = 7


def first_read(ground: Ground, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Milliseconds, on the disk: the file's pages dropped from the page cache each time, and not."""
    rows = []
    for size in STATES:
        path = ground.disk / f"states-{size}"
        _fill(path, size)
        cold, warm = [], []
        for _ in range(REPEATS):
            _drop(path)
            cold.append(_open_and_read(path, size))
            warm.append(_open_and_read(path, size))
        path.unlink()
        name = f"{GIB // size} states of {size >> 10} KiB"
        data[name] = {"cold": _wire(cold), "warm": _wire(warm)}
        if size == STATES[0]:
            what = "open 1 GiB of states of 16 MiB to the first one read, pages"
            rows.append(figures.verdict(f"{what} in memory", round(median(warm), 1), AIM, "ms"))
            rows.append(figures.verdict(f"{what} on the disk", round(median(cold), 1), AIM, "ms"))
    return rows


def _fill(path: Path, size: int) -> None:
    count = GIB // size
    half = count * (size + 256) + MIB
    with Store.open(open_medium(path, 2 * (half // 4096 * 4096), "auto")) as store:
        content = bytearray(os.urandom(size))
        for number in range(count):
            content[:8] = number.to_bytes(8, "little")
            store.put(f"state/{number:06}", content)


def _drop(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def _open_and_read(path: Path, size: int) -> float:
    begin = time.perf_counter()
    store = Store.open(open_medium(path, mode="auto"))
    record = store.get("state/000000")
    taken = time.perf_counter() - begin
    assert record is not None and len(record.value) == size
    store.close()
    return 1000 * taken


def _wire(milliseconds: list[float]) -> dict[str, float]:
    return {"p50": round(median(milliseconds), 2), "least": round(min(milliseconds), 2), "most": round(max(milliseconds), 2)}
