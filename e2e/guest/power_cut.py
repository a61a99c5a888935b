"""A power cut at a record that was acknowledged: what the machine said before it, and what is found after it."""

from __future__ import annotations

import random
from typing import Any

from e2e.cluster.cache import remove_tree, scratch_folder
from e2e.cluster.steps import Steps
from e2e.guest.build import ensure_guest
from e2e.guest.machine import Hardware, Machine

MIB = 128
"""Of every device: the least that a region of an NVDIMM takes."""

CUT_BETWEEN = (20, 400)
"""The power goes after one of these records."""

Found = dict[str, Any]


def power_cut(seed: int, steps: Steps) -> Found:
    """Write until the power goes, boot again, look for everything; `seed` decides the records and when the power goes.

    Raises GuestFailed, MissingFile or CommandError when it could not be done; what is wrong is told by `shortcomings`.
    """
    guest = ensure_guest(steps)
    target = random.Random(seed).randint(*CUT_BETWEEN)
    folder = scratch_folder("power-cut")
    try:
        hardware = Hardware(folder, nvdimms=(MIB, MIB), virtio_pmem=MIB, disk=MIB)
        with steps.step(f"boot, write, cut the power at record {target}"):
            with Machine(guest, hardware, [{"step": "prepare"}, {"step": "write", "with": {"seed": seed}}]) as machine:
                reached = machine.acknowledged(target)
                last = max(reached, machine.cut_power())
                first_boot = machine.said
        with steps.step("boot again, look for every acknowledged record"):
            verify = {"step": "verify", "with": {"seed": seed, "last": last}}
            with Machine(guest, hardware, [{"step": "prepare"}, verify, {"step": "others"}]) as machine:
                second_boot = machine.finish()
    finally:
        remove_tree(folder)
    return {
        "seed": seed,
        "kernel": guest.version,
        "lastAcknowledged": last,
        "firstBoot": by_name(first_boot),
        "secondBoot": by_name(second_boot),
    }


def by_name(said: list[dict[str, Any]]) -> Found:
    """What a boot said: folder (or what was done) -> the rest."""
    facts = {}
    for fact in said:
        rest = dict(fact)
        what = rest.pop("what")
        facts[rest.pop("folder", what)] = rest
    return facts


def shortcomings(found: Found) -> list[str]:
    """What is not as it must be, one sentence each; empty if all is well."""
    wrong = []
    records = found["lastAcknowledged"] + 1
    for boot in ("firstBoot", "secondBoot"):
        subject, control = found[boot]["/mnt/subject"], found[boot]["/mnt/control"]
        if (subject["mapSync"], subject["isPmem"]) != ("accepted", 1):
            wrong.append(f"{boot}: the NVDIMM is not DAX: {subject}")
        if control["isPmem"] or control["mapSync"] == "accepted":
            wrong.append(f"{boot}: the control is DAX although it is mounted without: {control}")
    after = found["secondBoot"]["verified"]
    if after["lost"]:
        wrong.append(f"{len(after['lost'])} of {records} acknowledged records are lost or wrong: {after['lost'][:20]}")
    if after["control"] >= records:
        wrong.append(f"the control lost nothing of {records} records without a flush: the power cut was none")
    virtio = found["secondBoot"]["/mnt/virtio-pmem"]
    if "dax=always" not in virtio["mount"].split(","):
        wrong.append(f"virtio-pmem is not mounted with DAX, so nothing was shown with it: {virtio['mount']}")
    for other in ("/mnt/virtio-pmem", "/mnt/disk"):
        if found["secondBoot"][other]["isPmem"] or found["secondBoot"][other]["mapSync"] == "accepted":
            wrong.append(f"{other} passes for persistent memory: {found['secondBoot'][other]}")
    return wrong
