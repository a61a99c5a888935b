"""Controls: what is written without a flush. If a power cut spared it, it would not have been one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory import Medium, Tier

if TYPE_CHECKING:
    from typing_extensions import Buffer

SLOT = 4096


class Control:
    """A file of slots of one page, each with its record's number in it."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def write(self, number: int) -> None:
        """Write record `number`, without any flush."""
        os.pwrite(self._file, str(number + 1).encode().ljust(SLOT, b"."), number * SLOT)


def survivors(path: str) -> int:
    """How many of the control's records are there."""
    if not Path(path).exists():
        return 0
    data = Path(path).read_bytes()
    slots = [data[begin : begin + SLOT] for begin in range(0, len(data), SLOT)]
    return sum(slot == str(number).encode().ljust(SLOT, b".") for number, slot in enumerate(slots, start=1))


class Forgetful:
    """A medium that takes everything and forgets to flush it: the mistake that a power cut must be able to find."""

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self.size: int = medium.size
        self.tier: Tier = medium.tier
        self.granularity: int = medium.granularity
        self.read, self.close = medium.read, medium.close

    def write(self, offset: int, data: Buffer) -> None:
        """As the medium does it."""
        self._medium.write(offset, data)

    def persist(self, *ranges: tuple[int, int]) -> None:
        """Nothing."""


def keep_in_memory() -> None:
    """Have the kernel write back only what it is asked to: by itself it would, some time after five to thirty seconds."""
    Path("/proc/sys/vm/dirty_writeback_centisecs").write_text("0")
