"""Finds out by trying at which tiers a path can be durable; each step leaves a line of evidence.

Mount options are shown and never believed: `dax=always` is also what a virtio-pmem disk says, whose stores a power cut
loses. What decides is that the kernel accepts a MAP_SYNC mapping here (T1), or that a direct transfer is accepted and the
device confirms single writes (T2).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omnixan.edge_network.persistent_memory import dax, libpmem, mounts
from omnixan.edge_network.persistent_memory.medium import PAGE, MediumMissing, MediumUnsuitable, Tier, from_oserror

_LINE = 300


@dataclass(frozen=True, slots=True)
class Proof:
    """What a path is good for: `tiers` best first, `evidence` in the order it was found, for people."""

    path: str
    tiers: tuple[Tier, ...]
    evidence: tuple[str, ...]

    @property
    def best(self) -> Tier:
        """The first of `tiers`."""
        return self.tiers[0]


def prove(path: str | Path, *, sys: Path = mounts.SYS, mountinfo: Path = mounts.MOUNTINFO) -> Proof:
    """Try `path`: a file (opened for reading), a folder or a file to be in one (an unnamed scratch file), or a device.

    Raises `MediumMissing`, `MediumReadOnly` and other `MediumError`s naming the path. `sys`, `mountinfo`: the system's.
    """
    notes: list[str] = []
    path = Path(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    except OSError as error:
        raise from_oserror(error, path, "looking at it") from error
    if status is not None and stat.S_ISCHR(status.st_mode):
        tiers = _character(path, status, notes, sys)
    elif status is not None and stat.S_ISBLK(status.st_mode):
        tiers = _block(path, status, notes, sys)
    elif status is None or stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
        tiers = _files(path, status, notes, sys, mountinfo)
    else:
        raise MediumUnsuitable(path, "neither a file, a folder, a disk nor a device-dax", "name one of these")
    notes.append(f"best: {tiers[0].label}")
    return Proof(str(path), tiers, tuple(_clean(note) for note in notes))


def _character(path: Path, status: os.stat_result, notes: list[str], sys: Path) -> tuple[Tier, ...]:
    found = mounts.dax_device(status.st_rdev, sys)
    if found is None:
        raise MediumUnsuitable(path, "a character device that is not a device-dax", "name a file, a disk or /dev/daxX.Y")
    notes.append(f"{path} is the device-dax {found.name}: {found.size} bytes, mapped in units of {found.align}")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise from_oserror(error, path, "opening it") from error
    try:
        mmap.mmap(fd, found.align, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ).close()
    except OSError as error:
        raise from_oserror(error, path, f"mapping {found.align} bytes") from error
    finally:
        os.close(fd)
    notes.append("a shared mapping was accepted: its stores go to the medium (T0)")
    return (Tier.T0,)


def _block(path: Path, status: os.stat_result, notes: list[str], sys: Path) -> tuple[Tier, ...]:
    notes.append(f"{path} is a block device: MAP_SYNC needs a file on a DAX file system, or a device-dax")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise from_oserror(error, path, "opening it") from error
    try:
        return _by_device(fd, status.st_rdev, notes, sys)
    finally:
        os.close(fd)


def _files(path: Path, status: os.stat_result | None, notes: list[str], sys: Path, mountinfo: Path) -> tuple[Tier, ...]:
    with _probe(path, status, notes) as fd:
        device = os.fstat(fd).st_dev
        mount = mounts.mount_of(device, mountinfo)
        if mount is None:
            notes.append("the mount table does not name this file system")
        else:
            options = ",".join(sorted(mount.options))
            notes.append(f"file system {mount.kind} on {mount.source}, mounted with {options} (shown, not believed)")
            if mount.volatile:
                notes.append(f"{mount.volatile}: nothing here survives a power cut")
                return (Tier.EMULATION,)
        synced = _accepts_sync(fd, notes)
        rest = _by_device(fd, device, notes, sys)
        return (Tier.T1, *rest) if synced else rest


def _accepts_sync(fd: int, notes: list[str]) -> bool:
    try:
        mapping = dax.sync_mapping(fd, PAGE, readonly=True)
    except OSError as error:
        notes.append(f"MAP_SYNC refused: {error.strerror} (not DAX, or a device that cannot promise persistence)")
        return False
    with mapping:
        notes.append("MAP_SYNC accepted: a flushed store is durable (T1)")
    try:
        library = libpmem.load()
        notes.append(f"{library.name} calls the granularity of this file {library.granularity(fd).name}")
    except (libpmem.LibraryMissing, libpmem.LibraryFailed) as error:
        notes.append(f"no word from libpmem: {error}")
    return True


def _by_device(fd: int, number: int, notes: list[str], sys: Path) -> tuple[Tier, ...]:
    """T2 and T3, T3 alone, or EMULATION, by the device's word and a direct transfer that is tried."""
    device = mounts.block_device(number, sys)
    if device is not None and device.volatile:
        notes.append(f"{device.volatile}: nothing here survives a power cut")
        return (Tier.EMULATION,)
    direct = _accepts_direct(fd, notes)
    if device is None:
        notes.append("no block device is known behind it: fdatasync is what makes it durable (T3)")
        return (Tier.T3,)
    cache = "a cache that must be flushed" if device.write_back else "no cache that a power cut empties"
    fua = "confirms forced writes" if device.forced_writes else "knows no forced writes"
    notes.append(f"block device {device.name}: {cache}, {fua}")
    if direct and device.confirms_writes:
        notes.append("a direct write is durable when it is confirmed (T2)")
        return (Tier.T2, Tier.T3)
    notes.append("fdatasync is what makes it durable (T3)")
    return (Tier.T3,)


def _accepts_direct(fd: int, notes: list[str]) -> bool:
    """Open the same file again with O_DIRECT and read a page of it."""
    try:
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            with mmap.mmap(-1, PAGE) as page:
                os.preadv(again, [page], 0)
        finally:
            os.close(again)
    except OSError as error:
        notes.append(f"O_DIRECT refused: {error.strerror}")
        return False
    notes.append("O_DIRECT accepted")
    return True


@contextlib.contextmanager
def _probe(path: Path, status: os.stat_result | None, notes: list[str]) -> Iterator[int]:
    """The file itself where it has a page, else a scratch file beside it that has no name and goes when it is closed."""
    if status is not None and stat.S_ISREG(status.st_mode) and status.st_size >= PAGE:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise from_oserror(error, path, "opening it") from error
        notes.append(f"tried on {path} itself")
    else:
        folder = path if status is not None and stat.S_ISDIR(status.st_mode) else path.parent
        fd = _scratch(folder)
        notes.append(f"tried on a scratch file in {folder}")
    try:
        yield fd
    finally:
        os.close(fd)


def _scratch(folder: Path) -> int:
    if not folder.is_dir():
        raise MediumMissing(folder, "no such folder", "create it, or correct the path")
    try:
        try:
            fd = os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError:  # not every file system can; the other way also says what is wrong, if something is
            fd, name = tempfile.mkstemp(prefix=".omnixan-proof-", dir=folder)
            Path(name).unlink()
        try:
            os.posix_fallocate(fd, 0, PAGE)
        except BaseException:
            os.close(fd)
            raise
        return fd
    except OSError as error:
        raise from_oserror(error, folder, "making a scratch file of one page") from error


def _clean(note: str) -> str:
    text = "".join(char if char.isprintable() else "?" for char in note)
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"
