"""What the machine itself says of a folder, by ways that have nothing to do with our own code for tiers."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
from pathlib import Path
from typing import Any

from e2e.guest.inside.system import mount_options

MAP_SHARED_VALIDATE, MAP_SYNC = 0x03, 0x80000
PMEM_FILE_CREATE = 1
SIZE = 1 << 20


def evidence(folder: str) -> dict[str, Any]:
    """How `folder` is mounted, whether the kernel takes MAP_SYNC there, whether libpmem calls it persistent memory."""
    return {"mount": mount_options(folder), "mapSync": _map_sync(f"{folder}/sync"), "isPmem": _is_pmem(f"{folder}/pmem")}


def _map_sync(path: str) -> str:
    """`accepted`, with the kernel's own flag for such a mapping seen in smaps; else the name of the refusal."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(file, SIZE)
        try:
            with mmap.mmap(file, SIZE, flags=MAP_SHARED_VALIDATE | MAP_SYNC) as mapping:
                mapping[:1] = b"x"
                smaps = Path("/proc/self/smaps").read_text()
        except OSError as error:
            return os.strerror(error.errno or 0)
        after = smaps[smaps.index(path) :]
        flags = re.search(r"^VmFlags:(.*)$", after, re.MULTILINE)
        return "accepted" if flags and "sf" in flags[1].split() else "accepted, and smaps does not say so"
    finally:
        os.close(file)
        Path(path).unlink()


def _is_pmem(path: str) -> int:
    library = ctypes.CDLL("libpmem.so.1")
    map_file = library.pmem_map_file
    map_file.restype = ctypes.c_void_p
    map_file.argtypes = [
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint),
        *(ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_int)),
    ]
    library.pmem_unmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    length, persistent = ctypes.c_size_t(), ctypes.c_int(-1)
    address = map_file(path.encode(), SIZE, PMEM_FILE_CREATE, 0o600, ctypes.byref(length), ctypes.byref(persistent))
    if address is None:
        raise RuntimeError(f"pmem_map_file cannot map {path}")
    library.pmem_unmap(address, length)
    Path(path).unlink()
    return persistent.value
