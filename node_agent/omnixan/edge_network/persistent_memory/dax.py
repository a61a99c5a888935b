"""Media on DAX: the processor stores straight into the medium. T1 is a file mapped with MAP_SYNC, T0 a device-dax.

Every `write` copies and starts flushing (libpmem), so `persist` is one fence, whatever its ranges. Without libpmem a T1
mapping is persisted by msync, which is as durable and slower; a device-dax has no msync and is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
from typing import TYPE_CHECKING, Final

from omnixan.edge_network.persistent_memory import libpmem
from omnixan.edge_network.persistent_memory.medium import (
    LINE,
    PAGE,
    REOPEN,
    MediumClosed,
    MediumError,
    MediumReadOnly,
    MediumUnsuitable,
    Tier,
    check_range,
    from_oserror,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from omnixan.edge_network.persistent_memory.libpmem import Flusher, Library

MAP_SHARED_VALIDATE: Final = 0x03
MAP_SYNC: Final = 0x80000
"""The kernel accepts it only where a store that is flushed needs nothing else to be found again after a power cut."""


class DaxMedium:
    """A mapping that is the medium. Takes over `fd`, also when it raises.

    `tier` decides how it is mapped: T1 with MAP_SYNC (refused where the path is not DAX), T0 and EMULATION shared.
    `library` None means msync. `flushed_by` names which it is.
    """

    _writable: int
    """End of what may be written: all of it, or -1 while nothing may. One comparison: three checks cost more."""

    def __init__(
        self, fd: int, path: str, size: int, tier: Tier, library: Library | None, *, readonly: bool = False
    ) -> None:
        self.path, self.size, self.tier, self.readonly = path, size, tier, readonly
        self._fd = fd
        self._broken: MediumError | None = None
        self._flusher: Flusher | None = None
        self._anchor: ctypes.c_char | None = None
        try:
            if tier is Tier.T0 and library is None and not readonly:
                raise MediumUnsuitable(
                    path, "a device-dax has no msync: only libpmem can make it durable", "install libpmem2 or libpmem"
                )
            self._map: mmap.mmap | None = _map(fd, path, size, tier, readonly)
            self._view = memoryview(self._map)
            if library is not None and not readonly:
                self._anchor = ctypes.c_char.from_buffer(self._map)
                self._flusher = self._attach(library)
        except BaseException:
            os.close(fd)
            raise
        self._writable = -1 if readonly else size
        self.granularity = LINE if library is not None else PAGE
        self.flushed_by = library.name if library is not None else "msync"

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes there, without a copy; the view goes on showing what is written there later."""
        self._check(offset, length)
        return self._view[offset : offset + length].toreadonly()

    def write(self, offset: int, data: Buffer) -> None:
        """Store into the mapping, flush under way; durable after `persist`."""
        length = len(data) if isinstance(data, bytes) else memoryview(data).nbytes
        if not 0 <= offset <= self._writable - length:
            self._check_write(offset, length)  # says what is wrong
        if not length:
            return
        if self._flusher is not None:
            self._flusher.copy(offset, data)
        else:
            self._view[offset : offset + length] = memoryview(data).cast("B")

    def persist(self, *ranges: tuple[int, int]) -> None:
        """One fence; by msync each range with the pages it touches."""
        for offset, length in ranges:
            if length < 0 or not 0 <= offset <= self._writable - length:
                self._check_write(offset, length)
        if self._flusher is not None:
            self._flusher.drain()
            return
        assert self._map is not None
        for start, end in _pages(ranges):
            try:
                self._map.flush(start, min(end, self.size) - start)
            except OSError as error:
                self._broken = from_oserror(error, self.path, "msync", then=REOPEN)
                self._writable = -1
                raise self._broken from error

    def close(self) -> None:
        """Unlock and close; views that `read` gave out stay readable for as long as they are kept."""
        if self._map is None:
            return
        self._writable = -1
        if self._flusher is not None:
            self._flusher.close()
        self._flusher = self._anchor = None
        self._view.release()
        with contextlib.suppress(BufferError):  # a view is still out: the mapping goes with the last one
            self._map.close()
        self._map = None
        fcntl.flock(self._fd, fcntl.LOCK_UN)  # a mapping that a view keeps has a descriptor of its own, and so the lock
        os.close(self._fd)

    def _attach(self, library: Library) -> Flusher:
        address = ctypes.addressof(self._anchor) if self._anchor is not None else 0
        granularity = (
            libpmem.Granularity.CACHE_LINE
        )  # right wherever a store can be flushed: an accepted MAP_SYNC, a device-dax
        with contextlib.suppress(libpmem.LibraryFailed):
            granularity = min(granularity, library.granularity(self._fd))  # BYTE: the caches are safe, no flush is needed
        try:
            return library.attach(self._fd, address, self.size, granularity)
        except libpmem.LibraryFailed as error:
            self._anchor = None
            raise MediumError(self.path, str(error), "use mode=file, or repair the library") from error

    def _check(self, offset: int, length: int) -> None:
        if self._map is None:
            raise MediumClosed(self.path, "this medium is closed", "open it again")
        check_range(self.path, self.size, offset, length)

    def _check_write(self, offset: int, length: int) -> None:
        self._check(offset, length)
        if self.readonly:
            raise MediumReadOnly(self.path, "it was opened for reading only", "open it without readonly")
        if self._broken is not None:
            raise self._broken


def sync_mapping(fd: int, length: int, *, readonly: bool) -> mmap.mmap:
    """A shared MAP_SYNC mapping of `fd`; OSError EOPNOTSUPP (or EINVAL) means: not DAX, or not persistent."""
    prot = mmap.PROT_READ if readonly else mmap.PROT_READ | mmap.PROT_WRITE
    return mmap.mmap(fd, length, flags=MAP_SHARED_VALIDATE | MAP_SYNC, prot=prot)


def refuses_sync(error: OSError) -> bool:
    """Whether this is the kernel's answer "not here", rather than something wrong."""
    return error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV)


def _map(fd: int, path: str, size: int, tier: Tier, readonly: bool) -> mmap.mmap:
    try:
        if tier is Tier.T1:
            return sync_mapping(fd, size, readonly=readonly)
        prot = mmap.PROT_READ if readonly else mmap.PROT_READ | mmap.PROT_WRITE
        return mmap.mmap(fd, size, flags=mmap.MAP_SHARED, prot=prot)
    except OSError as error:
        if tier is Tier.T1 and refuses_sync(error):
            raise MediumUnsuitable(
                path, "the kernel refused MAP_SYNC: this path is not on DAX", "mount -o dax, or use mode=auto"
            ) from error
        raise from_oserror(error, path, f"mapping {size} bytes") from error
    except ValueError as error:  # Python looks at the file's size itself
        raise MediumUnsuitable(path, str(error), "the file is shorter than the medium: restore it") from error


def _pages(ranges: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Page-aligned (start, end), overlapping and touching ones merged."""
    merged: list[tuple[int, int]] = []
    for offset, length in sorted(r for r in ranges if r[1]):
        start, end = offset // PAGE * PAGE, -(-(offset + length) // PAGE) * PAGE
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
