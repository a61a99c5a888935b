"""How much memory this process may have, and how near that it is: control groups of version 1 and 2, and the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNLIMITED: Final = 1 << 60
"""What version 1 shows where there is no limit is a little below 2^63."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`total` bytes at most, of which `used` cannot be had back; `where` is the file that says so."""

    total: int
    used: int
    where: str

    @property
    def room(self) -> int:
        """Bytes that are left."""
        return self.total - self.used


class MemoryLimits:
    """Reads the limits of this process's control group and all above it; nothing is cached.

    The paths are arguments for tests and for machines that mount elsewhere.
    """

    def __init__(
        self,
        root: Path = Path("/sys/fs/cgroup"),
        membership: Path = Path("/proc/self/cgroup"),
        meminfo: Path = Path("/proc/meminfo"),
    ) -> None:
        self._root, self._membership, self._meminfo = root, membership, meminfo

    def smallest(self) -> Limit | None:
        """The limit with the fewest bytes in total, the machine's memory among them; None if nothing can be read."""
        return min(self._all(), key=lambda limit: limit.total, default=None)

    def tightest(self) -> Limit | None:
        """The limit with the least room as a share of it."""
        return min(self._all(), key=lambda limit: limit.room / limit.total, default=None)

    def _all(self) -> Iterator[Limit]:
        yield from self._machine()
        for line in (_text(self._membership) or "").splitlines():
            _, controllers, path = [*line.split(":", 2), "", ""][:3]
            if controllers == "":
                yield from self._levels(self._root, path, "memory.max", "memory.current", "inactive_file")
                unified = self._root / "unified"  # where both versions are mounted
                yield from self._levels(unified, path, "memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                yield from self._levels(self._root / "memory", path, *names)

    def _levels(self, root: Path, path: str, most: str, usage: str, cache: str) -> Iterator[Limit]:
        """The group and those above it. In a container the path may be the host's, and the group is the mount itself."""
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for depth in range(len(parts), -1, -1):
            folder = root.joinpath(*parts[:depth])
            total = _number(_text(folder / most))
            if total is None or not 0 < total < _UNLIMITED:
                continue
            used = _number(_text(folder / usage)) or 0
            # Page cache that is not in use is given up before anybody is killed: it is room.
            used -= _field(_text(folder / "memory.stat"), cache) or 0
            yield Limit(total, max(0, used), str(folder / most))

    def _machine(self) -> Iterator[Limit]:
        text = _text(self._meminfo)
        total, available = _field(text, "MemTotal:"), _field(text, "MemAvailable:")
        if total and available is not None:
            yield Limit(total * 1024, (total - available) * 1024, f"{self._meminfo} (MemTotal)")


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _number(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isdecimal() else None  # "max" is no limit


def _field(text: str | None, name: str) -> int | None:
    for line in (text or "").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == name and words[1].isdecimal():
            return int(words[1])
    return None
