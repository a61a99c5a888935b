"""A segment's medium on an ordinary file: pwrite, pread and fdatasync, the space allocated and filled with zeros beforehand.

Not mapped: a segment is written once and read in order, and a file that somebody shortens is an error here, not a SIGBUS.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from omnixan.edge_network.persistent_memory.medium import (
    PAGE,
    MediumClosed,
    MediumError,
    MediumReadOnly,
    Tier,
    check_range,
    from_oserror,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

_ZEROS = bytes(1 << 20)


class SegmentFile:
    """A `Medium` at T3. Written zeros, not holes: fdatasync then has no metadata to write."""

    tier: Final = Tier.T3
    granularity: Final = PAGE

    def __init__(self, path: Path, fd: int, size: int, *, readonly: bool) -> None:
        """Use `create` or `open`."""
        self.path, self.size = str(path), size
        self._fd, self._readonly = fd, readonly

    @classmethod
    def create(cls, path: Path, size: int) -> Self:
        """A new file of `size` zeros, durable but for its name.

        Raises `MediumFull` and leaves nothing behind if there is no room.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise from_oserror(error, path, "creating it") from error
        try:
            os.posix_fallocate(fd, 0, size)
            for offset in range(0, size, len(_ZEROS)):
                _send(fd, memoryview(_ZEROS)[: min(len(_ZEROS), size - offset)], offset)
            os.fsync(fd)
        except OSError as error:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise from_oserror(error, path, f"allocating {size} bytes") from error
        return cls(path, fd, size, readonly=False)

    @classmethod
    def open(cls, path: Path, *, readonly: bool) -> Self:
        """The file as it is."""
        try:
            fd = os.open(path, (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC)
            size = os.fstat(fd).st_size
        except OSError as error:
            raise from_oserror(error, path, "opening it") from error
        return cls(path, fd, size, readonly=readonly)

    def read(self, offset: int, length: int) -> memoryview:
        """A copy of the bytes there."""
        self._check(offset, length)
        pieces: list[bytes] = []
        at, left = offset, length
        try:
            while left:
                piece = os.pread(self._fd, left, at)
                if not piece:
                    raise MediumError(self.path, f"it ends at {at}, {self.size} bytes were there", "restore it from a copy")
                pieces.append(piece)
                at, left = at + len(piece), left - len(piece)
        except OSError as error:
            raise from_oserror(error, self.path, f"reading {length} bytes at {offset}") from error
        return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def write(self, offset: int, data: Buffer) -> None:
        """Into the page cache; durable after `persist`."""
        view = memoryview(data).cast("B")
        self._check(offset, len(view))
        if self._readonly:
            raise MediumReadOnly(self.path, "it was opened for reading only", "open it without readonly")
        try:
            _send(self._fd, view, offset)
        except OSError as error:
            raise from_oserror(error, self.path, f"writing {len(view)} bytes at {offset}") from error

    def persist(self, *ranges: tuple[int, int]) -> None:
        """One fdatasync for all of them."""
        for offset, length in ranges:
            self._check(offset, length)
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise from_oserror(error, self.path, "fdatasync") from error

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _check(self, offset: int, length: int) -> None:
        if self._fd < 0:
            raise MediumClosed(self.path, "this segment is closed", "open the log again")
        check_range(self.path, self.size, offset, length)


def _send(fd: int, view: memoryview, offset: int) -> None:
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done
