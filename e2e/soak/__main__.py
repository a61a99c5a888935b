"""`make soak`: named parts, each with its rounds, evidence as JSON under docs/figures/soak/.

    make soak                          every part
    make soak PARTS="failover nodes"   some of them
    make soak PARTS=failover ROUNDS=3  fewer rounds than a part has by itself
    make soak RESUME=1                 go on where an earlier soak was ended

A round that fails is written down with its reason and what the cluster said then, and the next one begins on a cluster
made anew: what one round broke is not held against the others. The exit status is 1 in the end.
"""

from __future__ import annotations

import argparse
from functools import partial

from e2e.soak import parts
from e2e.soak.report import Report


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of: {', '.join(parts.PARTS)} (all)")
    parser.add_argument("--rounds", type=int, help="rounds of each part (its own number)")
    parser.add_argument("--resume", action="store_true", help="go on after the rounds that are written down already")
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - set(parts.PARTS))
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(parts.PARTS)}")
    well = True
    with parts.Ground() as ground:
        for name in options.parts or parts.PARTS:
            part = parts.PARTS[name]
            report = Report(part.report or name, part.what, options.rounds or part.rounds, resume=options.resume)
            for number in range(len(report.rounds), report.rounds_wanted):
                if not report.round(number, partial(part.run, ground, number), ground.why, ground.evidence):
                    ground.give_up()
            well = report.write() and well
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
