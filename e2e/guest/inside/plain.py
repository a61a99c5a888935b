"""A minimal writer."""

from __future__ import annotations

import ctypes
import mmap
import os

SIZE = 16 << 20
SLOT = 8192


class Subject:
    """Slots of a MAP_SYNC mapping: body, persist, length, persist."""

    def __init__(self, path: str) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.posix_fallocate(file, 0, SIZE)
        self._map = mmap.mmap(file, SIZE, flags=0x80003)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._persist = ctypes.CDLL("libpmem.so.1").pmem_persist
        self._persist.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def put(self, number: int, body: bytes) -> None:
        """Durable when it returns."""
        at = number * SLOT
        self._map[at + 64 : at + 64 + len(body)] = body
        self._persist(self._address + at + 64, len(body))
        self._map[at : at + 8] = (len(body) + 1).to_bytes(8, "little")
        self._persist(self._address + at, 8)

    def get(self, number: int) -> bytes | None:
        """What is there."""
        at = number * SLOT
        length = int.from_bytes(self._map[at : at + 8], "little")
        return self._map[at + 64 : at + 63 + length] if length else None
