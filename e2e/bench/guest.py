"""Durable writes on an emulated NVDIMM, with DAX and without: ratios only, since an emulator's times mean nothing else."""

from __future__ import annotations

import os
from typing import Any

from e2e.bench import figures
from e2e.cluster.cache import remove_tree, scratch_folder
from e2e.cluster.steps import Steps
from e2e.guest.build import ensure_guest
from e2e.guest.machine import Hardware, Machine
from e2e.guest.power_cut import by_path

MIB = 768
MEMORY_MIB = 1536
SIZES = {"4096": "4 KiB", "65536": "64 KiB (of 16 MiB)", "16777216": "16 MiB", "268435456": "256 MiB"}
AT_LEAST = 1.0
"""DAX may not be slower than the same device without it. How much faster it is depends on what a disk would take, and here
both are the host's memory."""


def run() -> None:
    """Boot, measure, write docs/figures/guest.json and .md."""
    steps, before = Steps(), os.getloadavg()
    guest = ensure_guest(steps)
    folder = scratch_folder("guest-ratios")
    try:
        with steps.step("measure in the guest"):
            with Machine(guest, Hardware(folder, nvdimms=(MIB,), memory=MEMORY_MIB), [{"step": "ratios"}]) as machine:
                found = by_path(machine.finish(seconds=900))
    finally:
        remove_tree(folder)
    loads = {"loadAverageBefore": before, "loadAverageAfter": os.getloadavg()}
    data = {"kernel": guest.version, "emulator": "QEMU, TCG", "microseconds": found, "ofMemcpy": of_memcpy(found)} | loads
    figures.write("guest", data, rows(found))


def rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Verdicts of what the two mounts took."""
    dax, plain = _mounts(found)
    table = []
    for size, name in SIZES.items():
        ratio = round(plain["systemCalls"][size] / dax["medium"][size], 1)
        what = f"{name} durable on fsdax, against pwrite + fdatasync on the same device without DAX"
        table.append(figures.at_least(what, ratio, AT_LEAST, "times"))
    return table


def of_memcpy(found: dict[str, Any]) -> dict[str, float]:
    """What our medium on DAX has of the speed of a copy into the guest's ordinary memory, by size."""
    dax, _ = _mounts(found)
    copies = found["ordinary memory"]["memcpy"]
    return {name: round(copies[size] / dax["medium"][size], 2) for size, name in SIZES.items()}


def _mounts(found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    dax, plain = sorted((facts for facts in found.values() if "tier" in facts), key=lambda facts: str(facts["tier"]))
    return dax, plain
