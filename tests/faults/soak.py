"""Thousands of long stories: `python -m tests.faults.soak --seeds 2000`; writes docs/figures/soak/faults.json.

What has been played is kept in the cache; `--resume` goes on from there, and the figures are about both. With `--minutes`
nothing new is begun after that time, and the figures are about what was played, which `of` says is not all.
A step is an answer of the API server, an event that it delivers, or a write: what invariants are checked at.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from e2e.bench.figures import OUT, machine
from e2e.cluster.cache import cache_root
from tests.faults.play import Outcome, play, told

FIRST = 10_000
"""Seeds from here on, so that they are none of the tests'."""
CHUNK = 40
LEAST_STEPS = 500
STORY = ("--actions", "60", "--jobs", "16", "--deaths", "4")
LEADERS = ("--replicas", "2", "--deaths", "12", "--actions", "60")


def main() -> int:
    """Play, write the figures; exit status 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="stories of all sorts (2000)")
    parser.add_argument("--leaders", type=int, default=150, help="stories of two replicas that die again and again (150)")
    parser.add_argument("--resume", action="store_true", help="go on after the seeds that an earlier soak has played")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after that time")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    played = cache_root() / "soak-faults.jsonl"
    if not given.resume:
        played.unlink(missing_ok=True)
    leaders = _play("leaders", range(2 * FIRST, 2 * FIRST + given.leaders), LEADERS, played, until)
    stories = _play("stories", range(FIRST, FIRST + given.seeds), STORY, played, until)
    figures = {
        "machine": machine(),
        "seconds": round(sum(outcome["wallSeconds"] for outcome in [*stories, *leaders])),
        "stories": {"of": given.seeds} | _figures(stories),
        "leaders": {"of": given.leaders} | _figures(leaders),
    }
    path = OUT / "soak" / "faults.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(told([*stories, *leaders]) or "no invariant was violated")
    return 1 if any(outcome["violations"] for outcome in [*stories, *leaders]) else 0


def _play(what: str, seeds: range, arguments: tuple[str, ...], played: Path, until: float) -> list[Outcome]:
    """The outcomes of the seeds: those in `played`, and the others, which are written to it chunk by chunk.

    After `until` (monotonic) no chunk is begun.
    """
    lines = played.read_text().splitlines() if played.exists() else []
    known = {outcome["seed"]: outcome for outcome in map(json.loads, lines) if outcome["seed"] in seeds}
    left = [seed for seed in seeds if seed not in known]
    for start in range(0, len(left), CHUNK):
        chunk, begin = left[start : start + CHUNK], time.monotonic()
        if begin > until:
            break
        outcomes = play(chunk, *arguments, seconds=7200.0)
        seconds = (time.monotonic() - begin) / len(chunk)
        with played.open("a") as file:
            for outcome in outcomes:
                known[outcome["seed"]] = outcome | {"wallSeconds": round(seconds, 3)}
                file.write(json.dumps(known[outcome["seed"]]) + "\n")
        print(f"{what}: {len(known)} of {len(seeds)}", flush=True)
    return [known[seed] for seed in seeds if seed in known]


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
