"""All images of every script and hundreds of kills: `python -m tests.crash.soak`.

Writes docs/figures/soak/crash-images.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from e2e.bench.figures import OUT, machine
from tests.crash.bugs import BUGS
from tests.crash.campaign import SCRIPTS, Campaign
from tests.crash.expect import Violation
from tests.crash.killing import LogKills, StoreKills

IMAGES = 100_000
KILLS = 200


def main() -> int:
    """Cut, kill, write the figures; exit status 1 if something was lost or fewer images were tried than wanted."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"kills of each, store and log ({KILLS})")
    parser.add_argument("--share", type=float, default=1.0, help="share of the images of each moment (1: all of them)")
    parser.add_argument(
        "--again", type=float, default=0.001, help="share of the images after which a second cut follows (0.001)"
    )
    given = parser.parse_args()
    cuts = {name: _cuts(name, given.share, given.again) for name in SCRIPTS}
    kills = {"store": _kills(StoreKills, given.kills), "log": _kills(LogKills, given.kills)}
    images = sum(figures["imagesDistinctByHash"] for figures in cuts.values())
    lost = sum(len(figures["violations"]) for figures in [*cuts.values(), *kills.values()])
    figures = {
        "machine": machine(),
        "imagesDistinctByHash": images,
        "violations": lost,
        "powerCuts": cuts,
        "killNine": kills,
        "seededBugs": _bugs(),
    }
    path = OUT / "soak" / "crash-images.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{images} images, {2 * given.kills} kills, {lost} violations")
    return 0 if not lost and images >= IMAGES and all(bug["found"] for bug in figures["seededBugs"]) else 1


def _cuts(script: str, share: float, again: float) -> dict[str, Any]:
    begin = time.monotonic()
    campaign = Campaign(seed=2, share=share, again=again, collect=True)
    campaign.play(script)
    tally = campaign.tally
    print(f"{script}: {tally.images} images, {len(campaign.violations)} violations", flush=True)
    return {
        "moments": tally.moments,
        "enumerated": tally.enumerated,
        "mergedBecauseRecoveryReadsTheSame": tally.merged,
        "seenBefore": tally.repeated,
        "looks": tally.looks,
        "imagesDistinctByHash": tally.images,
        "secondCuts": tally.second_cuts,
        "killsInTheScript": tally.kills,
        "mostOpenLines": tally.largest,
        "seconds": round(time.monotonic() - begin, 1),
        "violations": campaign.violations,
    }


def _kills(kind: type[StoreKills | LogKills], rounds: int) -> dict[str, Any]:
    begin = time.monotonic()
    violations = []
    with tempfile.TemporaryDirectory() as folder:
        story = kind(Path(folder) / "it", 3)
        done = 0
        try:
            while done < rounds:
                done += 1
                story.round()
        except Violation as violation:
            violations.append(f"round {done}: {violation}")
    print(f"{kind.__name__}: {done} kills, {len(violations)} violations", flush=True)
    return {
        "kills": done,
        "acknowledged": story.acknowledged,
        "foundThoughNotAcknowledged": story.unacknowledged,
        "seconds": round(time.monotonic() - begin, 1),
        "violations": violations,
    }


def _bugs() -> list[dict[str, Any]]:
    result = []
    for bug in BUGS:
        campaign = Campaign(seed=1, drawn=100, share=0.02, again=0.1 if bug.second_cut else 0)
        try:
            with bug.planted():
                campaign.play(bug.script)
            found = False
        except Violation:
            found = True
        result.append({"bug": bug.what, "in": bug.script, "found": found, "afterLooks": campaign.tally.looks})
    return result


if __name__ == "__main__":
    sys.exit(main())
