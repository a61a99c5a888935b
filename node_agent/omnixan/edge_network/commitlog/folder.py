"""Where a log's segments are: a folder of files, numbered, under one lock."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from omnixan.edge_network.commitlog.file import SegmentFile
from omnixan.edge_network.persistent_memory.medium import StoreLocked, from_oserror

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.medium import Medium

_NAME = re.compile(r"segment-(\d{10})\.log")


class Segments(Protocol):
    """The media of a log. What `create` and `remove` do is durable when they return."""

    path: str
    concurrent: bool
    """Whether `create` may run in a thread beside the other methods."""

    def numbers(self) -> list[int]:
        """Numbers of the segments that are there, in order."""
        ...

    def create(self, number: int, size: int) -> Medium:
        """A new medium full of zeros, its space allocated; one of this number that is there already is replaced."""
        ...

    def open(self, number: int, *, readonly: bool) -> Medium:
        """The medium of this number."""
        ...

    def remove(self, number: int) -> None:
        """Delete it."""
        ...

    def close(self) -> None:
        """Give the lock back."""
        ...


class Folder:
    """Segments as files. One writer, held by flock on the folder; readers take no lock."""

    concurrent = True

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open the folder, made if it is not there (not by a reader).

        Raises `StoreLocked` or what the system says, by name.
        """
        self.path = str(path)
        self._folder = path
        try:
            if not readonly and not path.is_dir():
                path.mkdir(parents=True, mode=0o700)
                _sync(path.parent)
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise from_oserror(error, path, "opening the log's folder") from error
        if not readonly:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._fd)
                raise StoreLocked(
                    path, "another process writes this log", "end it first, or open the log for reading"
                ) from error

    def numbers(self) -> list[int]:
        """As of `Segments`; other files in the folder are left alone."""
        try:
            names = [entry.name for entry in self._folder.iterdir()]
        except OSError as error:
            raise from_oserror(error, self.path, "listing the log's folder") from error
        return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))

    def create(self, number: int, size: int) -> Medium:
        """As of `Segments`."""
        path = self._path(number)
        raw = path.with_suffix(".new")
        try:
            raw.unlink(missing_ok=True)
            medium = SegmentFile.create(raw, size)
            raw.rename(path)
        except OSError as error:
            raise from_oserror(error, path, f"making a segment of {size} bytes") from error
        self._sync()
        return medium

    def open(self, number: int, *, readonly: bool) -> Medium:
        """As of `Segments`."""
        return SegmentFile.open(self._path(number), readonly=readonly)

    def remove(self, number: int) -> None:
        """As of `Segments`."""
        try:
            self._path(number).unlink(missing_ok=True)
        except OSError as error:
            raise from_oserror(error, self._path(number), "removing it") from error
        self._sync()

    def close(self) -> None:
        """As of `Segments`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _path(self, number: int) -> Path:
        return self._folder / f"segment-{number:010d}.log"

    def _sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise from_oserror(error, self.path, "fsync of the log's folder") from error


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
