"""A million random requests, none larger than what is free: does one fail?"""

from __future__ import annotations

import random
import time
from typing import Any

from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling.buffer import Buffer
from omnixan.edge_network.memory_pooling.errors import PoolError

PAGE = 4096
LEAST = 16
POOL_MIB = 16


def run(operations: int) -> dict[str, Any]:
    """Acquire (64 KiB and more, in pages, a hundredth of them all that is free) and release; counts failures."""
    rng = random.Random(5)
    pool = MemoryPooling(POOL_MIB << 20, 1 << 20)
    free = (POOL_MIB << 20) // PAGE
    live: list[Buffer] = []
    failed: list[str] = []
    acquired = scattered = 0
    begin = time.perf_counter()
    for number in range(operations):
        if live and (free < LEAST or rng.random() < 0.45):
            buffer = live.pop(rng.randrange(len(live)))
            free += -(-buffer.nbytes // PAGE)
            buffer.release()
            continue
        whole = number % 100 == 0
        pages = free if whole else min(free, int(LEAST * 2 ** rng.uniform(0, 7)))
        acquired += 1
        try:
            buffer = pool.acquire(pages * PAGE, tenant=f"t{number % 3}")
        except PoolError as error:
            failed.append(str(error)[:200])
            continue
        free -= pages
        live.append(buffer)
    scattered = pool.stats().stitched
    return {
        "operations": operations,
        "acquired": acquired,
        "stitched": scattered,
        "failed": len(failed),
        "first": failed[:3],
        "seconds": round(time.perf_counter() - begin, 1),
    }
