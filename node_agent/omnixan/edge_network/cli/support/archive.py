"""A .tar.gz that never grows beyond a bound and is there as a whole or not at all."""

from __future__ import annotations

import io
import os
import tarfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Entry:
    """One file in the bundle, or why it is not in it."""

    path: str
    objects: int
    """Objects, or lines of a log."""
    bytes: int
    """Uncompressed; 0 if it is not there."""
    note: str = ""

    def wire(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


class Archive:
    """Writes the bundle; a context manager. With an error in the block nothing is left behind."""

    def __init__(self, path: Path, limit: int) -> None:
        """`limit` in bytes, of the content before compression."""
        self.path = path
        self.entries: list[Entry] = []
        self._limit = limit
        self._used = 0
        self._partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> Self:
        # Only for its owner's eyes; O_EXCL: nobody else's link is followed.
        self._partial.unlink(missing_ok=True)
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w:gz")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._tar.close()
        self._file.close()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return max(0, self._limit - self._used)

    def add(self, path: str, content: str, objects: int, note: str = "") -> None:
        """Add a file; if it does not fit, only the entry that says so."""
        data = content.encode()
        if len(data) > self.room:
            self.miss(path, f"left out: {len(data)} bytes, and {self.room} fit (--max-mib)")
            return
        self.write(path, data)
        self.entries.append(Entry(path, objects, len(data), note))

    def write(self, path: str, data: bytes) -> None:
        """Write a file without an entry of its own."""
        member = tarfile.TarInfo(f"{self.path.name.split('.')[0]}/{path}")
        member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
        self._tar.addfile(member, io.BytesIO(data))
        self._used += len(data)

    def miss(self, path: str, note: str) -> None:
        """Note what is not there, and why."""
        self.entries.append(Entry(path, 0, 0, note))
