"""Thousands of long stories: `python -m tests.faults.soak --seeds 2000`; writes docs/figures/soak/faults.json.

What has been played is kept in the cache; `--resume` goes on from there, and the figures are about both. With `--minutes`
nothing new is begun after that time, and the figures are about what was played, which `of` says is not all. With `--only`
the figures of the other sections stay as they are; each section says when and on what it was played.
A step is an answer of the API server, an event that it delivers, or a write: what invariants are checked at.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.bench.figures import OUT, machine, spread
from e2e.cluster.cache import cache_root
from tests.faults.failover import FAILOVER, WAYS
from tests.faults.play import Outcome, play, told
from tests.faults.takeovers import LIMIT

FIRST = 10_000
"""Seeds from here on, so that they are none of the tests'."""
CHUNK = 20
LEAST_STEPS = 500
FIGURES = OUT / "soak" / "faults.json"


@dataclass(frozen=True)
class Section:
    """Stories of one sort."""

    first: int
    """Seed."""
    arguments: tuple[str, ...]
    """Those of `python -m tests.faults`."""
    figures: Callable[[list[Outcome]], dict[str, Any]]


def main() -> int:
    """Play, write the figures; exit status 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="stories of all sorts (2000)")
    parser.add_argument("--leaders", type=int, default=150, help="stories of two replicas that die again and again (150)")
    parser.add_argument("--losses", type=int, default=1000, help="of leaders while a hundred jobs run, at least (1000)")
    parser.add_argument("--only", choices=sorted(SECTIONS), action="append", help="this section; may be said twice")
    parser.add_argument("--resume", action="store_true", help="go on after the seeds that an earlier soak has played")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after that time")
    parser.add_argument("--processes", type=int, help="that play (all processors)")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    counts = {"failover": -(-given.losses // FAILOVER.losses), "leaders": given.leaders, "stories": given.seeds}
    played = cache_root() / "soak-faults.jsonl"
    all_outcomes: list[Outcome] = []
    for name in given.only or SECTIONS:
        section = SECTIONS[name]
        if not given.resume:
            _forget(played, section)
        seeds = range(section.first, section.first + counts[name])
        outcomes = _play(name, seeds, section.arguments, played, until, given.processes)
        seconds = round(sum(outcome["wallSeconds"] for outcome in outcomes))
        _publish(name, {"machine": machine(), "seconds": seconds, "of": len(seeds)} | section.figures(outcomes))
        all_outcomes += outcomes
    print(told(all_outcomes) or "no invariant was violated")
    return 1 if any(outcome["violations"] for outcome in all_outcomes) else 0


def _forget(played: Path, section: Section) -> None:
    """Take a section's outcomes out of what has been played."""
    if played.exists():
        own = range(section.first, section.first + FIRST)
        lines = [line for line in played.read_text().splitlines(keepends=True) if json.loads(line)["seed"] not in own]
        played.write_text("".join(lines))


def _publish(name: str, figures: dict[str, Any]) -> None:
    """Write one section's figures; those of the others stay."""
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(known | {name: figures}, indent=1) + "\n")


def _play(
    what: str, seeds: range, arguments: tuple[str, ...], played: Path, until: float, processes: int | None
) -> list[Outcome]:
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
        outcomes = play(chunk, *arguments, processes=processes, seconds=7200.0)
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


def _failover_figures(outcomes: list[Outcome]) -> dict[str, Any]:
    """As for all, and how long nobody led: to the Lease's next holder, and to the first that this one wrote of its work."""
    takeovers = [takeover for outcome in outcomes for takeover in outcome["takeovers"]]
    ways = {way: [one for one in takeovers if one["way"] == way] for way in WAYS}
    return _figures(outcomes) | {
        "losses": {way: len(losses) for way, losses in ways.items()},
        "limitSeconds": LIMIT,
        "leaseTakenSeconds": {way: _taken(losses, "lease") for way, losses in ways.items()},
        "firstWorkSeconds": {way: _taken(losses, "work") for way, losses in ways.items()},
        "lateWritesWithoutPolicy": sum(one["late"] for one in takeovers),
        "runsUnderWayAtALoss": {"least": min((one["runs"] for one in takeovers), default=0)}
        | {"median": statistics.median([one["runs"] for one in takeovers] or [0])},
        "jobsNotOverAtALoss": {"least": min((one["jobs"] for one in takeovers), default=0)}
        | {"median": statistics.median([one["jobs"] for one in takeovers] or [0])},
    }


def _taken(losses: list[dict[str, Any]], what: str) -> dict[str, float]:
    """The spread of how long it took; those after which it never came are not in its count, and are violations."""
    seconds = [loss[what] for loss in losses if loss[what] is not None]
    return spread(seconds) | {"least": round(min(seconds), 2)} if seconds else {"count": 0}


SECTIONS = {
    "failover": Section(3 * FIRST, ("--failover",), _failover_figures),
    "leaders": Section(2 * FIRST, ("--replicas", "2", "--deaths", "12", "--actions", "60"), _figures),
    "stories": Section(FIRST, ("--actions", "60", "--jobs", "16", "--deaths", "4"), _figures),
}
"""In the order in which they are played."""


if __name__ == "__main__":
    sys.exit(main())
