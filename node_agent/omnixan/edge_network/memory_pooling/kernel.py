"""The few system calls that Python has no function for, from the C library, and mappings that end with their last view."""

from __future__ import annotations

import ctypes
import enum
import errno
import fcntl
import mmap
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from omnixan.edge_network.memory_pooling.errors import KernelLacks, TooScattered

PAGE: Final = 4096
"""Bytes of the pool's unit. The processor's own page may not be larger."""
HUGE: Final = 2 << 20
"""Bytes of a huge page, to which ranges of addresses are aligned so that they can have some."""

_ADD_SEALS, _GET_SEALS = 1033, 1034
_SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 0x1, 0x2, 0x4, 0x10
SEALS: Final = _SEAL_SEAL | _SEAL_SHRINK | _SEAL_GROW | _SEAL_FUTURE_WRITE
"""Nobody can truncate, extend or write any more, and no seal can be added. What was mapped for writing before stays so."""

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_MAP_FIXED, _MAP_NORESERVE, _MAP_POPULATE = 0x10, 0x4000, 0x8000
_POPULATE_WRITE, _COLLAPSE = 23, 25
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_mmap = _libc.mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_munmap = _libc.munmap
_munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_fallocate = _libc.fallocate
_fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
_madvise = _libc.madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_memset = _libc.memset
_memset.restype = ctypes.c_void_p
_memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


@dataclass(frozen=True, slots=True)
class Piece:
    """`length` bytes of the file `fd` from `offset` on."""

    fd: int
    offset: int
    length: int


class Mapping:
    """Bytes of this process's address space that are unmapped when nobody refers to this object any more."""

    __slots__ = ("__weakref__", "address", "length", "pieces")

    def __init__(self, address: int, length: int, pieces: int) -> None:
        self.address, self.length, self.pieces = address, length, pieces
        if length:
            weakref.finalize(self, _munmap, address, length).atexit = False  # the kernel does it, after the last look

    @classmethod
    def nowhere(cls) -> Self:
        """No bytes at all."""
        return cls(0, 0, 0)


class Memfd:
    """A file without a name in memory; its descriptor is closed when nobody refers to this object any more."""

    __slots__ = ("__weakref__", "fd", "length")

    def __init__(self, name: str, length: int) -> None:
        try:
            self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            weakref.finalize(self, os.close, self.fd).atexit = False
            os.ftruncate(self.fd, length)
        except (OSError, AttributeError) as error:
            raise _lacks(
                "memfd_create", error, "run on Linux 5.1 or later, and raise `ulimit -n` and `ulimit -f`"
            ) from error
        self.length = length

    def resident(self) -> int:
        """Bytes of physical memory (or swap) behind it."""
        return os.fstat(self.fd).st_blocks * 512

    def punch(self, offset: int, length: int) -> None:
        """Give the memory of a range back to the kernel: it reads as zeros, and is allocated when it is written again."""
        if _fallocate(self.fd, _PUNCH_HOLE | _KEEP_SIZE, offset, length):
            raise _failed("fallocate(FALLOC_FL_PUNCH_HOLE)", "run on Linux 5.1 or later")

    def seal(self) -> None:
        """Add `SEALS`; mappings that are there keep their rights."""
        try:
            fcntl.fcntl(self.fd, _ADD_SEALS, SEALS)
        except OSError as error:
            raise _lacks("F_SEAL_FUTURE_WRITE", error, "run on Linux 5.1 or later") from error


def seals_of(fd: int) -> int:
    """The seals of a descriptor that somebody sent; 0 if it is no memfd."""
    try:
        return fcntl.fcntl(fd, _GET_SEALS)
    except OSError:
        return 0


def map_whole(memfd: Memfd) -> Mapping:
    """All of a file, for reading and writing."""
    return map_pieces([Piece(memfd.fd, 0, memfd.length)])


def map_pieces(pieces: Sequence[Piece], *, populate: bool = False) -> Mapping:
    """Pieces of files one after the other in one range of addresses, for reading and writing.

    With `populate` the pages are there at once instead of with a fault for each: for pieces that have memory.
    Raises `TooScattered` if that takes more mappings than the process may have.
    """
    length = sum(piece.length for piece in pieces)
    address = _reserve(length)
    mapping = Mapping(address, length, len(pieces))
    rights, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | _MAP_FIXED
    if populate:
        flags |= _MAP_POPULATE
    for piece in pieces:
        if _mmap(address, piece.length, rights, flags, piece.fd, piece.offset) == _FAILED:
            if ctypes.get_errno() == errno.ENOMEM and len(pieces) > 1:
                raise TooScattered(
                    f"{length} bytes are free in {len(pieces)} pieces, more than this process may map",
                    "raise the sysctl vm.max_map_count, or ask for larger buffers",
                )
            raise _failed("mmap(MAP_FIXED)", "raise `ulimit -v`")
        address += piece.length
    return mapping


def _reserve(length: int) -> int:
    """A range of addresses that nobody else gets, with nothing in it; a large one is aligned to HUGE."""
    spare = HUGE if length >= HUGE else 0
    begin = _mmap(None, length + spare, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE, -1, 0)
    if begin == _FAILED:
        raise _failed("mmap", "raise `ulimit -v`")
    address = int(begin) + -begin % HUGE if spare else int(begin)
    if before := address - begin:
        _munmap(begin, before)
    if after := spare - before:
        _munmap(address + length, after)
    return address


class Backed(enum.Enum):
    """What came of asking for huge pages."""

    ALL = "all of the range has memory"
    PART = "there are too few: a part of it has, or none"
    NEVER = "this kernel has none for files in memory"


def back_with_huge_pages(address: int, length: int) -> Backed:
    """Have the memory of a range that has none there at once, zeros in huge pages; `address` and `length` in whole ones.

    Whatever the administrator says of huge pages in files (`shmem_enabled`): the kernel, from 6.1 on, takes this call for a
    decision of its own.
    """
    for first in range(address, address + length, HUGE):
        _memset(first, 0, 1)  # only what has a page is collapsed into a huge one
    if not _madvise(address, length, _COLLAPSE):
        return Backed.ALL
    return Backed.NEVER if ctypes.get_errno() == errno.EINVAL else Backed.PART


def populate(address: int, length: int) -> None:
    """Have the memory of a range there at once, instead of with a fault a page; a kernel before 5.14 does the latter."""
    _madvise(address, length, _POPULATE_WRITE)


def zero(address: int, length: int) -> None:
    """Write zeros."""
    _memset(address, 0, length)


def _failed(call: str, remedy: str) -> KernelLacks:
    number = ctypes.get_errno()
    return _lacks(call, OSError(number, os.strerror(number)), remedy)


def _lacks(call: str, error: Exception, remedy: str) -> KernelLacks:
    return KernelLacks(f"{call} was refused: {error}", remedy)
