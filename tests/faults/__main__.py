"""Play seeds by hand: `python -m tests.faults --seed 7 --trace`, or many: `--seeds 0-99`."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import time
from collections import Counter
from dataclasses import asdict, replace

from tests.faults.bugs import BUGS
from tests.faults.episode import Episode, Report, Story
from tests.faults.failover import FAILOVER, episode
from tests.faults.replayable import become_replayable
from tests.faults.virtualtime import CLIENT


class _Told(logging.Formatter):
    """Virtual seconds, who, what."""

    def __init__(self, episode: Episode) -> None:
        super().__init__()
        self._episode = episode

    def format(self, record: logging.LogRecord) -> str:
        who, where = CLIENT.get() or "-", record.name.split(".")[-1]
        return f"{self._episode.loop.now:10.3f} {who:11} {where:12} {record.getMessage()[:400]}"


def told(episode: Episode) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Told(episode))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("tests.faults").setLevel(logging.DEBUG)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    server = logging.getLogger("tests.faults.server")

    def write(write: object) -> None:
        request = write.request  # type: ignore[attr-defined]
        server.info(
            "%s %s %s %s%s", request.client, request.method, request.path, "" if write.changed else "(no change) ",  # type: ignore[attr-defined]
            str(request.body)[:300],
        )  # fmt: skip

    episode.cluster.api.listeners.append(write)


def _play(seed: int, story: Story, trace: bool) -> Report:
    played = episode(seed, story, trace=trace)
    if trace:
        told(played)
    report = played.play()
    if trace:
        for moment, what in played.people.log:
            print(f"{moment:10.3f} people: {what}")
    return report


def _seeds(given: argparse.Namespace) -> list[int]:
    if given.list:
        return [int(seed) for seed in given.list.split(",")]
    if given.seeds:
        first, last = map(int, given.seeds.split("-"))
        return list(range(first, last + 1))
    return [given.seed or 0]


def _plain(report: Report) -> dict[str, object]:
    """A report as JSON has it, with the command that plays the seed again."""
    options = [argument for argument in sys.argv[1:] if argument != "--json"]
    if "--list" in options:
        del options[options.index("--list") : options.index("--list") + 2]
    replay = " ".join(["python -m tests.faults --seed", str(report.seed), "--trace", *options])
    violations = [str(violation) for violation in report.violations]
    invariants = sorted({violation.invariant for violation in report.violations})
    return asdict(report) | {"violations": violations, "invariants": invariants, "replay": replay}


def main() -> int:
    """Exit status 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", help="first-last")
    parser.add_argument("--actions", type=int)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--deaths", type=int)
    parser.add_argument("--replicas", type=int)
    parser.add_argument("--outage", type=float)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--failover", action="store_true", help="a calm story in which the leader is lost again and again")
    parser.add_argument("--losses", type=int, help="of leaders, in such a story")
    parser.add_argument("--trace", action="store_true", help="tell everything that happens")
    parser.add_argument("--list", help="seeds, separated by commas")
    parser.add_argument("--json", action="store_true", help="one line of JSON a seed")
    parser.add_argument("--bug", choices=sorted(BUGS), help="play with a seeded bug of the operator, in its story")
    given = parser.parse_args()
    become_replayable()
    story = BUGS[given.bug].story if given.bug else FAILOVER if given.failover else Story()
    wished = {name: getattr(given, name) for name in ("actions", "jobs", "deaths", "replicas", "outage", "losses")}
    calm = given.calm or story.calm
    story = replace(story, calm=calm, **{name: value for name, value in wished.items() if value is not None})
    seeds = _seeds(given)
    failed, start = 0, time.monotonic()
    names: Counter[str] = Counter()
    for seed in seeds:
        with BUGS[given.bug].applied() if given.bug else contextlib.nullcontext():
            report = _play(seed, story, given.trace)
        failed += bool(report.violations)
        names.update({violation.invariant for violation in report.violations})
        if given.json:
            print(json.dumps(_plain(report)), flush=True)
        elif report.violations or given.seed is not None:
            print(report)
    if not given.json:
        print(f"{failed} of {len(seeds)} seeds failed, {time.monotonic() - start:.1f} s: {dict(names)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
