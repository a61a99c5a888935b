"""A power cut at a record that was acknowledged: what the machine said before it, and what is found after it."""

from __future__ import annotations

import random
import time
from typing import Any

from e2e.cluster.cache import remove_tree, scratch_folder, sweep
from e2e.cluster.steps import Steps
from e2e.guest.build import ensure_guest
from e2e.guest.machine import Hardware, Machine

MIB = 128
"""Of every device: the least that a region of an NVDIMM takes."""

CUT_BETWEEN = (20, 150)
"""The power goes after one of these records."""

FSDAX, DEVDAX, VIRTIO = "/mnt/fsdax", "/dev/dax2.0", "/mnt/virtio-pmem"
CACHED_DISK, PLAIN_DISK = "/mnt/cached-disk", "/mnt/plain-disk"
CONTROL, FORGETFUL = "/mnt/control/records", "/mnt/control/forgetful"
STORES = {DEVDAX: "T0", f"{FSDAX}/store": "T1", f"{PLAIN_DISK}/store": "T2", f"{CACHED_DISK}/store": "T3"}
"""The stores that are written when the power goes, and the tier each must stand at."""

_NO_DAX = {"mapSync": "Operation not supported", "isPmem": 0, "daxRefused": "NoDAX"}
_NAMESPACES: dict[str, Any] = {
    "state": "Found",
    "modes": {"pmem0": "fsdax", "pmem1": "fsdax", "dax2.0": "devdax", "pmem3": "fsdax"},
}
_FIRST: dict[str, dict[str, Any]] = {
    FSDAX: {"mount": "rw,relatime,dax=always", "mapSync": "accepted", "isPmem": 1, "tier": "T1", "daxRefused": ""},
    "/mnt/control": _NO_DAX | {"tier": "T3"},
    CACHED_DISK: _NO_DAX | {"tier": "T3"},
    PLAIN_DISK: _NO_DAX | {"tier": "T2"},
    "ndctl": _NAMESPACES,
} | {path: {"tier": tier} for path, tier in STORES.items()}
_LAST: dict[str, dict[str, Any]] = {
    VIRTIO: _NO_DAX | {"mount": "rw,relatime,dax=always", "tier": "T3"},
    f"{VIRTIO}/store": {"tier": "T3", "right": True},
    f"{FSDAX}/nobody/store": {"tier": "T1", "user": 65534},
}
EXPECTED = {"firstBoot": _FIRST, "lastBoot": _FIRST | _LAST}
"""What each boot must say of each path: what the kernel and libpmem say, and what our code finds."""

Found = dict[str, Any]


def power_cut(seed: int, steps: Steps, cuts: int = 1) -> Found:
    """Write until the power goes, `cuts` times on the same devices, boot once more, look for everything.

    `seed` decides the records and when the power goes. Raises GuestFailed, MissingFile or CommandError when it could not be
    done; what is wrong is told by `shortcomings`.
    """
    sweep()
    guest = ensure_guest(steps)
    source = random.Random(seed)
    acknowledged: list[int] = []
    first_boot: list[dict[str, Any]] = []
    folder = scratch_folder("power-cut")
    try:
        hardware = Hardware(folder, nvdimms=(MIB, MIB, MIB), virtio_pmem=MIB, cached_disk=MIB, plain_disk=MIB)
        for _ in range(cuts):
            first = acknowledged[-1] + 1 if acknowledged else 0
            target = first + source.randint(*CUT_BETWEEN)
            write = [_step("prepare"), _step("write", seed=seed, first=first)]
            with steps.step(f"boot, write, cut the power at record {target}"):
                with Machine(guest, hardware, write) as machine:
                    reached = machine.acknowledged(target)
                    # anywhere in the records that follow: the time that a record takes is this machine's own
                    time.sleep(source.uniform(0, 3) * machine.seconds_per_record)
                    acknowledged.append(max(reached, machine.cut_power()))
                    first_boot = first_boot or machine.said
        with steps.step("boot again, look for every acknowledged record"):
            looking = [_step("verify", seed=seed, last=acknowledged[-1]), _step("lookalike"), _step("unprivileged")]
            with Machine(guest, hardware, [_step("prepare"), *looking]) as machine:
                last_boot = machine.finish()
    finally:
        remove_tree(folder)
    return {
        "seed": seed,
        "kernel": guest.version,
        "acknowledged": [last + 1 for last in acknowledged],
        "firstBoot": by_path(first_boot),
        "lastBoot": by_path(last_boot),
    }


def _step(name: str, **options: int) -> dict[str, Any]:
    return {"step": name, "with": options}


def by_path(said: list[dict[str, Any]]) -> Found:
    """What a boot said: path of a folder, device or store -> all facts about it."""
    facts: Found = {}
    for fact in said:
        if "path" in fact:
            facts.setdefault(fact["path"], {}).update((name, fact[name]) for name in fact if name not in ("path", "what"))
    return facts


def shortcomings(found: Found) -> list[str]:
    """What is not as it must be, one sentence each; empty if all is well."""
    wrong = []
    for boot in ("firstBoot", "lastBoot"):
        for path, expected in EXPECTED[boot].items():
            is_as = {name: found[boot][path].get(name) for name in expected}
            if is_as != expected:
                wrong.append(f"{boot}, {path}: {is_as} where {expected} must be")
    records = found["acknowledged"][-1]
    after = found["lastBoot"]
    for path in STORES:
        wrong += [f"{path}: {sentence}" for sentence in after[path]["wrong"]]
    if after[CONTROL]["there"] >= records:
        wrong.append(f"the control lost nothing of {records} records without a flush: the power cut was none")
    if not after[FORGETFUL]["wrong"]:
        wrong.append("a store whose medium forgets to flush lost nothing: a forgotten flush would not be found")
    return wrong


def summary(found: Found) -> dict[str, Any]:
    """The figures of a run, without the evidence."""
    after = found["lastBoot"]
    stores = {path: {name: after[path][name] for name in ("tier", "inFlight", "openSeconds")} for path in STORES}
    return {
        "seed": found["seed"],
        "acknowledged": found["acknowledged"],
        "wrong": sum(len(after[path]["wrong"]) for path in STORES),
        "control": after[CONTROL]["there"],
        "withoutFlush": after[FORGETFUL]["there"],
        "stores": stores,
        "virtioPmem": after[VIRTIO]["tier"],
    }
