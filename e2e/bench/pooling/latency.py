"""How long a buffer takes: in this process, from another one over a socket, and against numpy's own allocation."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from e2e.bench.figures import percentile
from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling.client import SegmentClient

SIZE = 64 << 20
PAGE = 4096
CALLS = 20_000
REPEATS = 7
SERVER = """
import sys
from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling.server import SegmentServer
pool = MemoryPooling("256MB", "64MB")
segment = pool.segment(64 << 20)
segment.array()[:] = 1
with SegmentServer(sys.argv[1]) as server:
    server.publish("state", segment)
    print("ready", flush=True)
    sys.stdin.read()
"""


def _timed(call: Callable[[], Any], count: int) -> array[int]:
    """Nanoseconds of each of so many calls, as plain integers: a list would have each of them allocated in between."""
    clock = time.perf_counter_ns
    found = array("q", bytes(8 * count))
    for number in range(count):
        begin = clock()
        call()
        found[number] = clock() - begin
    return found


def _microseconds(series: list[array[int]]) -> dict[str, float]:
    """Median over the repeats of each repeat's percentiles."""
    shares = {"p50": 0.5, "p99": 0.99}
    return {
        name: round(float(np.median([percentile(one, share) for one in series])) / 1000, 3) for name, share in shares.items()
    }


def in_process() -> dict[str, Any]:
    """Microseconds of acquire, release and both, beside an empty timer, and page faults of a touched buffer."""
    pool = MemoryPooling("256MB", "64MB")
    with pool.lease(SIZE, fill=True) as buffer:
        buffer.array()[:] = 1
    series: dict[str, list[array[int]]] = {"empty timer": [], "acquire": [], "release": [], "acquire and release": []}
    for _ in range(REPEATS):
        series["empty timer"].append(_timed(lambda: None, CALLS))
        series["acquire and release"].append(_timed(lambda: pool.release(pool.acquire(SIZE)), CALLS))
        gets, gives = array("q", bytes(8 * CALLS)), array("q", bytes(8 * CALLS))
        clock = time.perf_counter_ns
        for number in range(CALLS):
            begin = clock()
            buffer = pool.acquire(SIZE)
            got = clock()
            pool.release(buffer)
            gets[number], gives[number] = got - begin, clock() - got
        series["acquire"].append(gets)
        series["release"].append(gives)
    return {name: _microseconds(found) for name, found in series.items()} | {"faults": _faults(pool)}


def _faults(pool: MemoryPooling) -> int:
    """Minor faults of 20 buffers that are touched, steady; the median, as the interpreter has some too."""
    found = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            with pool.lease(SIZE) as buffer:
                buffer.array()[::PAGE] = 1
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return int(np.median(found))


def over_socket() -> dict[str, Any]:
    """Microseconds from the request to the first byte read, with a new mapping each time and with one that is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segments"
        command = [sys.executable, "-c", SERVER, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            with SegmentClient(path) as client:
                found = _both(client)
            child.stdin.close() if child.stdin else None
    return found


def _both(client: SegmentClient) -> dict[str, Any]:
    series: dict[str, list[array[int]]] = {"empty timer": [], "new": [], "kept": []}

    client.acquire("state").release()
    for _ in range(REPEATS):
        series["empty timer"].append(_timed(lambda: None, 1000))
        for name in ("new", "kept"):
            times = array("q")
            for _ in range(1000):
                if name == "new":
                    client.forget()
                begin = time.perf_counter_ns()
                lease = client.acquire("state")
                first = lease.array()[0]
                times.append(time.perf_counter_ns() - begin)
                assert first == 1
                lease.release()
            series[name].append(times)
    client.acquire("state").array()[::PAGE].sum()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(200):
        with client.acquire("state") as lease:
            lease.array()[::PAGE].sum()
    steady = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {name: _microseconds(found) for name, found in series.items()} | {"faults": steady}


def against_numpy() -> dict[str, Any]:
    """Milliseconds of a buffer that is touched, and of one that is filled, from the pool and from np.empty, interleaved."""
    pool = MemoryPooling("256MB", "64MB")
    with pool.lease(SIZE, fill=True) as buffer:
        buffer.array()[:] = 1

    def ours(use: Callable[[np.ndarray], None]) -> None:
        with pool.lease(SIZE) as buffer:
            use(buffer.array())

    def theirs(use: Callable[[np.ndarray], None]) -> None:
        use(np.empty(SIZE, np.uint8))

    def touch(whole: np.ndarray) -> None:
        whole[::PAGE] = 1

    def fill(whole: np.ndarray) -> None:
        whole.fill(1)

    found: dict[str, Any] = {}
    for name, use in (("touch", touch), ("fill", fill)):
        times: dict[str, list[float]] = {"pool": [], "np.empty": []}
        for _ in range(15):
            for who, run in (("pool", ours), ("np.empty", theirs)):
                begin = time.perf_counter()
                run(use)
                times[who].append(1000 * (time.perf_counter() - begin))
        middle = {who: float(np.median(values)) for who, values in times.items()}
        found[name] = {who: round(value, 3) for who, value in middle.items()} | {
            "ratio": round(middle["np.empty"] / middle["pool"], 2)
        }
    return found
