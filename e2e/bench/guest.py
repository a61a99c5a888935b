"""Durable writes on an emulated NVDIMM, with DAX and without: ratios only, since an emulator's times mean nothing else."""

from __future__ import annotations

from typing import Any

from e2e.bench import figures
from e2e.cluster.cache import remove_tree, scratch_folder
from e2e.cluster.steps import Steps
from e2e.guest.build import ensure_guest
from e2e.guest.machine import Hardware, Machine
from e2e.guest.power_cut import by_path

MIB = 256
SIZES = {"4096": "4 KiB", "65536": "64 KiB", "16777216": "16 MiB"}
AT_LEAST = 1.0
"""DAX may not be slower than the same device without it. How much faster it is depends on what a disk would take, and here
both are the host's memory."""


def run() -> None:
    """Boot, measure, write docs/figures/guest.json and .md."""
    steps = Steps()
    guest = ensure_guest(steps)
    folder = scratch_folder("guest-ratios")
    try:
        with steps.step("measure in the guest"):
            with Machine(guest, Hardware(folder, nvdimms=(MIB,)), [{"step": "ratios"}]) as machine:
                found = by_path(machine.finish(seconds=900))
    finally:
        remove_tree(folder)
    figures.write("guest", {"kernel": guest.version, "emulator": "QEMU, TCG", "microseconds": found}, rows(found))


def rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Verdicts of what the two mounts took."""
    (_, dax), (_, plain) = sorted(found.items(), key=lambda item: str(item[1]["tier"]))
    table = []
    for size, name in SIZES.items():
        ratio = round(plain["systemCalls"][size] / dax["medium"][size], 1)
        what = f"{name} durable on fsdax, against pwrite + fdatasync on the same device without DAX"
        table.append(figures.at_least(what, ratio, AT_LEAST, "times"))
    return table
