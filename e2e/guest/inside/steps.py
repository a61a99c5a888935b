"""What a host may ask for, by name: see STEPS. Every step takes the line to the host, and options from the task."""

from __future__ import annotations

import itertools
import os
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from e2e.guest.inside import devices, proof, ratios
from e2e.guest.inside.control import Control, Forgetful, keep_in_memory, survivors
from e2e.guest.inside.host import Host
from e2e.guest.inside.system import PATIENCE_SECONDS, call
from e2e.guest.inside.workload import Workload, check
from omnixan.edge_network.persistent_memory import MediumError, Store, ndctl, open_medium, prove

FSDAX, CONTROL, VIRTIO = "/mnt/fsdax", "/mnt/control", "/mnt/virtio-pmem"
CACHED_DISK, PLAIN_DISK = "/mnt/cached-disk", "/mnt/plain-disk"
STORE_BYTES = 8 << 20
RATIO_BYTES = 256 << 20
NOBODY = 65534
UNDER_TEST = (f"{FSDAX}/store", "/dev/dax2.0", f"{CACHED_DISK}/store", f"{PLAIN_DISK}/store")
"""One store for each tier: a file on DAX, a device that is nothing but DAX, files on two kinds of disk."""


FORGETFUL = "/mnt/control/forgetful"
"""The same store on a medium whose `persist` does nothing."""


def prepare(host: Host) -> None:
    """The first NVDIMM with DAX, the second without, the third a device-dax, and the disks; what they are."""
    fsdax, control = (devices.namespace(region, "fsdax") for region in (0, 1))
    for device, folder in ((fsdax, FSDAX), (control, CONTROL), ("/dev/vda", CACHED_DISK), ("/dev/vdb", PLAIN_DISK)):
        devices.mounted(device, folder, dax=folder == FSDAX)
        _tell(host, folder)
    _tell(host, devices.namespace(2, "devdax"))
    found = ndctl.discover(timeout=PATIENCE_SECONDS)
    modes = {namespace.blockdev or namespace.chardev: namespace.mode for namespace in found.namespaces}
    host.says("namespaces", path="ndctl", state=found.state.value, modes=modes)


def lookalike(host: Host) -> None:
    """What only looks like persistent memory: virtio-pmem, mounted with DAX."""
    devices.mounted("/dev/pmem3", VIRTIO, dax=True)
    _tell(host, VIRTIO)
    with Store.open(open_medium(f"{VIRTIO}/store", STORE_BYTES, "auto")) as store:
        ack = store.put("here", b"too")
        record = store.get("here")
    right = record is not None and bytes(record.value) == b"too"
    host.says("store", path=f"{VIRTIO}/store", tier=ack.tier.name, right=right)


def write(host: Host, *, seed: int, first: int) -> None:
    """Put records from `first` on, each into the controls before the rest, and acknowledge each; until the power goes."""
    keep_in_memory()
    Path(FORGETFUL).unlink(missing_ok=True)  # of an earlier power cut: in which state, nobody can say
    workloads: list[Control | Workload] = [Control(f"{CONTROL}/records")]
    workloads.append(Workload(Store.open(Forgetful(open_medium(FORGETFUL, STORE_BYTES, "file"))), seed, first))
    for path in UNDER_TEST:
        medium = open_medium(path, STORE_BYTES if path.startswith("/mnt") else None, "auto")
        host.says("store", path=path, tier=medium.tier.name, granularity=medium.granularity)
        workloads.append(Workload(Store.open(medium), seed, first))
    for number in itertools.count(first):
        for workload in workloads:
            workload.write(number)
        host.acknowledges(number)


def verify(host: Host, *, seed: int, last: int) -> None:
    """Which of the records 0..last are there, in each store and each control."""
    for path in (*UNDER_TEST, FORGETFUL):
        begin = time.monotonic()
        with ExitStack() as stack:
            medium = open_medium(path, STORE_BYTES if path.startswith("/mnt") else None, "auto")
            store = stack.enter_context(Store.open(medium))
            opened = time.monotonic()
            found = check(store, seed, last)
            seconds = {"openSeconds": round(opened - begin, 3), "checkSeconds": round(time.monotonic() - opened, 2)}
            counts = {"there": found.there, "inFlight": found.in_flight, "wrong": found.wrong[:20]}
            host.says("store", path=path, tier=medium.tier.name, **counts, **seconds)
    host.says("control", path=f"{CONTROL}/records", there=survivors(f"{CONTROL}/records"))


def unprivileged(host: Host) -> None:
    """The same store on DAX in a folder of a user without any rights, as which an agent runs."""
    folder = Path(FSDAX, "nobody")
    folder.mkdir(exist_ok=True)
    os.chown(folder, NOBODY, NOBODY)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with Store.open(open_medium(folder / "store", STORE_BYTES, "dax")) as store:
                ack = store.put("here", b"too")
            host.says("store", path=f"{folder}/store", tier=ack.tier.name, user=os.getuid())
            status = 0
        except BaseException:
            traceback.print_exc()  # on the console, beside the kernel's messages
        finally:
            os._exit(status)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise RuntimeError(f"user {NOBODY} cannot have a store in {folder}: the kernel's messages end with the reason")


def ratios_on_one_device(host: Host) -> None:
    """Durable writes on the first NVDIMM: mounted with DAX, then without. Microseconds."""
    device = devices.namespace(0, "fsdax")
    host.says("copies", path="ordinary memory", memcpy=ratios.copies())
    for dax in (True, False):
        devices.mounted(device, FSDAX, dax=dax)
        taken: dict[str, Any] = {"systemCalls": ratios.system_calls(f"{FSDAX}/calls")}
        medium = open_medium(f"{FSDAX}/medium", RATIO_BYTES, "auto")
        taken |= {"tier": medium.tier.name, "medium": ratios.persists(medium)}
        medium.close()
        with Store.open(open_medium(f"{FSDAX}/store", STORE_BYTES, "auto")) as store:
            taken["put"] = ratios.puts(store)
        host.says("ratios", path=f"{FSDAX}, {'with' if dax else 'without'} DAX", **taken)
        call("umount", FSDAX)


def _tell(host: Host, path: str) -> None:
    """What a folder or device-dax is: by the kernel's and libpmem's word, and by our own code, with its reasons."""
    others = {} if path.startswith("/dev") else proof.evidence(path)
    found = prove(path)
    host.says("device", path=path, **others, tier=found.best.name, evidence=found.evidence, daxRefused=_dax_refused(path))


def _dax_refused(path: str) -> str:
    """The reason for which our code refuses to use `path` as DAX; empty if it does not."""
    try:
        open_medium(path if path.startswith("/dev") else f"{path}/dax-only", STORE_BYTES, "dax").close()
    except MediumError as error:
        return error.reason
    return ""


STEPS: dict[str, Callable[..., Any]] = {
    "prepare": prepare,
    "write": write,
    "verify": verify,
    "lookalike": lookalike,
    "unprivileged": unprivileged,
    "ratios": ratios_on_one_device,
}
