"""CRC32C (Castagnoli, RFC 3720 B.4): by google-crc32c where it is installed and compiled, else by tables in Python."""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_POLYNOMIAL = 0x82F63B78
"""0x1EDC6F41 with its bits reversed: the register shifts right."""

_PIECE = 128 << 10
"""Bytes copied at a time for a library that takes `bytes` only: they stay in the cache."""


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

    def of(data: Buffer, crc: int = 0) -> int:
        if isinstance(data, bytes):
            return extend(crc, data)
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PIECE):
            crc = extend(crc, bytes(view[start : start + _PIECE]))
        return crc

    return of


_of = _compiled() or in_python


def crc32c(data: Buffer, crc: int = 0) -> int:
    """The checksum of `data` (any contiguous buffer, taken as bytes), or of what `crc` stands for followed by `data`."""
    return _of(data, crc)
