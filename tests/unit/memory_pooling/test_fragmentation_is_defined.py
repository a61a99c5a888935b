"""The three figures, as docs/memory-pooling.md has them."""

from __future__ import annotations

import pytest

from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling.fragmentation import Fragmentation, PoolState, fragmentation
from tests.unit.memory_pooling.limits import NO_LIMITS

NOTHING = {"free": 0, "largest": 0, "requested": 0, "granted": 0, "resident": 0}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, (0, 0, 0)),
        ({"free": 100, "largest": 25}, (0.75, 0, 0)),
        ({"requested": 75, "granted": 100, "resident": 150}, (0, 0.25, 1.0)),
        ({"requested": 100, "granted": 100, "resident": 10}, (0, 0, 0)),  # granted and not yet touched
        ({"resident": 100}, (0, 0, 0)),
    ],
)
def test_definitions(state: dict[str, int], expected: tuple[float, float, float]) -> None:
    assert fragmentation(PoolState(**(NOTHING | state))) == Fragmentation(*expected)


def test_a_pool_reports_them() -> None:
    pool = MemoryPooling("1MB", "128KB", limits=NO_LIMITS)
    buffers = [pool.acquire(3000) for _ in range(4)]
    for buffer in buffers:
        buffer.array()[:] = 1
    buffers[0].release()
    stats = pool.stats()
    assert stats.external == 0
    assert stats.internal == 1 - 3000 / 4096
    assert stats.overhead == 4 * 4096 / 9000 - 1
    assert stats.used_bytes == 3 * 4096
