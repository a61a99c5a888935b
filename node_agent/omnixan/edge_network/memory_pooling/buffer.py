"""A lease on memory of a pool."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from omnixan.edge_network.memory_pooling.errors import BadRequest, UseAfterRelease
from omnixan.edge_network.memory_pooling.slab import Slab

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from omnixan.edge_network.memory_pooling.pool import MemoryPooling


class Buffer:
    """`nbytes` bytes of a pool, from `acquire` to `release`; with `with`, to the end of the block.

    Views are made without a copy and are valid as long as anybody has them: memory that is released while views of it live
    is given to nobody until the last of them is gone. A buffer that is forgotten is released when memory is needed.

    The pool makes them, and sets what they have: that is a quarter of a microsecond less than `__init__`.
    """

    __slots__ = ("_generation", "_pool", "_slab", "nbytes")

    _pool: MemoryPooling
    _slab: Slab
    _generation: int
    nbytes: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._generation == self._slab.generation:
            self._pool.release(self)

    def __repr__(self) -> str:
        state = "" if self._generation == self._slab.generation else ", released"
        return f"<Buffer of {self.nbytes} bytes, tenant {self.tenant!r}, generation {self._generation}{state}>"

    def __len__(self) -> int:
        return self.nbytes

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self._slab.key[0]

    @property
    def released(self) -> bool:
        """Whether it was released."""
        return self._generation != self._slab.generation

    @property
    def address(self) -> int:
        """Where it begins in this process: page-aligned. Raises `UseAfterRelease`."""
        self._check()
        return self._slab.address

    def array(self, dtype: npt.DTypeLike = "u1", shape: int | tuple[int, ...] | None = None) -> npt.NDArray[Any]:
        """A writable numpy array over the bytes: as many items as fit, or those of `shape`.

        Raises `UseAfterRelease`, and `BadRequest` if `shape` does not fit or the items hold Python objects.
        """
        import numpy as np  # the buffer itself needs the standard library only

        kind = np.dtype(dtype)
        if kind.hasobject or not kind.itemsize:
            raise BadRequest(f"dtype={kind}: its items are no plain bytes", "use numbers")
        count = self.nbytes // kind.itemsize if shape is None else _product(shape)
        if count * kind.itemsize > self.nbytes:
            raise BadRequest(
                f"shape={shape} of {kind} takes {count * kind.itemsize} bytes, the buffer has {self.nbytes}",
                "acquire as many",
            )
        with self._pool._lock:  # so that nobody releases it between the check and the view
            self._check()
            flat: np.ndarray[Any, Any] = np.frombuffer(self._slab.exporter(), dtype=kind, count=count)
        return flat if shape is None else flat.reshape(shape)

    @property
    def view(self) -> memoryview:
        """A writable memoryview of the bytes. Raises `UseAfterRelease`."""
        return self.array().data

    def arrow(self) -> Any:
        """A `pyarrow.Buffer` over the bytes. Raises `UseAfterRelease`, and ImportError without pyarrow."""
        import pyarrow as pa

        with self._pool._lock:
            self._check()
            return pa.foreign_buffer(self._slab.address, self.nbytes, base=self._slab.exporter())

    def release(self) -> None:
        """As `MemoryPooling.release`."""
        self._pool.release(self)

    def _check(self) -> None:
        if self._generation != self._slab.generation:
            raise UseAfterRelease(
                f"this buffer of {self.nbytes} bytes (generation {self._generation}) was released",
                "acquire another one, or release later",
            )


def _product(shape: int | tuple[int, ...]) -> int:
    count = 1
    for side in (shape,) if isinstance(shape, int) else shape:
        if side < 0:
            raise BadRequest(f"shape={shape}: a side is negative", "name every side")
        count *= side
    return count
