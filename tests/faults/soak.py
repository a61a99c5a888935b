"""Thousands of long stories: `python -m tests.faults.soak --seeds 2000`; writes docs/figures/soak/faults.json."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from typing import Any

from e2e.bench.figures import OUT, machine
from tests.faults.play import Outcome, play, told

FIRST = 10_000
"""Seeds from here on, so that they are none of the tests'."""
CHUNK = 100
LEAST_STEPS = 500
STORY = ("--actions", "60", "--jobs", "16", "--deaths", "4")
LEADERS = ("--replicas", "2", "--deaths", "12", "--actions", "60")


def main() -> int:
    """Play, write the figures; exit status 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="stories of all sorts (2000)")
    parser.add_argument("--leaders", type=int, default=150, help="stories of two replicas that die again and again (150)")
    given = parser.parse_args()
    begin = time.monotonic()
    stories = _play("stories", given.seeds, FIRST, STORY)
    leaders = _play("leaders", given.leaders, 2 * FIRST, LEADERS)
    figures = {
        "machine": machine(),
        "seconds": round(time.monotonic() - begin, 1),
        "stories": _figures(stories),
        "leaders": _figures(leaders),
    }
    path = OUT / "soak" / "faults.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(told([*stories, *leaders]) or "no invariant was violated")
    return 1 if any(outcome["violations"] for outcome in [*stories, *leaders]) else 0


def _play(what: str, count: int, first: int, arguments: tuple[str, ...]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for start in range(first, first + count, CHUNK):
        outcomes += play(range(start, min(start + CHUNK, first + count)), *arguments, seconds=7200.0)
        print(f"{what}: {len(outcomes)} of {count}", flush=True)
    return outcomes


def _figures(outcomes: list[Outcome]) -> dict[str, Any]:
    """What is published: how much was played, and what was violated."""
    steps = [outcome["steps"] for outcome in outcomes]
    jobs: Counter[str] = Counter()
    for outcome in outcomes:
        jobs.update(outcome["jobs"])
    failed = [outcome for outcome in outcomes if outcome["violations"]]
    return {
        "seeds": len(outcomes),
        "steps": {"total": sum(steps), "median": statistics.median(steps or [0]), "least": min(steps, default=0)},
        "seedsWithAtLeast500Steps": sum(step >= LEAST_STEPS for step in steps),
        "virtualHours": round(sum(outcome["virtual_seconds"] for outcome in outcomes) / 3600, 1),
        "operatorsThatDied": sum(outcome["deaths"] for outcome in outcomes),
        "jobs": dict(jobs),
        "seedsWithViolations": [outcome["seed"] for outcome in failed],
        "violations": dict(Counter(name for outcome in failed for name in outcome["invariants"])),
    }


if __name__ == "__main__":
    sys.exit(main())
