"""Which seeded bugs are found: `python -m tests.faults.hunt NAME…` plays each with one seed after the other until one is."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from e2e.cluster.process import dying_with_us
from tests.faults.bugs import BUGS
from tests.faults.failover import episode
from tests.faults.play import ROOT, paths
from tests.faults.replayable import become_replayable

ATTEMPTS = 40
"""Seeds that are played at most; most bugs show in one of the first."""


def hunt(names: Sequence[str], processes: int | None = None, seconds: float = 1200.0) -> dict[str, dict[str, Any]]:
    """What found each bug, by its name: `seed` (None if none did), `invariants` and `violations`; on all processors."""
    count = processes or max(1, len(os.sched_getaffinity(0)))
    running = [_start(share) for i in range(count) if (share := names[i::count])]
    found: dict[str, dict[str, Any]] = {}
    try:
        for process in running:
            output, _ = process.communicate(timeout=seconds)
            assert process.returncode == 0, f"a process that looks for bugs ended with {process.returncode}"
            found |= {one["bug"]: one for one in map(json.loads, output.splitlines())}
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return found


def _start(names: Sequence[str]) -> subprocess.Popen[str]:
    command = dying_with_us([sys.executable, "-m", "tests.faults.hunt", *names])
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | paths(), stdout=subprocess.PIPE, text=True)


def _hunt(name: str) -> dict[str, Any]:
    bug = BUGS[name]
    for seed in range(bug.first_seed, bug.first_seed + ATTEMPTS):
        with bug.applied():
            violations = episode(seed, bug.story).play().violations
        if violations:
            invariants = sorted({violation.invariant for violation in violations})
            return {"bug": name, "seed": seed, "invariants": invariants, "violations": [str(one) for one in violations]}
    return {"bug": name, "seed": None, "invariants": [], "violations": []}


def main() -> int:
    """One line of JSON a bug."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.hunt", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(sorted(BUGS))}; default all")
    given = parser.parse_args()
    become_replayable("tests.faults.hunt")
    for name in given.names or sorted(BUGS):
        print(json.dumps(_hunt(name)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
