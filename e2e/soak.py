"""`make soak`: the scenarios again and again on one cluster; the JSON of the rounds goes to docs/figures/soak.json."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

from e2e.bench.figures import OUT, machine
from e2e.cluster import open_cluster


def main() -> None:
    """Run the rounds; exits with 1 if one failed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    rounds = []
    cluster = open_cluster()
    try:
        for number in range(1, parser.parse_args().rounds + 1):
            print(f"══ round {number}", flush=True)
            begin = time.monotonic()
            command = [sys.executable, "-m", "pytest", "e2e/scenarios", "-q"]
            done = subprocess.run(command, env={**os.environ, "OMNIXAN_KEEP_CLUSTER": "1"}, check=False)
            rounds.append({"seconds": round(time.monotonic() - begin, 1), "passed": done.returncode == 0})
    finally:
        cluster.down()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "soak.json").write_text(json.dumps({"machine": machine(), "rounds": rounds}, indent=1) + "\n")
    raise SystemExit(0 if all(r["passed"] for r in rounds) else 1)


if __name__ == "__main__":
    main()
