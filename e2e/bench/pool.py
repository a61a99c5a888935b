"""The memory pool: how long a buffer takes, what is wasted, against the C library's and others' allocators."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from e2e.bench import figures
from e2e.bench.pooling import circuits, latency, logs, peers, requests
from e2e.bench.pooling.replay import PASSES
from e2e.manifests import ROOT

REPEATS = 5
THRESHOLDS = ("0", str(2 << 20), str(6 << 20), str(32 << 20), "none")
STATES_THRESHOLD = MIXED_THRESHOLD = f"pool:{6 << 20}"
"""The row of the curve that is judged: 6 MiB kept idle."""
LOGS = {"states": logs.states, "mixed": logs.mixed, "recorded": logs.recorded}
OPERATIONS = 1_000_000


def run() -> None:
    """Measure and write docs/figures/pool.*."""
    found: dict[str, Any] = {"microseconds": {"in process": latency.in_process(), "over a socket": latency.over_socket()}}
    found["milliseconds of 64 MiB"] = latency.against_numpy()
    found["milliseconds to a fitted circuit"] = circuits.run()
    found["replays"] = {name: replays(log()) for name, log in LOGS.items()}
    figures.write("pool", found, rows(found))


def run_requests() -> None:
    """A million requests: docs/figures/pool-requests.*."""
    found = requests.run(OPERATIONS)
    name = f"requests of at most what is free that failed, of {found['acquired']} in {found['operations']} operations"
    figures.write("pool-requests", {"requests": found}, [figures.verdict(name, found["failed"], 0, "")])


def allocators() -> dict[str, dict[str, str]]:
    """Who replays, each with its environment; who is absent is left out."""
    found: dict[str, dict[str, str]] = {f"pool:{threshold}": {} for threshold in THRESHOLDS}
    found |= {"glibc": {}, "free:": {}}
    for name in peers.LIBRARIES:
        library = peers.library(name)
        if library is not None:
            found[name] = {"LD_PRELOAD": str(library)}
    folder = peers.arrow()
    if folder is not None:
        found |= {f"arrow:{name}": {"PYTHONPATH": str(folder)} for name in ("mimalloc", "jemalloc")}
    return found


def replays(log: list[tuple[int, int]]) -> dict[str, Any]:
    """Of each allocator: buffers a second, resident over live (p95 and mean), median of interleaved repeats."""
    results: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.json"
        logs.write(path, log)
        order = list(allocators().items())
        for repeat in range(REPEATS):
            random.Random(repeat).shuffle(order)  # who comes after whom decides what memory the kernel has at hand
            for name, env in order:
                one = _replay(path, name, env)
                if one is not None:
                    results.setdefault(name, []).append(one)
            print(f"  replayed {repeat + 1}/{REPEATS}", flush=True)
    return {name: _summary(log, found) for name, found in results.items()}


def _replay(path: Path, name: str, env: dict[str, str]) -> dict[str, Any] | None:
    kind = name if ":" in name else "numpy"
    where = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "node_agent"), env.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "e2e.bench.pooling.replay", str(path), kind]
    done = subprocess.run(command, env=os.environ | env | {"PYTHONPATH": where}, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  {name} failed: {done.stderr.strip().splitlines()[-1:]}", flush=True)
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _summary(log: list[tuple[int, int]], found: list[dict[str, Any]]) -> dict[str, float]:
    count = (PASSES - 1) * sum(size > 0 for _, size in log)
    return {
        "buffersPerSecond": round(float(np.median([count / one["seconds"] for one in found])), 1),
        "residentOverLiveP95": round(float(np.median([figures.percentile(one["ratios"], 0.95) for one in found])), 4),
        "residentOverLiveMean": round(float(np.median([np.mean(one["ratios"]) for one in found])), 4),
        "beyondLiveMiB": round(float(np.median([one["beyond"] / 2**20 for one in found])), 1),
        "repeats": len(found),
    }


def rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Verdicts."""
    inside, outside = found["microseconds"]["in process"], found["microseconds"]["over a socket"]
    large, fitted = found["milliseconds of 64 MiB"], found["milliseconds to a fitted circuit"]
    states, mixed = found["replays"]["states"], found["replays"]["mixed"]
    recorded = found["replays"]["recorded"]
    ours, glibc = states[STATES_THRESHOLD], states["glibc"]
    real = recorded[STATES_THRESHOLD]
    boundless = states["pool:none"]["buffersPerSecond"] / glibc["buffersPerSecond"]
    waste = {name: one["residentOverLiveMean"] - 1 for name, one in mixed.items()}
    hit, again = fitted["cache hit"], fitted["parse and reused pass manager"]
    timer = inside["empty timer"]["p99"]
    return [
        figures.verdict(f"64 MiB in process, acquire, p99 (empty timer {timer} µs)", inside["acquire"]["p99"], 2, "µs"),
        figures.verdict("64 MiB in process, acquire and release, p99", inside["acquire and release"]["p99"], 2, "µs"),
        figures.verdict("20 touched buffers of 64 MiB in process, minor faults", inside["faults"], 0, ""),
        figures.verdict("64 MiB over a socket, descriptor, mapping, first byte, p50", outside["new"]["p50"], 60, "µs"),
        figures.verdict("64 MiB over a socket, mapping kept, p50", outside["kept"]["p50"], 60, "µs"),
        figures.verdict("200 read segments of 64 MiB, mapping kept, minor faults", outside["faults"], 0, ""),
        figures.at_least("64 MiB and a byte touched a page, np.empty over pool", large["touch"]["ratio"], 15, "×"),
        figures.at_least("64 MiB and filled, np.empty over pool", large["fill"]["ratio"], 2.5, "×"),
        figures.verdict("log of states, filled: resident over live, p95", ours["residentOverLiveP95"], 1.05, "×"),
        figures.at_least(
            "log of states, filled: buffers a second, pool over glibc",
            round(ours["buffersPerSecond"] / glibc["buffersPerSecond"], 2),
            2.5,
            "×",
        ),
        figures.noted("log of states, filled: the same with no bound on what is kept", round(boundless, 2), "×"),
        figures.noted(
            "log of states, filled: the same without an allocator, in memory that stays in the cache, over glibc",
            round(states["free:"]["buffersPerSecond"] / glibc["buffersPerSecond"], 2),
            "×",
        ),
        figures.verdict("a worker's log, filled: resident over live, p95", real["residentOverLiveP95"], 1.05, "×"),
        figures.noted("a worker's log, filled: the most that is resident beyond what lives", real["beyondLiveMiB"], "MiB"),
        figures.at_least(
            "a worker's log, filled: buffers a second, pool over glibc",
            round(real["buffersPerSecond"] / recorded["glibc"]["buffersPerSecond"], 2),
            2.5,
            "×",
        ),
        figures.at_least(
            "mixed log, filled: overhead (resident over live − 1) below glibc's by",
            round(100 * (1 - waste[MIXED_THRESHOLD] / waste["glibc"]), 1),
            40,
            "%",
        ),
        figures.verdict("compiled circuit from the cache", round(1000 * hit, 1), 100, "µs"),
        figures.at_least("parse and a reused pass manager over a cache hit", round(again / hit, 1), 5, "×"),
    ]
