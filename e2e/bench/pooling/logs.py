"""Logs of requests that every allocator replays: which buffer of how many bytes comes, which goes. Seeded, or recorded."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

SEED = 20261128
ALLOCATIONS = 1000
LIVE_MIB = 256
"""Buffers go from here on."""


def states() -> list[tuple[int, int]]:
    """States of 12 to 19 qubits: 2^n·16 bytes, 64 KiB to 8 MiB, all widths alike."""
    rng = random.Random(SEED)
    return _churn(rng, lambda: 16 << rng.randint(12, 19))


def mixed() -> list[tuple[int, int]]:
    """Any size from 4 KiB to 8 MiB, all orders of magnitude alike: batches, results, states."""
    rng = random.Random(SEED + 1)
    return _churn(rng, lambda: int(2 ** rng.uniform(12, 23)))


def recorded() -> list[tuple[int, int]]:
    """What a quantum worker asked for: see `record`."""
    return read(Path(__file__).with_name("recorded.json"))


def _churn(rng: random.Random, size: Callable[[], int]) -> list[tuple[int, int]]:
    """(number, bytes) for a buffer that comes, (number, 0) for one that goes; who goes is drawn among those that live."""
    log: list[tuple[int, int]] = []
    live: list[int] = []
    sizes: dict[int, int] = {}
    total = number = 0
    while number < ALLOCATIONS:
        if live and (total > LIVE_MIB << 20 or rng.random() < 0.4):
            gone = live.pop(rng.randrange(len(live)))
            total -= sizes[gone]
            log.append((gone, 0))
        else:
            sizes[number] = size()
            total += sizes[number]
            live.append(number)
            log.append((number, sizes[number]))
            number += 1
    return log


def highest(log: list[tuple[int, int]]) -> int:
    """The most bytes that live at a time."""
    sizes = dict(entry for entry in log if entry[1])
    total = most = 0
    for number, size in log:
        total += size or -sizes[number]
        most = max(most, total)
    return most


def write(path: Path, log: list[tuple[int, int]]) -> None:
    """As JSON."""
    path.write_text(json.dumps(log))


def read(path: Path) -> list[tuple[int, int]]:
    """What `write` wrote."""
    return [(number, size) for number, size in json.loads(path.read_text())]
