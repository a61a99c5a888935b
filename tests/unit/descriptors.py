"""What a process has open, to see that nothing of a test stays open."""

from __future__ import annotations

import contextlib
import os

Open = tuple[int, int, str]


def open_descriptors() -> set[Open]:
    """Number, inode and name of all that this process has open.

    Judge by what is new (`open_descriptors() <= before`), not by how many there are: memory of earlier tests, which
    tracebacks keep in cycles, is closed whenever the collector runs.
    """
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (whose own descriptor is closed again by the time of the look)
        with contextlib.suppress(FileNotFoundError):
            path = f"/proc/self/fd/{name}"
            found.add((int(name), os.stat(path).st_ino, os.readlink(path)))  # noqa: PTH115, PTH116
    return found
