"""Memory for other processes to read: one tenant's bytes in a file of their own, sealed."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from omnixan.edge_network.memory_pooling.errors import BadRequest, UseAfterRelease
from omnixan.edge_network.memory_pooling.kernel import PAGE, Memfd, map_whole

if TYPE_CHECKING:
    import numpy.typing as npt

_numbers = itertools.count(1)


class Segment:
    """`nbytes` bytes for one tenant, counted in the pool until `close`. Fill `array()`, then `seal()`, then pass `fd` on.

    The seals are forever and hold for everybody, by every way to the file: nobody can write, truncate or extend it, nor map
    it for writing. Only views that its maker took before go on writing.
    """

    def __init__(self, nbytes: int, tenant: str, give_back: Callable[[int], None]) -> None:
        self.number = next(_numbers)
        """No other segment of this process has it."""
        self.nbytes, self.tenant = nbytes, tenant
        self.sealed = False
        self.pages = -(-nbytes // PAGE)
        self._give_back = give_back
        self._file: Memfd | None = Memfd(f"omnixan-segment-{self.number}", self.pages * PAGE)
        self._mapping = map_whole(self._file)

    def array(self, dtype: npt.DTypeLike = "u1") -> npt.NDArray[Any]:
        """The bytes as a numpy array, as many items as fit: writable before `seal`, then not.

        Raises `UseAfterRelease` after `close`.
        """
        import numpy as np

        self._open()
        views: Any = (ctypes.c_ubyte * self._mapping.length).from_address(self._mapping.address)
        views.mapping = self._mapping  # it stays as long as anybody looks
        kind = np.dtype(dtype)
        found: npt.NDArray[Any] = np.frombuffer(views, kind, self.nbytes // kind.itemsize)
        found.flags.writeable = not self.sealed
        return found

    def seal(self) -> None:
        """Make the file what other processes may have; a second call does nothing. Raises `KernelLacks`."""
        if not self.sealed:
            self._open().seal()
            self.sealed = True

    @property
    def fd(self) -> int:
        """The descriptor to pass on. Raises `BadRequest` before `seal`."""
        file = self._open()
        if not self.sealed:
            raise BadRequest(f"segment {self.number} is not sealed: its reader could write it", "seal it first")
        return file.fd

    def resident(self) -> int:
        """Bytes of physical memory behind it."""
        return 0 if self._file is None else self._file.resident()

    def close(self) -> None:
        """Give the pages back to the pool; a second call does nothing. Readers keep what they mapped."""
        if self._file is not None:
            self._file = None
            self._give_back(self.number)

    def _open(self) -> Memfd:
        if self._file is None:
            raise UseAfterRelease(f"segment {self.number} was closed", "make another one")
        return self._file
