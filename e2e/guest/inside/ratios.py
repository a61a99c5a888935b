"""How long a durable write takes on a DAX mount, and on the same device without DAX. In an emulator only ratios count."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median

from omnixan.edge_network.persistent_memory import Medium, Store

TIMES = {4096: 200, 65536: 100, 16 << 20: 9, 256 << 20: 5}
"""Bytes of a write -> how often it is done."""
PUT_BYTES = 4096
MIB = 1 << 20


def system_calls(path: str) -> dict[str, float]:
    """pwrite and fdatasync into a file whose blocks are there: bytes -> microseconds, median."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for offset in range(0, max(TIMES), MIB):
            os.pwrite(file, bytes(MIB), offset)
        os.fsync(file)

        def write(data: memoryview) -> None:
            offset = 0
            while offset < len(data):
                offset += os.pwrite(file, data[offset:], offset)
            os.fdatasync(file)

        return _by_size(write)
    finally:
        os.close(file)


def persists(medium: Medium) -> dict[str, float]:
    """A write into our medium and its persist: bytes -> microseconds, median."""

    def write(data: memoryview) -> None:
        medium.write(0, data)
        medium.persist((0, len(data)))

    return _by_size(write)


def copies() -> dict[str, float]:
    """memcpy into ordinary memory: bytes -> microseconds, median."""
    target = memoryview(bytearray(max(TIMES)))

    def copy(data: memoryview) -> None:
        target[: len(data)] = data

    return _by_size(copy)


def puts(store: Store) -> float:
    """A `put` of PUT_BYTES into our store: microseconds, median. Checksums are computed in Python here."""
    return _median(lambda data: store.put("checkpoint", data), PUT_BYTES)


def _by_size(write: Callable[[memoryview], object]) -> dict[str, float]:
    return {str(size): _median(write, size) for size in TIMES}


def _median(write: Callable[[memoryview], object], size: int) -> float:
    random = os.urandom(min(size + PUT_BYTES, 16 * MIB))  # a guest takes its time for every random byte
    whole = memoryview(bytearray(random * -(-(size + PUT_BYTES) // len(random))))
    contents = [whole[:size], whole[PUT_BYTES : PUT_BYTES + size]]
    taken = []
    for number in range(TIMES[size]):
        begin = time.perf_counter_ns()
        write(contents[number % 2])
        taken.append(time.perf_counter_ns() - begin)
    return round(median(taken) / 1000, 1)
