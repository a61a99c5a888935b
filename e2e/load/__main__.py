"""`python -m e2e.load [part …]`: put a load on the real operator and judge what it does.

The control plane is a real etcd and kube-apiserver, operator and analyzer are the real ones, the agents are a
simulator's. All share this machine. Exits with 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Callable
from typing import Any

from e2e.bench.figures import OUT, machine
from e2e.cluster.steps import Steps
from e2e.load import clusters, jobs, tenants
from e2e.load.scale import SMALL, Scale

PARTS: dict[str, Callable[[Scale, Steps], dict[str, Any]]] = {
    "jobs": jobs.run,
    "clusters": clusters.run,
    "tenants": tenants.run,
}


def run(parts: list[str], scale: Scale, steps: Steps) -> dict[str, Any]:
    """Run the parts in order; their rows, what was measured besides, and under which conditions."""
    rows: list[dict[str, Any]] = []
    data: dict[str, Any] = {"machine": machine(), "scale": dataclasses.asdict(scale), "loadAverageBefore": os.getloadavg()}
    for name in parts:
        begin = time.monotonic()
        found = PARTS[name](scale, steps)
        rows += found.pop("rows")
        data[name] = found | {"minutes": round((time.monotonic() - begin) / 60, 1), "loadAverage": os.getloadavg()}
    return data | {"rows": rows}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown of the rows."""
    lines = ["| figure | measured | aim | met |", "| --- | ---: | ---: | --- |"]
    for row in rows:
        if "met" not in row:
            lines.append(f"| {row['figure']} | {row['measured']:g} {row['unit']} | – | – |")
            continue
        aim = f"≤ {row['limit']:g}" if "limit" in row else f"≥ {row['least']:g}"
        met = "yes" if row["met"] else "no"
        lines.append(f"| {row['figure']} | {row['measured']:g} {row['unit']} | {aim} {row['unit']} | {met} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m e2e.load", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], help="jobs (with restart and changes), clusters, tenants (all)"
    )
    parser.add_argument("--small", action="store_true", help="300 jobs on 20 nodes, 30 EdgeClusters")
    parser.add_argument("--output", choices=["table", "json"], default="table")
    parser.add_argument("--save", action="store_true", help="write docs/figures/soak/load.json and load.md")
    for field in dataclasses.fields(Scale):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=type(field.default), help=f"instead of {field.default}")
    options = parser.parse_args()
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Scale)}
    scale = dataclasses.replace(SMALL if options.small else Scale(), **{k: v for k, v in given.items() if v is not None})
    data = run(options.parts or list(PARTS), scale, Steps())
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    print(text if options.output == "json" else table(data["rows"]), end="")
    if options.save:
        folder = OUT / "soak"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "load.json").write_text(text)
        (folder / "load.md").write_text(table(data["rows"]))
    raise SystemExit(0 if all(row.get("met", True) for row in data["rows"]) else 1)


if __name__ == "__main__":
    main()
