"""What the system says about the file system and the device behind a path: read-only, and shown rather than believed."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
SYS = Path("/sys")
_LIMIT = 1 << 20

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})
_DEVICES_IN_MEMORY = ("zram", "ram")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table."""

    kind: str
    source: str
    point: str
    options: frozenset[str]

    @property
    def volatile(self) -> str | None:
        """Why nothing here survives a power cut, if so."""
        if self.kind in _IN_MEMORY:
            return f"{self.kind} keeps its files in memory"
        if self.kind == "overlay" and "volatile" in self.options:
            return "this overlay was mounted volatile: it ignores every request to flush"
        return None


@dataclass(frozen=True, slots=True)
class Device:
    """A block device's own word on when a write is durable."""

    name: str
    forced_writes: bool
    """A write can carry "force unit access" (FUA): it is confirmed when it is on the medium."""
    write_back: bool
    """It has a cache that a power cut empties, unless flushed."""

    @property
    def confirms_writes(self) -> bool:
        """Whether a single direct write can be durable without a flush of the whole cache."""
        return self.forced_writes or not self.write_back

    @property
    def volatile(self) -> str | None:
        """Why nothing here survives a power cut, if so."""
        if self.name.rstrip("0123456789") in _DEVICES_IN_MEMORY:
            return f"{self.name} is a device in memory"
        return None


def mount_of(device: int, table: Path = MOUNTINFO) -> Mount | None:
    """The mount of the file system with this `st_dev`, or None where the table does not name it (btrfs, no /proc)."""
    try:
        with table.open("rb") as file:
            text = file.read(_LIMIT).decode("utf-8", "replace")
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in text.splitlines():
        head, dash, tail = line.partition(" - ")
        fields, rest = head.split(" "), tail.split(" ")
        if dash and len(fields) >= 6 and len(rest) >= 2 and fields[2] == number:
            options = {*fields[5].split(","), *(rest[2].split(",") if len(rest) > 2 else ())}
            return Mount(rest[0], _plain(rest[1]), _plain(fields[4]), frozenset(options))
    return None


def block_device(device: int, sys: Path = SYS) -> Device | None:
    """The block device with this number (a partition answers for its disk), or None where sysfs does not know it."""
    try:
        place = (sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").resolve(strict=True)
    except OSError:
        return None
    for folder in (place, place.parent):
        cache = _word(folder / "queue" / "write_cache")
        if cache:
            return Device(place.name, _word(folder / "queue" / "fua") == "1", cache != "write through")
    return None


@dataclass(frozen=True, slots=True)
class DaxDevice:
    """A device-dax: bytes, and the alignment its mappings need."""

    name: str
    size: int
    align: int


def dax_device(device: int, sys: Path = SYS) -> DaxDevice | None:
    """The device-dax with this `st_rdev`, or None where that character device is something else."""
    try:
        place = (sys / "dev" / "char" / f"{os.major(device)}:{os.minor(device)}").resolve(strict=True)
        subsystem = (place / "subsystem").resolve(strict=True).name
    except OSError:
        return None
    if subsystem != "dax":
        return None
    size = _word(place / "size")
    align = _word(place / "align") or _word(place / "device" / "align")
    with contextlib.suppress(ValueError):
        return DaxDevice(place.name, int(size), int(align) if align else 2 << 20)
    return None


def _word(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(64).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _plain(text: str) -> str:
    """The kernel writes blanks and backslashes as octal numbers."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
