"""`python -m e2e.guest`: our store on real DAX in a virtual machine, a power cut, and what is found afterwards.

Exits with 1 if an acknowledged record is lost, or something passes for persistent memory that is none.
"""

from __future__ import annotations

import argparse
import json
import secrets

from e2e.cluster.steps import Steps
from e2e.guest.power_cut import CONTROL, FORGETFUL, STORES, Found, power_cut, shortcomings


def _text(found: Found, wrong: list[str]) -> str:
    after = found["lastBoot"]
    lines = [f"{'path':<24} {'mounted with':<26} {'MAP_SYNC':<26} {'is_pmem':<8} tier"]
    for path, fact in after.items():
        if "tier" in fact:
            kernel = (fact.get(name, "") for name in ("mount", "mapSync", "isPmem"))
            lines.append("{:<24} {:<26} {:<26} {:<8} {}".format(path, *kernel, fact["tier"]))
    records = found["acknowledged"][-1]
    cuts = ", ".join(map(str, found["acknowledged"]))
    lines.append(f"power cut after {cuts} acknowledged records (seed {found['seed']}, Linux {found['kernel']})")
    for path in STORES:
        fact = after[path]
        state = "all as acknowledged" if not fact["wrong"] else f"{len(fact['wrong'])} WRONG"
        lines.append(f"  {path:<22} {state}; {fact['inFlight']} more were under way")
    for path in (CONTROL, FORGETFUL):
        lines.append(f"  {path:<22} {after[path]['there']} of {records}, written without a flush")
    return "\n".join([*lines, *(f"WRONG: {sentence}" for sentence in wrong)])


def main() -> None:
    """Parse the options, cut the power, say what was found."""
    parser = argparse.ArgumentParser(prog="python -m e2e.guest", description=__doc__)
    parser.add_argument("--seed", type=int, help="records and moment of the power cut (random)")
    parser.add_argument("--cuts", type=int, default=1, help="so many power cuts one after another (1)")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    found = power_cut(seed, Steps(), options.cuts)
    wrong = shortcomings(found)
    print(json.dumps(found | {"wrong": wrong}, indent=1) if options.output == "json" else _text(found, wrong))
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
