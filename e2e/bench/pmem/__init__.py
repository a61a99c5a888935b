"""The store against what else makes bytes durable: on the code of DAX (an emulation), on a disk, opening, in a circuit."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from e2e.bench import figures
from e2e.bench.pmem import dax, disk, opening, stall
from e2e.bench.pmem.ground import Ground, ground
from e2e.bench.pmem.measure import under_load
from omnixan.edge_network.persistent_memory import libpmem, prove

Part = Callable[[Ground, dict[str, Any]], list[dict[str, Any]]]

PARTS: dict[str, Part] = {
    "4 KiB": dax.small,
    "64 KiB dirty": dax.dirty,
    "16 MiB whole": lambda where, data: dax.whole(where, data, 16, times=4, repeats=7),
    "256 MiB whole": lambda where, data: dax.whole(where, data, 256, times=1, repeats=5),
    "incremental without PMem": disk.incremental,
    "opening 1 GiB": opening.first_read,
    "snapshot stall": stall.snapshots_of_a_circuit,
}


def run(only: list[str] | None = None) -> None:
    """Measure and write docs/figures/pmem.json and .md; `only` some parts: printed, not written."""
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {"emulation": f"{libpmem.load(allow_forced=True).name}, granularity forced on tmpfs"}
    for name, part in PARTS.items():
        if only and name not in only:
            continue
        data: dict[str, Any] = {}
        with ground() as where:
            found["disk"] = prove(where.disk).best.label
            with under_load(data):
                rows += part(where, data)
        found[name] = data
        print(f"   {name}: {data['seconds']} s, load {data['loadAverageBefore'][0]:.1f}", flush=True)
    if only:
        import json

        print(json.dumps(found, indent=1), figures.table(rows), sep="\n")
    else:
        figures.write("pmem", found, rows)


def main() -> None:
    """`python -m e2e.bench.pmem [part …]`: some parts, printed."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.pmem", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts to run (all: docs/figures are written)")
    run(parser.parse_args().parts)
