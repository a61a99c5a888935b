"""CRC32C (Castagnoli, RFC 3720 B.4): by google-crc32c where it is installed and compiled, else by tables in Python."""

from __future__ import annotations

import array
import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

from omnixan.edge_network.persistent_memory.buffers import SIMPLE, PyBuffer, get_buffer, release_buffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

_POLYNOMIAL: Final = 0x82F63B78
"""0x1EDC6F41 with its bits reversed: the register shifts right."""

LARGE: Final = 64 << 10
"""From this many bytes on the library is called where they stand, without a copy and without Python's lock."""

PIECE: Final = 1 << 20
"""Bytes that one of two threads takes at a time; a power of two."""


@cache
def _tables() -> tuple[array.array[int], array.array[int]]:
    """What 8 and what 16 zero bits make of a register's low end: one step a byte, one step two bytes."""
    byte = array.array("I", bytes(4 * 256))
    for value in range(256):
        register = value
        for _ in range(8):
            register = (register >> 1) ^ (_POLYNOMIAL if register & 1 else 0)
        byte[value] = register
    pair = array.array("I", bytes(4 * 65536))
    for value in range(65536):
        register = (value >> 8) ^ byte[value & 255]
        pair[value] = (register >> 8) ^ byte[register & 255]
    return byte, pair


def in_python(data: Buffer, crc: int = 0) -> int:
    """The checksum of what `crc` stands for followed by `data`, with the standard library alone (about 20 MB/s)."""
    view = memoryview(data).cast("B")
    byte, pair = _tables()
    register = crc ^ 0xFFFFFFFF
    paired = len(view) & ~1 if sys.byteorder == "little" else 0
    for two in view[:paired].cast("H"):
        register = (register >> 16) ^ pair[(register ^ two) & 0xFFFF]
    for one in view[paired:]:
        register = (register >> 8) ^ byte[(register ^ one) & 255]
    return register ^ 0xFFFFFFFF


def _compiled() -> Callable[[Buffer, int], int] | None:
    try:
        import google_crc32c
    except ImportError:
        return None
    if google_crc32c.implementation != "c":
        return None
    extend: Callable[[int, bytes], int] = google_crc32c.extend
    unlocked = _unlocked()

    def of(data: Buffer, crc: int = 0) -> int:
        if isinstance(data, bytes):
            if unlocked is None or len(data) < LARGE:
                return extend(crc, data)
        elif unlocked is None or memoryview(data).nbytes < LARGE:
            return extend(crc, bytes(data))
        found = PyBuffer()
        get_buffer(data, found, SIMPLE)
        try:
            return unlocked(crc, found.buf, found.len)
        finally:
            release_buffer(found)

    return of


def _unlocked() -> Callable[[int, int, int], int] | None:
    """The library's own function on an address, found through the module that is linked to it, or None."""
    try:
        from google_crc32c import _crc32c

        function = ctypes.CDLL(_crc32c.__file__).crc32c_extend
    except (ImportError, OSError, AttributeError):
        return None
    function.restype = ctypes.c_uint32
    function.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t]
    found: Callable[[int, int, int], int] = function
    check = ctypes.create_string_buffer(b"123456789")
    return found if found(0, ctypes.addressof(check), 9) == 0xE3069283 else None


_library = _compiled()
crc32c: Callable[..., int] = _library or in_python
"""(data, crc=0): the checksum of `data` (any contiguous buffer, as bytes), or of what `crc` stands for followed by it."""


def crc32c_beside(data: Buffer, work: Callable[[], object]) -> int:
    """The checksum of `data`, computed on another processor while `work` is done on this one, then on both.

    Whatever `work` raises is raised. Without a compiled library, a second processor or much data it is one after the other.
    """
    view = memoryview(data).cast("B")
    whole = len(view) // PIECE
    if _library is None or whole < 2 or _processors() < 2:
        work()
        return crc32c(view)
    checksums = [0] * whole
    numbers = itertools.count()

    def some() -> None:
        while (number := next(numbers)) < whole:
            checksums[number] = crc32c(view[number * PIECE : (number + 1) * PIECE])

    helper = threading.Thread(target=some, name="crc32c")
    helper.start()
    try:
        work()
        some()
    finally:
        helper.join()
    crc = 0
    for checksum in checksums:
        crc = _followed_by_a_piece(crc) ^ checksum
    return crc32c(view[whole * PIECE :], crc)


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _followed_by_a_piece(crc: int) -> int:
    """What `PIECE` zero bytes make of a checksum. It is linear: the checksum of what follows is added to it."""
    first, second, third, fourth = _piece_tables()
    return first[crc & 255] ^ second[crc >> 8 & 255] ^ third[crc >> 16 & 255] ^ fourth[crc >> 24]


@cache
def _piece_tables() -> tuple[list[int], ...]:
    """Every byte of a checksum times x to the power of a piece's bits, modulo the polynomial."""
    power = 1 << 30  # x, the highest bit being the power 0
    for _ in range((8 * PIECE).bit_length() - 1):
        power = _times(power, power)
    tables = []
    for place in range(0, 32, 8):
        bits = [_times(power, 1 << place + bit) for bit in range(8)]
        table = [0]
        for bit in bits:
            table += [entry ^ bit for entry in table]
        tables.append(table)
    return tuple(tables)


def _times(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo CRC32C's; the highest bit is the power 0."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = (other >> 1) ^ (_POLYNOMIAL if other & 1 else 0)
    return product
