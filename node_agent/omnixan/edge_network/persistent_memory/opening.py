"""Opens what a path is proven to be: preallocated before a byte is written, locked against a second opener."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from pathlib import Path

from omnixan.edge_network.persistent_memory import dax, files, libpmem, mounts
from omnixan.edge_network.persistent_memory.medium import (
    PAGE,
    Medium,
    MediumBusy,
    MediumMissing,
    MediumUnsuitable,
    StoreLocked,
    Tier,
    TierTooLow,
    from_oserror,
)
from omnixan.edge_network.persistent_memory.mode import Mode, choose
from omnixan.edge_network.persistent_memory.proof import Proof, prove

MINIMUM = PAGE
"""Bytes of the smallest medium; sizes are multiples of it."""

_PIECE = 1 << 20


def open_medium(
    path: str | Path,
    size: int | None = None,
    mode: Mode | str = Mode.AUTO,
    *,
    readonly: bool = False,
    emulate: bool = False,
    proof: Proof | None = None,
) -> Medium:
    """The medium at `path`, a file (made with `size` bytes, all preallocated, if it is not there), a disk or a device-dax.

    `size` None takes what is there. `mode` is dax (DAX or `TierTooLow`), auto (the best tier) or file. `proof` is
    what `prove(path)` said before, where it was asked. `emulate` runs the DAX code on any file: the tier is then EMULATION
    and nothing survives a power cut; for tests and benchmarks, and the only way while a variable forces libpmem.

    Raises `MediumFull` before anything is written, `MediumReadOnly`, `MediumMissing`, `MediumUnsuitable`, `MediumBusy`,
    `StoreLocked` and `TierTooLow`, each naming the path and what to do; ValueError for a mode or a size that cannot be.
    """
    path, mode = Path(path), Mode(mode)
    if size is not None and (size < MINIMUM or size % PAGE):
        raise ValueError(f"size={size}: a medium has a multiple of {PAGE} bytes, at least {MINIMUM}")
    if emulate:
        tier, library = Tier.EMULATION, _library(path, allow_forced=True)
    else:
        if not path.exists() and (readonly or size is None):
            raise MediumMissing(path, "no such file", "give a size to make it, or correct the path")
        choice = choose(mode, (proof or prove(path)).tiers)
        if choice.tier is None:
            remedy = "use mode=auto, or a path on a -o dax file system" if mode is Mode.DAX else "use mode=auto"
            kind = TierTooLow if choice.reason == TierTooLow.reason else MediumUnsuitable
            raise kind(path, choice.message, remedy)
        tier = choice.tier
        library = _library(path, allow_forced=False) if tier.is_dax and not readonly else None
    direct = tier is Tier.T2
    fd = _open(path, size, direct=direct, readonly=readonly)
    try:
        _lock(fd, path, shared=readonly)
        size = _size(fd, path, size)
        if not readonly:
            _fill_holes(fd, path, size)
    except BaseException:
        os.close(fd)
        raise
    if library is not None or tier.is_dax:
        return dax.DaxMedium(fd, str(path), size, tier, library, readonly=readonly)
    if direct:
        return files.DirectMedium(fd, str(path), size, tier, readonly=readonly)
    return files.FileMedium(fd, str(path), size, tier, readonly=readonly)


def _library(path: Path, *, allow_forced: bool) -> libpmem.Library | None:
    """libpmem, or None where it is missing; a forced one is an error, and so is a missing one for an emulation."""
    try:
        return libpmem.load(allow_forced=allow_forced)
    except libpmem.ForcedGranularity as error:
        raise MediumUnsuitable(path, str(error), "a store must not run with it") from error
    except libpmem.LibraryMissing as error:
        if allow_forced:
            raise MediumUnsuitable(path, f"an emulation needs libpmem: {error}", "install libpmem2 or libpmem") from error
        return None


def _open(path: Path, size: int | None, *, direct: bool, readonly: bool) -> int:
    flags = (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC | (os.O_DIRECT if direct else 0)
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        kind = None
    except OSError as error:
        raise from_oserror(error, path, "looking at it") from error
    if kind is None or (stat.S_ISREG(kind) and path.stat().st_size == 0):
        if readonly or size is None:
            raise MediumMissing(path, "nothing is there", "give a size to make it, or correct the path")
        if kind is None:
            _create(path, size)
    elif stat.S_ISDIR(kind):
        raise MediumUnsuitable(path, "is a folder", "name a file in it")
    try:
        if kind is not None and stat.S_ISBLK(kind) and not readonly:
            return _open_disk(path, flags)
        return os.open(path, flags)
    except OSError as error:
        raise from_oserror(error, path, "opening it") from error


def _open_disk(path: Path, flags: int) -> int:
    """Exclusively: a mounted disk is refused. Two openers of ours are told apart from a mount by the lock."""
    try:
        return os.open(path, flags | os.O_EXCL)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        fd = os.open(path, flags)
        try:
            _lock(fd, path, shared=False)
        finally:
            os.close(fd)
        raise MediumBusy(path, "the disk is in use", "unmount it first", errno=error.errno) from error


def _create(path: Path, size: int) -> None:
    """A file of `size` zeros with all its blocks, under its name only when it is complete; another's is left alone."""
    name: str | None = None
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise from_oserror(error, path.parent, "opening the folder") from error
    try:
        try:
            fd = os.open(path.parent, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError:  # not every file system can; the other way also says what is wrong, if something is
            fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    except OSError as error:
        os.close(folder)
        raise from_oserror(error, path, "creating it") from error
    try:
        _fill(fd, path, size)
        with contextlib.suppress(FileExistsError):  # somebody else was first; the size is compared after the lock
            # Only with a folder's descriptor does Python follow the symbolic link that stands for the nameless file.
            os.link(name or f"/proc/self/fd/{fd}", path.name, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError as error:
        raise from_oserror(error, path, f"creating it with {size} bytes") from error
    finally:
        os.close(fd)
        os.close(folder)
        if name is not None:
            Path(name).unlink()


def _fill(fd: int, path: Path, size: int) -> None:
    """An empty file gets `size` zeros, durable; refused before one is written if there is no room.

    Written, not only allocated: the first write to a block that is merely reserved changes the file's metadata, and the
    flush behind it waits for that (5 to 7 times as long for a checkpoint of 768 KiB on ext4).
    """
    _allocate(fd, path, size)
    zeros = memoryview(bytes(min(size, _PIECE)))
    try:
        offset = 0
        while offset < size:
            offset += os.pwrite(fd, zeros[: size - offset], offset)
        os.fsync(fd)
    except OSError as error:
        raise from_oserror(error, path, f"filling it with {size} zeros") from error


def _allocate(fd: int, path: Path, size: int) -> None:
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        room = os.statvfs(path.parent)
        free = room.f_bavail * room.f_frsize
        raise from_oserror(error, path, f"preallocating {size} bytes ({free} are free)") from error


def _fill_holes(fd: int, path: Path, size: int) -> None:
    """A sparse file gets its blocks now: on DAX a store into a hole of a full disk ends the process (SIGBUS)."""
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_blocks * 512 < size:
        _allocate(fd, path, size)


def _lock(fd: int, path: Path, *, shared: bool) -> None:
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreLocked(
            path, "another process or opener holds this store", "end it first, or use another path", errno=error.errno
        ) from error
    except OSError as error:
        raise from_oserror(error, path, "locking it") from error


def _size(fd: int, path: Path, asked: int | None) -> int:
    """Bytes to use of what is open; an empty file is filled up first, a shorter or longer one than asked is refused."""
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        if status.st_size == 0 and asked is not None:
            _fill(fd, path, asked)
            return asked
        if status.st_size < MINIMUM or status.st_size % PAGE:
            raise MediumUnsuitable(
                path,
                f"{status.st_size} bytes, no multiple of {PAGE}: truncated, or not a store",
                "restore it from a copy",
            )
        if asked is not None and asked != status.st_size:
            raise MediumUnsuitable(
                path, f"has {status.st_size} bytes and {asked} were asked for", "ask for its size, or use a new path"
            )
        return status.st_size
    device = mounts.dax_device(status.st_rdev) if stat.S_ISCHR(status.st_mode) else None
    if stat.S_ISCHR(status.st_mode) and device is None:
        raise MediumUnsuitable(path, "a character device that is not a device-dax", "name a file, a disk or /dev/daxX.Y")
    whole = device.size if device is not None else os.lseek(fd, 0, os.SEEK_END)
    unit = device.align if device is not None else PAGE
    if asked is not None and (asked > whole or asked % unit):
        raise MediumUnsuitable(
            path, f"{asked} bytes were asked for of {whole}, in units of {unit}", "ask for less, or name no size"
        )
    size = asked or whole - whole % unit
    if size < MINIMUM:
        raise MediumUnsuitable(path, f"the device has {whole} bytes", "attach a medium to it")
    return size
