"""One virtual machine: its memory modules and disks are files, its second serial port is read line by line.

`cut_power` kills QEMU as a power cut would stop a machine: what was in the guest's memory is gone, what reached an NVDIMM or
a disk is in the files. It cannot find a flush that was forgotten on an NVDIMM: a store into one is a store into the file's
pages here, at once. Which flushes a store needs there is shown by the crash images of its tests.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from e2e.cluster.process import dying_with_us
from e2e.guest.build import Guest, own_code

QEMU = "qemu-system-x86_64"
MIB = 1 << 20
MEMORY_MIB = 512
CONSOLE_TAIL = 3000
QUIET_SECONDS = 240
"""A guest that has said nothing for so long is stuck: it boots in about ten seconds, in a minute on a busy machine."""

_END = object()


class GuestFailed(RuntimeError):
    """The guest did not do what it was asked; the message holds what it said and the end of the kernel's messages."""


@dataclass(frozen=True)
class Hardware:
    """What survives a power cut: files of these sizes (MiB), in the order in which the guest sees the devices."""

    folder: Path
    nvdimms: tuple[int, ...] = ()
    virtio_pmem: int = 0
    cached_disk: int = 0
    """A disk with a cache that a flush empties."""
    plain_disk: int = 0
    """A disk without such a cache: what it has confirmed is there."""
    memory: int = MEMORY_MIB
    """Ordinary memory: the one thing here that a power cut empties."""

    def arguments(self) -> list[str]:
        """The options of QEMU, the files made if they are not there yet."""
        options: list[str] = []
        for number, mib in enumerate(self.nvdimms):
            options += self._memory(f"dimm{number}", f"nvdimm{number}", mib)
            options += ["-device", f"nvdimm,id=nvdimm{number},memdev=dimm{number}"]
        if mib := self.virtio_pmem:
            options += self._memory("virtio", "virtio-pmem", mib)
            options += ["-device", "virtio-pmem-pci,id=virtio-pmem,memdev=virtio"]
        for name, mib, cache in (("cached", self.cached_disk, "on"), ("plain", self.plain_disk, "off")):
            if mib:
                # "unsafe" is safe here: this machine's own power stays on, so its disk needs not be waited for
                drive = f"if=none,id={name},format=raw,cache=unsafe,file={self._file(f'{name}-disk', mib)}"
                options += ["-drive", drive]
                options += ["-device", f"virtio-blk-pci,drive={name},write-cache={cache}"]
        return options

    def _memory(self, name: str, file: str, mib: int) -> list[str]:
        return ["-object", f"memory-backend-file,id={name},share=on,size={mib}M,mem-path={self._file(file, mib)}"]

    def _file(self, name: str, mib: int) -> Path:
        path = self.folder / name
        with path.open("ab") as file:
            file.truncate(mib * MIB)
        return path

    @property
    def persistent_mib(self) -> int:
        """Address space beside the ordinary memory."""
        return sum(self.nvdimms) + self.virtio_pmem


class Machine:
    """A boot: runs `steps` (see inside/steps.py) and switches itself off. Used with `with`; ends when that ends."""

    def __init__(self, guest: Guest, hardware: Hardware, steps: Sequence[Mapping[str, Any]]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="guest-", dir=hardware.folder)
        folder = Path(self._folder.name)
        self._console = folder / "console"
        initrd = folder / "initrd"
        initrd.write_bytes(guest.base.read_bytes() + own_code(json.dumps(list(steps)).encode()))
        self._command = [
            *(QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-machine", f"q35,nvdimm={'on' if hardware.nvdimms else 'off'}" + _domain(hardware), "-cpu", "max"),
            *("-accel", "tcg", "-smp", "1"),
            *("-m", f"{hardware.memory}M,slots=8,maxmem={hardware.memory + 2 * hardware.persistent_mib + 1024}M"),
            *("-kernel", str(guest.kernel), "-initrd", str(initrd)),
            # Without a processor for some milliseconds, an emulated timer fails the kernel's check at boot, and it panics.
            *("-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check"),
            *("-serial", f"file:{self._console}", "-serial", "stdio"),
            *hardware.arguments(),
        ]
        self.said: list[dict[str, Any]] = []
        self._complaints: list[str] = []
        self._first_ack = self._last_ack = (-1, 0.0)
        self._lines: queue.Queue[str | object] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        if shutil.which(self._command[0]) is None:
            self._folder.cleanup()
            raise GuestFailed(f"{self._command[0]} is not installed; `make setup` installs it on Debian")
        self._process = subprocess.Popen(
            dying_with_us(self._command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut_power()
        self._folder.cleanup()

    def acknowledged(self, number: int, *, seconds: float = 600) -> int:
        """Wait for the acknowledgement of record `number` or a later one; returns which. Raises GuestFailed."""
        return self._until(lambda line: acknowledgement(line) >= number, f"the acknowledgement of record {number}", seconds)

    @property
    def seconds_per_record(self) -> float:
        """The mean time between the acknowledgements so far."""
        (first, begin), (last, end) = self._first_ack, self._last_ack
        return (end - begin) / (last - first) if last > first else 0.0

    def finish(self, *, seconds: float = 600) -> list[dict[str, Any]]:
        """Wait until all steps are done and the machine has switched itself off; returns what it said."""
        self._until(lambda line: line.startswith('SAYS {"what": "done"'), "the end of its steps", seconds)
        assert self._process is not None
        try:
            self._process.wait(QUIET_SECONDS)
        except subprocess.TimeoutExpired:
            raise self._failure("did not switch itself off") from None
        return self.said

    def cut_power(self) -> int:
        """Kill QEMU; returns the last record whose acknowledgement had left the guest, -1 if none."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._reader is not None
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        last = -1
        with contextlib.suppress(queue.Empty):
            while isinstance(line := self._lines.get_nowait(), str):
                last = max(last, acknowledgement(line))
        return last

    def _until(self, arrived: Any, what: str, seconds: float) -> int:
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=min(QUIET_SECONDS, max(0.0, until - time.monotonic())))
            except queue.Empty:
                raise self._failure(f"is silent or late: waited for {what}") from None
            if not isinstance(line, str):
                raise self._failure(f"stopped before {what}")
            if line.startswith("SAYS "):
                said = json.loads(line.removeprefix("SAYS "))
                self.said.append(said)
                if said["what"] == "failed":
                    raise self._failure(f"says {said['error']}\n{said['trace']}")
            if (number := acknowledgement(line)) >= 0:
                self._last_ack = (number, time.monotonic())
                self._first_ack = self._last_ack if self._first_ack[0] < 0 else self._first_ack
            elif not line.startswith("SAYS "):
                self._complaints.append(line)  # of QEMU itself
            if arrived(line):
                return number

    def _failure(self, what: str) -> GuestFailed:
        said = "\n".join([json.dumps(fact) for fact in self.said if fact["what"] != "failed"] + self._complaints[-20:])
        console = self._console.read_text(errors="replace")[-CONSOLE_TAIL:] if self._console.exists() else ""
        return GuestFailed(f"the guest {what}\n-- it and the emulator said:\n{said}\n-- its kernel said:\n{console}")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line.rstrip("\r\n"))
        self._lines.put(_END)


def acknowledgement(line: str) -> int:
    """The number in `ACK n`, -1 for every other line; a line that the power cut tore is none."""
    word, _, number = line.partition(" ")
    return int(number) if word == "ACK" and number.isdigit() else -1


def _domain(hardware: Hardware) -> str:
    """The platform flushes what has left the processor's caches (ADR), and says so."""
    return ",nvdimm-persistence=mem-ctrl" if hardware.nvdimms else ""
