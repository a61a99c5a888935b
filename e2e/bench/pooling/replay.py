"""A process of its own that replays one log with one allocator: `python -m e2e.bench.pooling.replay LOG ALLOCATOR`.

ALLOCATOR is `numpy` (the C library's, whichever is preloaded), `pool:BYTES` (our pool with that trim threshold, `pool:none`
without), `arrow:NAME`, or `free:` (no allocator: every buffer is the beginning of one array that is kept, so what is filled
is mostly in the processor's cache: more than any allocator can reach). Every buffer is filled. The log is replayed PASSES
times, from nothing to nothing; the first pass, in which memory is new to everybody, is not counted. Prints JSON: seconds in
the allocator and in filling of all counted passes, resident over live at every seventh step with at least a quarter of the
highest live sum, and the most that was resident beyond what was live. Resident is what the process has beyond its state
before the log, in anonymous memory and in the pool's own files.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from e2e.bench.pooling import logs

EVERY = 7
"""A recorded log goes in fours (two buffers come, two go): no divisor of it, so that every phase is looked at."""
PASSES = 4


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this kernel does not tell RssAnon")


def _nothing() -> int:
    return 0


def _allocator(
    name: str,
) -> tuple[Callable[[int], Any], Callable[[Any], np.ndarray], Callable[[Any], None], Callable[[], int]]:
    """How to get, look at and give back a buffer, and how much memory is in files."""
    kind, _, which = name.partition(":")
    if kind == "numpy":
        return lambda size: np.empty(size, np.uint8), lambda array: array, lambda array: None, _nothing
    if kind == "free":
        whole = np.ones(logs.LIVE_MIB << 20, np.uint8)
        return lambda size: whole[:size], lambda array: array, lambda array: None, _nothing
    if kind == "arrow":
        import pyarrow as pa

        pool = {"mimalloc": pa.mimalloc_memory_pool, "jemalloc": pa.jemalloc_memory_pool, "system": pa.system_memory_pool}[
            which
        ]()
        return (
            lambda size: pa.allocate_buffer(size, memory_pool=pool),
            lambda buffer: np.frombuffer(buffer, np.uint8),
            lambda buffer: None,
            _nothing,
        )
    from omnixan.edge_network import MemoryPooling

    ours = MemoryPooling("1GB", "64MB", trim_threshold=None if which == "none" else int(which))
    return (
        lambda size: ours.acquire(size, fill=True),
        lambda buffer: buffer.array(),
        ours.release,
        lambda: ours.stats().resident_bytes,
    )


def replay(log: list[tuple[int, int]], name: str) -> dict[str, Any]:
    """Replay and measure."""
    get, look, give, in_files = _allocator(name)
    give(look(get(4096)).size and get(1))
    highest = logs.highest(log)
    seconds, beyond = 0.0, 0
    ratios: list[float] = []
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the C library keeps of the beginning would be taken for memory of the log
    before = _anonymous()  # the pool's own files are counted whole: what it keeps of its beginning is waste like any other
    for number in range(PASSES):
        passed, seen, beyond_here = _pass(log, get, look, give, lambda: _anonymous() - before + in_files(), highest // 4)
        if number:
            seconds += passed
            ratios += [held / live for held, live in seen]
            beyond = max(beyond, beyond_here)
    return {"seconds": seconds, "ratios": ratios, "beyond": beyond, "highest": highest}


def _pass(
    log: list[tuple[int, int]],
    get: Callable[[int], Any],
    look: Callable[[Any], np.ndarray],
    give: Callable[[Any], None],
    resident: Callable[[], int],
    enough: int,
) -> tuple[float, list[tuple[int, int]], int]:
    """Seconds, (resident, live) where enough is live, and the most that was resident beyond what was live, at any look."""
    live: dict[int, Any] = {}
    sizes: dict[int, int] = {}
    total = beyond = 0
    seconds = 0.0
    seen: list[tuple[int, int]] = []
    for step, (number, size) in enumerate(log):
        begin = time.perf_counter()
        if size:
            live[number] = get(size)
            look(live[number]).fill(1)
        else:
            give(live.pop(number))
        seconds += time.perf_counter() - begin
        total += size or -sizes[number]
        sizes[number] = size or sizes[number]
        if step % EVERY == 0:
            held = resident()
            beyond = max(beyond, held - total)
            if total >= enough:
                seen.append((held, total))
    for number in list(live):
        give(live.pop(number))
    return seconds, seen, beyond


def main() -> None:
    """One replay."""
    print(json.dumps(replay(logs.read(Path(sys.argv[1])), sys.argv[2])))


if __name__ == "__main__":
    main()
