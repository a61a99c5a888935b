"""Media that are files: T3 through the page cache, T2 past it. Both are read through a mapping, without a copy.

Pages of one inode are kept in step by the kernel: what `pwrite` or a direct transfer puts down is what the mapping shows.
Both tiers assume that nobody else shortens the file while it is open: a mapped page that is gone raises SIGBUS.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from omnixan.edge_network.persistent_memory.medium import (
    PAGE,
    REOPEN,
    MediumClosed,
    MediumError,
    MediumFull,
    MediumReadOnly,
    Tier,
    check_range,
    from_oserror,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

TRANSFER = 1 << 20
"""Bytes of the aligned buffer that a direct transfer goes through."""

LONG = 256 << 10
"""Bytes from which on a read is announced."""

PENDING = 2048
"""Pages that a direct medium keeps in memory before it sends them without being asked (8 MiB)."""


class _File:
    """A file, its lock and its mapping: what both tiers have in common. Takes over `fd`, also when it raises."""

    granularity: Final = PAGE

    def __init__(self, fd: int, path: str, size: int, tier: Tier, *, readonly: bool) -> None:
        self.path, self.size, self.tier, self.readonly = path, size, tier, readonly
        self._fd = fd
        self._broken: MediumError | None = None
        try:
            self._map: mmap.mmap | None = mmap.mmap(fd, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
            self._long_map = mmap.mmap(fd, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        except (OSError, ValueError) as error:
            os.close(fd)
            named = error if isinstance(error, OSError) else OSError(0, str(error))
            raise from_oserror(named, path, f"mapping {size} bytes") from error
        # A header stands here, the next one megabytes behind: what is read around a page (8 MiB on some disks) is wasted
        # there, and right for long reads.
        self._map.madvise(mmap.MADV_RANDOM)
        self._view, self._long_view = memoryview(self._map), memoryview(self._long_map)

    def ahead(self, offset: int, length: int) -> None:
        """What will be read soon, as far as it lies inside: it comes from the disk in one go, and in time."""
        os.posix_fadvise(self._fd, offset, max(0, min(length, self.size - offset)), os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Unlock and close; views that `read` gave out stay readable for as long as they are kept."""
        if self._map is None:
            return
        for view, mapping in ((self._view, self._map), (self._long_view, self._long_map)):
            view.release()
            with contextlib.suppress(BufferError):  # a view is still out: the mapping goes with the last one
                mapping.close()
        self._map = None
        fcntl.flock(self._fd, fcntl.LOCK_UN)  # a mapping that a view keeps has a descriptor of its own, and so the lock
        os.close(self._fd)

    def _shown(self, offset: int, length: int) -> memoryview:
        """A part of the mapping, a long one announced."""
        if length < LONG:
            return self._view[offset : offset + length]
        self.ahead(offset, length)
        return self._long_view[offset : offset + length]

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

    def _flush(self) -> None:
        """fdatasync; after a failure nothing more is taken (see `REOPEN`)."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._broken = from_oserror(error, self.path, "fdatasync", then=REOPEN)
            raise self._broken from error

    def _send(self, data: memoryview, offset: int, flags: int = 0) -> None:
        while data:
            try:
                done = os.pwritev(self._fd, [data], offset, flags)
            except OSError as error:
                raise from_oserror(error, self.path, f"writing {len(data)} bytes at {offset}") from error
            if done == 0:
                raise MediumFull(self.path, f"nothing of {len(data)} bytes at {offset} was taken", "free space")
            data, offset = data[done:], offset + done


class FileMedium(_File):
    """T3: pwrite into the page cache, fdatasync to persist (in one go for all ranges)."""

    def __init__(self, fd: int, path: str, size: int, tier: Tier = Tier.T3, *, readonly: bool = False) -> None:
        self._dirty = False
        super().__init__(fd, path, size, tier, readonly=readonly)

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes there, without a copy; the view goes on showing what is written there later."""
        self._check(offset, length)
        return self._shown(offset, length)

    def write(self, offset: int, data: Buffer) -> None:
        """Into the page cache: visible at once, durable after `persist`."""
        view = memoryview(data).cast("B")
        self._check_write(offset, len(view))
        if view:
            self._dirty = True
            self._send(view, offset)

    def persist(self, *ranges: tuple[int, int]) -> None:
        """Make every range durable (the kernel flushes all that is dirty in the file); idle when nothing was written."""
        for offset, length in ranges:
            self._check_write(offset, length)
        if self._dirty and any(length for _, length in ranges):
            self._flush()
            self._dirty = False


class DirectMedium(_File):
    """T2: transfers past the page cache (O_DIRECT) in units of a page.

    Pages that were written and not persisted are kept in memory (at most `PENDING` of them, then they are sent without
    waiting for the flush); `persist` sends those of its ranges, a single run of them with one write that the device confirms
    (RWF_DSYNC), several followed by one fdatasync. `fd` must have been opened with O_DIRECT.
    """

    def __init__(self, fd: int, path: str, size: int, tier: Tier = Tier.T2, *, readonly: bool = False) -> None:
        self._pending: dict[int, bytearray] = {}
        self._unflushed = False
        super().__init__(fd, path, size, tier, readonly=readonly)
        self._bounce = memoryview(mmap.mmap(-1, TRANSFER, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes there: without a copy unless pages of the range wait to be persisted."""
        self._check(offset, length)
        waiting = self._waiting([(offset, length)])
        if not waiting:
            return self._shown(offset, length)
        merged = bytearray(self._view[offset : offset + length])
        for page in waiting:
            start = max(offset, page * PAGE)
            end = min(offset + length, (page + 1) * PAGE)
            merged[start - offset : end - offset] = self._pending[page][start - page * PAGE : end - page * PAGE]
        return memoryview(merged).toreadonly()

    def write(self, offset: int, data: Buffer) -> None:
        """Whole runs of `TRANSFER` and more go to the device at once, the rest waits in memory for `persist`."""
        view = memoryview(data).cast("B")
        self._check_write(offset, len(view))
        while view:
            page, start = divmod(offset, PAGE)
            if start == 0 and len(view) >= TRANSFER:
                taken = len(view) - len(view) % PAGE
                self._send_direct(view[:taken], offset)
                for covered in self._waiting([(offset, taken)]):
                    del self._pending[covered]
            else:
                taken = min(PAGE - start, len(view))
                if page not in self._pending:
                    old = b"" if taken == PAGE else self._view[page * PAGE : (page + 1) * PAGE]
                    self._pending[page] = bytearray(old or PAGE)
                self._pending[page][start : start + taken] = view[:taken]
            view, offset = view[taken:], offset + taken
        if len(self._pending) > PENDING:
            self._send_pages(sorted(self._pending))

    def persist(self, *ranges: tuple[int, int]) -> None:
        """Send the waiting pages of every range, then one flush; nothing to do when nothing waits."""
        for offset, length in ranges:
            self._check_write(offset, length)
        if not any(length for _, length in ranges):
            return
        pages = self._waiting(ranges)
        if pages and not self._unflushed and pages[-1] - pages[0] == len(pages) - 1 and len(pages) * PAGE <= TRANSFER:
            try:
                self._send_pages(pages, os.RWF_DSYNC)
            except MediumFull:
                raise  # nothing was confirmed and the pages still wait: it can be tried again
            except MediumError as error:
                self._broken = error
                raise
            self._unflushed = False
        else:
            self._send_pages(pages)
            if self._unflushed:
                self._flush()
                self._unflushed = False

    def close(self) -> None:
        """As of a file; pages that wait are dropped."""
        self._pending.clear()
        super().close()

    def _waiting(self, ranges: Iterable[tuple[int, int]]) -> list[int]:
        """Numbers of the pages of `ranges` that wait, in order."""
        if not self._pending:
            return []
        found: set[int] = set()
        for offset, length in ranges:
            pages = range(offset // PAGE, -(-(offset + length) // PAGE)) if length else range(0)
            if len(pages) < len(self._pending):
                found.update(page for page in pages if page in self._pending)
            else:
                found.update(page for page in self._pending if page in pages)
        return sorted(found)

    def _send_pages(self, pages: list[int], flags: int = 0) -> None:
        """Send waiting pages, neighbours together, and forget them once they are sent."""
        for run in _runs(pages, TRANSFER // PAGE):
            self._unflushed = True
            for place, page in enumerate(run):
                self._bounce[place * PAGE : (place + 1) * PAGE] = self._pending[page]
            self._send(self._bounce[: len(run) * PAGE], run[0] * PAGE, flags)
            for page in run:
                del self._pending[page]

    def _send_direct(self, data: memoryview, offset: int) -> None:
        """Send whole pages by way of the aligned buffer: the caller's memory need not be aligned."""
        self._unflushed = True
        for start in range(0, len(data), TRANSFER):
            piece = data[start : start + TRANSFER]
            self._bounce[: len(piece)] = piece
            self._send(self._bounce[: len(piece)], offset + start)


def _runs(pages: list[int], longest: int) -> Iterator[range]:
    """Neighbouring numbers of a sorted list as ranges of at most `longest`."""
    start = 0
    for place in range(1, len(pages) + 1):
        if place == len(pages) or pages[place] != pages[place - 1] + 1 or place - start == longest:
            yield range(pages[start], pages[place - 1] + 1)
            start = place
