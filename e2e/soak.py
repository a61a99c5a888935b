"""`make soak`: what takes too long for `make test`; every part writes its JSON below docs/figures/."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from e2e.bench.figures import OUT, machine
from e2e.cluster import open_cluster


def scenarios(rounds: int) -> bool:
    """The scenarios again and again on one cluster."""
    done = []
    cluster = open_cluster()
    try:
        for number in range(1, rounds + 1):
            print(f"══ round {number}", flush=True)
            begin = time.monotonic()
            command = [sys.executable, "-m", "pytest", "e2e/scenarios", "-q"]
            run = subprocess.run(command, env={**os.environ, "OMNIXAN_KEEP_CLUSTER": "1"}, check=False)
            done.append({"seconds": round(time.monotonic() - begin, 1), "passed": run.returncode == 0})
    finally:
        cluster.down()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "soak.json").write_text(json.dumps({"machine": machine(), "rounds": done}, indent=1) + "\n")
    return all(one["passed"] for one in done)


def load(_: int) -> bool:
    """10,000 jobs, 1,000 EdgeClusters: see e2e/load."""
    return subprocess.run([sys.executable, "-m", "e2e.load", "--save"], check=False).returncode == 0


def faults(_: int) -> bool:
    """Thousands of seeds of the fault simulation: see tests/faults."""
    return subprocess.run([sys.executable, "-m", "tests.faults.soak"], check=False).returncode == 0


PARTS: dict[str, Callable[[int], bool]] = {"scenarios": scenarios, "load": load, "faults": faults}


def main() -> None:
    """Run the parts; exits with 1 if one failed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts to run (all)")
    parser.add_argument("--rounds", type=int, default=3, help="how often the scenarios run (3)")
    options = parser.parse_args()
    passed = [PARTS[name](options.rounds) for name in options.parts or PARTS]
    raise SystemExit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
