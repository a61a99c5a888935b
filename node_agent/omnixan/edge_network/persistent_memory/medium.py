"""What a store stands on: the `Medium` protocol, the tiers, the acknowledgement and the named errors."""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer

LINE = 64
"""Bytes of a cache line: what one flush instruction makes durable on a DAX medium."""

PAGE = 4096
"""Bytes of a page and of a disk's block: what one transfer makes durable on a file."""

WORD = 8
"""Bytes, aligned, that are either all there after a power cut or not at all, on every medium."""


class Tier(StrEnum):
    """By which means a medium is durable, best first; found by proof, never by a mount option.

    `EMULATION` promises nothing across a power cut: a file system in memory, or DAX code run on an ordinary file.
    """

    T0 = "device-dax"
    T1 = "fsdax"
    T2 = "direct"
    T3 = "file"
    EMULATION = "emulation"

    @property
    def rank(self) -> int:
        """0 for the best tier; a larger one is worse."""
        return list(Tier).index(self)

    @property
    def is_dax(self) -> bool:
        """Whether a processor's stores reach the medium without the page cache."""
        return self.rank <= Tier.T1.rank

    @property
    def label(self) -> str:
        """Name and word together, as labels and status show it: `T1-fsdax`; `emulation` has no number."""
        return self.value if self is Tier.EMULATION else f"{self.name}-{self.value}"


class Ack(NamedTuple):
    """The answer to a durable operation: what was written stands at `position` and survives a power cut at `tier`.

    `position` is counted by whoever acknowledges (a store's sequence number, a log's offset); a later one is larger.
    """

    position: int
    tier: Tier


@runtime_checkable
class Medium(Protocol):
    """A fixed run of `size` bytes that survives a power cut in the ranges that were persisted.

    Two persists are ordered: all of the first is durable before anything of the second must be. What was written and not
    persisted may be durable or not, in aligned units of `WORD` bytes and in any order. A medium has one writer; its calls
    are not for several threads at once.
    """

    @property
    def size(self) -> int:
        """Bytes, fixed while open."""
        ...

    @property
    def tier(self) -> Tier:
        """How what `persist` returns from is durable."""
        ...

    @property
    def granularity(self) -> int:
        """Bytes that become durable as a unit of flushing: 64 on DAX, 4096 on files."""
        ...

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes there now, read-only, without a copy where the medium is mapped; raises `OutOfRange`, `MediumClosed`."""
        ...

    def write(self, offset: int, data: Buffer) -> None:
        """Put `data` (any contiguous buffer, taken as bytes) there: visible to `read`, durable only after `persist`."""
        ...

    def persist(self, *ranges: tuple[int, int]) -> None:
        """Flush every (offset, length), then one fence: all are durable when it returns; otherwise raises `MediumError`."""
        ...

    def close(self) -> None:
        """Give everything back; what was not persisted is not made durable by this. A second call does nothing."""
        ...


@runtime_checkable
class ReadAhead(Protocol):
    """A medium that is slow to read, and faster when it is told what comes."""

    def ahead(self, offset: int, length: int) -> None:
        """These bytes, as far as there are so many, will be read soon."""
        ...


class MediumError(Exception):
    """Something is wrong with a medium: which path, what, and what to do; `errno` where the system gave one."""

    reason: ClassVar[str] = "MediumFailed"
    """A CamelCase word for conditions and metrics."""

    def __init__(self, path: str | Path, what: str, remedy: str, *, errno: int | None = None) -> None:
        super().__init__(f"{path}: {what}; {remedy}")
        self.path = str(path)
        self.what = what
        self.remedy = remedy
        self.errno = errno


class MediumFull(MediumError):
    """The file system, the quota or the file size limit leaves no room (ENOSPC, EDQUOT, EFBIG)."""

    reason = "MediumFull"


class MediumReadOnly(MediumError):
    """The path may not be written: read-only file system, or no permission (EROFS, EACCES, EPERM)."""

    reason = "MediumReadOnly"


class MediumMissing(MediumError):
    """The path, or the device behind it, is not there (ENOENT, ENOTDIR, ENODEV, ENXIO)."""

    reason = "MediumMissing"


class MediumUnsuitable(MediumError):
    """The path is there and cannot be a medium: a directory, an empty device, a size that does not fit."""

    reason = "MediumUnsuitable"


class MediumBusy(MediumError):
    """The device is used by something else, a mount for example (EBUSY, ETXTBSY)."""

    reason = "MediumBusy"


class MediumClosed(MediumError):
    """Used after `close`."""

    reason = "MediumClosed"


class StoreLocked(MediumError):
    """Another opener holds the medium: one store has one writer."""

    reason = "StoreLocked"


class TierTooLow(MediumError):
    """DAX was asked for and the proof found a lower tier."""

    reason = "NoDAX"


class OutOfRange(MediumError, ValueError):
    """A range that does not lie inside the medium: a mistake of the caller."""

    reason = "OutOfRange"


_BY_ERRNO: dict[int, tuple[type[MediumError], str]] = {
    errno.ENOSPC: (MediumFull, "free space on this file system or ask for a smaller size"),
    errno.EDQUOT: (MediumFull, "raise the quota or ask for a smaller size"),
    errno.EFBIG: (MediumFull, "ask for a smaller size or raise the file size limit (ulimit -f)"),
    errno.EROFS: (MediumReadOnly, "mount it writable or choose another path"),
    errno.EACCES: (MediumReadOnly, "give this user read and write permission or choose another path"),
    errno.EPERM: (MediumReadOnly, "give this user read and write permission or choose another path"),
    errno.ENOENT: (MediumMissing, "create the folder, or correct the path"),
    errno.ENOTDIR: (MediumMissing, "correct the path: a part of it is not a folder"),
    errno.ENODEV: (MediumMissing, "attach the device or correct the path"),
    errno.ENXIO: (MediumMissing, "attach the device or correct the path"),
    errno.EISDIR: (MediumUnsuitable, "name a file in it"),
    errno.EEXIST: (MediumUnsuitable, "something else has this name: choose another path"),
    errno.EBUSY: (MediumBusy, "end what uses the device (a mount, a file system) first"),
    errno.ETXTBSY: (MediumBusy, "end what uses the file first"),
}
REOPEN = "then close and reopen it: recovery keeps what is durable"
"""What to do after a failed flush: the kernel may have dropped the pages, and would answer "done" the next time."""

_BROKEN = "check the kernel log and replace the medium; what was acknowledged before stays as it was"


def from_oserror(error: OSError, path: str | Path, doing: str, *, then: str = "") -> MediumError:
    """The named error for what the system answered while `doing` (a phrase such as "preallocating 4096 bytes") at `path`.

    `then` is what to do after the remedy.
    """
    kind, remedy = _BY_ERRNO.get(error.errno or 0, (MediumError, _BROKEN))
    said = error.strerror or str(error)
    return kind(path, f"{doing} failed: {said}", f"{remedy}; {then}" if then else remedy, errno=error.errno)


def check_range(path: str | Path, size: int, offset: int, length: int) -> None:
    """Raise `OutOfRange` unless offset..offset+length lies inside 0..size."""
    if offset < 0 or length < 0 or offset + length > size:
        raise OutOfRange(
            path, f"range offset={offset} length={length} is outside 0..{size}", "stay inside the medium's size"
        )
