"""Death at every await of several stories: `python -m tests.faults.deaths`; writes docs/figures/soak/deaths.json.

Every story of tales.py is played once without a death, and once for each step in which an operator acts between the
arrival of jobs and the end: there it dies (or is frozen for a while). What is counted as `awaits` are these deaths.
Of stories that are named (`… deaths retry held`) the figures are made anew; those of the others stay in the file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from e2e.bench.figures import OUT, machine
from tests.faults.play import Outcome
from tests.faults.sweep import sweep
from tests.faults.tales import TALES

LOST = "LeadershipLostError"
LAST = 100_000
"""A step by which every story is over."""
SECONDS = 3600.0
"""Of one story with all its deaths, at most."""


def figures(tale: str, story: Outcome, deaths: list[Outcome], seconds: float) -> dict[str, Any]:
    """What is published about one story; `violations` tells each with the step of the death that led to it."""
    told = [story, *deaths]
    return {
        "story": tale,
        "date": machine()["date"],
        "what": TALES[tale].what,
        "awaits": len(deaths),
        "violations": [{"step": one["step"], "what": one["violations"]} for one in told if one["violations"]],
        "crashes": [{"step": one["step"], "what": what} for one in told if (what := _unforeseen(one["crashes"], tale))],
        "formerLeadersThatEnded": sum(LOST in crash for one in told for crash in one["crashes"]),
        "differentEnds": len({one["digest"] for one in told}),
        "wallSeconds": round(seconds, 1),
    }


def _unforeseen(crashes: list[str], tale: str) -> list[str]:
    """A former leader that comes back ends by itself, as decision 40 has it; nobody else does."""
    return [crash for crash in crashes if LOST not in crash or not TALES[tale].frozen]


def main() -> int:
    """Play, write the figures; exit status 1 if an invariant was violated or an operator ended by itself."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.deaths", description=__doc__)
    parser.add_argument("tales", nargs="*", help=f"of: {', '.join(TALES)} (all)")
    given = parser.parse_args()
    if unknown := sorted(set(given.tales) - set(TALES)):
        parser.error(f"no such story: {', '.join(unknown)}; there are {', '.join(TALES)}")
    played = []
    for tale in given.tales or TALES:
        begin = time.monotonic()
        played.append(figures(tale, *sweep(LAST, tale, SECONDS), time.monotonic() - begin))
        print(json.dumps(played[-1]), flush=True)
        write(played, anew=not given.tales)
    wrong = [one["story"] for one in played if one["violations"] or one["crashes"]]
    print(
        f"something was wrong in {', '.join(wrong)}: `python -m tests.faults.sweep --tale NAME --only STEP --trace` tells it"
        if wrong
        else f"no invariant was violated in {sum(one['awaits'] for one in played)} deaths"
    )
    return 1 if wrong else 0


def write(played: list[dict[str, Any]], *, anew: bool) -> None:
    """The file, with what is in it about other stories unless it is made anew."""
    path = OUT / "soak" / "deaths.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(path.read_text())["stories"] if path.exists() and not anew else []
    found = {one["story"]: one for one in [*before, *played]}
    figures = {
        "machine": machine(),
        "awaits": sum(one["awaits"] for one in found.values()),
        "violations": sum(len(one["violations"]) for one in found.values()),
        "stories": [found[tale] for tale in TALES if tale in found],
    }
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
