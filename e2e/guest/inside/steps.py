"""What a host may ask for, by name: see STEPS. Every step takes the line to the host, and options from the task."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from e2e.guest.inside import devices, proof
from e2e.guest.inside.control import Control, survivors
from e2e.guest.inside.host import Host
from e2e.guest.inside.workload import Workload, check
from omnixan.edge_network.persistent_memory import MediumError, open_medium, prove
from omnixan.edge_network.persistent_memory.store import Store

FSDAX, CONTROL, VIRTIO, DISK = "/mnt/fsdax", "/mnt/control", "/mnt/virtio-pmem", "/mnt/disk"
STORE_BYTES = 8 << 20
UNDER_TEST = (f"{FSDAX}/store", "/dev/dax2.0")
"""A file on DAX, and a device that is nothing but DAX."""


def prepare(host: Host) -> None:
    """The first NVDIMM with DAX, the second without, both with a file system, the third a device-dax; what they are."""
    for region, folder, dax in ((0, FSDAX, True), (1, CONTROL, False)):
        device, raw = devices.namespace(region, "fsdax")
        devices.mounted(device, folder, dax=dax)
        host.says("device", path=folder, device=device, wasRaw=raw, **proof.evidence(folder), **_our_word(folder))
    device, raw = devices.namespace(2, "devdax")
    host.says("device", path=device, device=device, wasRaw=raw, **_our_word(device))


def others(host: Host) -> None:
    """What only looks like persistent memory: virtio-pmem mounted with DAX, and an ordinary disk."""
    for device, folder, dax in (("/dev/pmem3", VIRTIO, True), ("/dev/vda", DISK, False)):
        devices.mounted(device, folder, dax=dax)
        host.says("device", path=folder, device=device, **proof.evidence(folder), **_our_word(folder))
        with Store.open(open_medium(f"{folder}/store", STORE_BYTES, "auto")) as store:
            ack = store.put("here", b"too")
            record = store.get("here")
        refused = ""
        try:
            open_medium(f"{folder}/dax-only", STORE_BYTES, "dax").close()
        except MediumError as error:
            refused = error.reason
        right = record is not None and bytes(record.value) == b"too"
        host.says("store", path=f"{folder}/store", tier=ack.tier.name, right=right, daxRefused=refused)


def write(host: Host, *, seed: int) -> None:
    """Put records one after another, each into the control first, and acknowledge each; until the power goes."""
    control = Control(f"{CONTROL}/records")
    workloads = []
    for path in UNDER_TEST:
        medium = open_medium(path, STORE_BYTES if path.startswith("/mnt") else None, "dax")
        host.says("store", path=path, tier=medium.tier.name, granularity=medium.granularity)
        workloads.append(Workload(Store.open(medium), seed))
    for number in itertools.count():
        control.put(number)
        for workload in workloads:
            workload.write(number)
        host.acknowledges(number)


def verify(host: Host, *, seed: int, last: int) -> None:
    """Which of the records 0..last are there, in each store, and how many the control still has."""
    for path in UNDER_TEST:
        begin = time.monotonic()
        with ExitStack() as stack:
            medium = open_medium(path, None, "dax")
            store = stack.enter_context(Store.open(medium))
            opened = time.monotonic()
            found = check(store, seed, last)
            seconds = {"openSeconds": round(opened - begin, 3), "checkSeconds": round(time.monotonic() - opened, 2)}
            counts = {"there": found.there, "inFlight": found.in_flight, "wrong": found.wrong[:20]}
            host.says("store", path=path, tier=medium.tier.name, **counts, **seconds)
    host.says("control", path=f"{CONTROL}/records", there=survivors(f"{CONTROL}/records"))


def _our_word(path: str) -> dict[str, Any]:
    """What our own code concludes about a folder or device, and from what."""
    found = prove(path)
    return {"tier": found.best.name, "evidence": found.evidence}


STEPS: dict[str, Callable[..., Any]] = {"prepare": prepare, "others": others, "write": write, "verify": verify}
