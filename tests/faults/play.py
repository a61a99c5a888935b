"""Plays many seeds in processes of their own: equal hash seeds make equal stories, and all processors are used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e.cluster.process import dying_with_us

ROOT = Path(__file__).resolve().parents[2]
Outcome = dict[str, Any]


def play(seeds: Sequence[int], *arguments: str, processes: int | None = None, seconds: float = 1200.0) -> list[Outcome]:
    """The reports of the seeds, in their order; `arguments` are those of `python -m tests.faults`."""
    count = processes or max(1, len(os.sched_getaffinity(0)))
    shares = [seeds[i::count] for i in range(count)]
    running = [_start(share, arguments) for share in shares if share]
    outcomes: list[Outcome] = []
    try:
        for process in running:
            output, _ = process.communicate(timeout=seconds)
            assert process.returncode in (0, 1), f"a process that plays seeds ended with {process.returncode}"
            outcomes += [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return sorted(outcomes, key=lambda outcome: outcome["seed"])


def paths() -> dict[str, str]:
    """What such a process needs in its environment."""
    return {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("operator", "node_agent", "."))}


def _start(share: Sequence[int], arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        dying_with_us([sys.executable, "-m", "tests.faults", "--json", "--list", ",".join(map(str, share)), *arguments]),
        cwd=ROOT,
        env=os.environ | paths(),
        stdout=subprocess.PIPE,
        text=True,
    )


def told(outcomes: list[Outcome]) -> str:
    """What went wrong, and how to see it again."""
    lines = []
    for outcome in outcomes:
        if outcome["violations"]:
            lines.append(f"seed {outcome['seed']}, replay it with `{outcome['replay']}`:")
            lines += [f"  {violation}" for violation in outcome["violations"][:5]]
    return "\n".join(lines)
