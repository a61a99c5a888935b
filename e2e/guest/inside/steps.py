"""What a host may ask for, by name: see STEPS. Every step takes the line to the host, and options from the task."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from e2e.guest.inside import devices, plain, proof
from e2e.guest.inside.control import Control, survivors
from e2e.guest.inside.host import Host
from e2e.guest.inside.records import content

SUBJECT, CONTROL, VIRTIO, DISK = "/mnt/subject", "/mnt/control", "/mnt/virtio-pmem", "/mnt/disk"


def prepare(host: Host) -> None:
    """The first NVDIMM with DAX, the second without, both with a file system; what the machine says of them."""
    for region, folder, dax in ((0, SUBJECT, True), (1, CONTROL, False)):
        device, raw = devices.namespace(region, "fsdax")
        devices.mounted(device, folder, dax=dax)
        host.says("prepared", folder=folder, device=device, wasRaw=raw, **proof.evidence(folder))


def others(host: Host) -> None:
    """What only looks like persistent memory: virtio-pmem mounted with DAX, and an ordinary disk."""
    for device, folder, dax in (("/dev/pmem2", VIRTIO, True), ("/dev/vda", DISK, False)):
        devices.mounted(device, folder, dax=dax)
        host.says("other", folder=folder, device=device, **proof.evidence(folder))


def write(host: Host, *, seed: int) -> None:
    """Put records one after another, each into the control first, and acknowledge each; until the power goes."""
    control = Control(f"{CONTROL}/records")
    subject = plain.Subject(f"{SUBJECT}/records")
    for number in itertools.count():
        control.put(number)
        subject.put(number, content(seed, number))
        host.acknowledges(number)


def verify(host: Host, *, seed: int, last: int) -> None:
    """Which of the records 0..last are not there or not right, and how many the control still has."""
    begin = time.monotonic()
    subject = plain.Subject(f"{SUBJECT}/records")
    lost = [number for number in range(last + 1) if subject.get(number) != content(seed, number)]
    control = survivors(f"{CONTROL}/records")
    host.says("verified", lost=lost, control=control, seconds=round(time.monotonic() - begin, 2))


STEPS: dict[str, Callable[..., Any]] = {"prepare": prepare, "others": others, "write": write, "verify": verify}
