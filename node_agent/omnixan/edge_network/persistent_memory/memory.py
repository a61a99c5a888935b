"""`PersistentMemory`: a store on a path, its tier, and quantum states in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from omnixan.edge_network.persistent_memory import ndctl
from omnixan.edge_network.persistent_memory.errors import BadArgument
from omnixan.edge_network.persistent_memory.mode import Mode
from omnixan.edge_network.persistent_memory.opening import open_medium
from omnixan.edge_network.persistent_memory.proof import prove
from omnixan.edge_network.persistent_memory.sizes import parse_size
from omnixan.edge_network.persistent_memory.store import Store

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Buffer

    from omnixan.edge_network.persistent_memory.medium import Ack, Tier
    from omnixan.edge_network.persistent_memory.store import Entry, Record, Report

FILE: Final = "omnixan.store"
"""Name of the store in a folder."""

_DTYPE, _SHAPE = "dtype", "shape"
_NUMBERS = "biufc"
_NO_META: Mapping[str, str] = MappingProxyType({})


class PersistentMemory:
    """Values and quantum states that survive a power cut at `tier`; one opener, several threads. Close it, or use `with`.

    `pmem_path` is a folder (the store is the file `omnixan.store` in it), a file, a disk or a device-dax. `size` ("8GB",
    "64Mi", bytes) is what a new store takes, all at once; None opens what is there. `mode` is dax, auto or file. Raises
    `MediumError` and its kinds, which name the path and what to do, and ValueError for a size or mode that cannot be.
    """

    def __init__(
        self,
        pmem_path: str | Path = "/mnt/pmem0",
        size: int | str | None = None,
        mode: Mode | str = Mode.AUTO,
        *,
        readonly: bool = False,
    ) -> None:
        path = Path(pmem_path)
        self.path = path / FILE if path.is_dir() else path
        wanted = None if size is None else parse_size(size)
        self.proof = prove(self.path)
        medium = open_medium(self.path, wanted, mode, readonly=readonly, proof=self.proof)
        self.size, self.tier = medium.size, medium.tier
        self.store = Store.open(medium, readonly=readonly)

    tier: Tier
    """How everything acknowledged here is durable."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def put(self, key: str, value: Buffer, *, meta: Mapping[str, str] = _NO_META) -> Ack:
        """As `Store.put`: durable when it returns."""
        return self.store.put(key, value, meta=meta)

    def snapshot(
        self, key: str, base: Buffer, dirty: Sequence[tuple[int, int]], *, meta: Mapping[str, str] = _NO_META
    ) -> Ack:
        """As `Store.snapshot`: the value in `base`, of which only the `dirty` (offset, length) ranges are written."""
        return self.store.snapshot(key, base, dirty, meta=meta)

    def get(self, key: str) -> Record | None:
        """As `Store.get`: the value, checked, or None."""
        return self.store.get(key)

    def delete(self, key: str) -> Ack:
        """As `Store.delete`."""
        return self.store.delete(key)

    def list(self, prefix: str = "") -> list[Entry]:
        """As `Store.list`."""
        return self.store.list(prefix)

    def verify(self) -> Report:
        """As `Store.verify`: every value is read and checked."""
        return self.store.verify()

    def compact(self) -> Report:
        """As `Store.compact`."""
        return self.store.compact()

    def close(self) -> None:
        """Close the store; a second call does nothing."""
        self.store.close()

    def namespaces(self) -> ndctl.Discovery:
        """The machine's persistent-memory namespaces, by ndctl."""
        return ndctl.discover()

    def save_state(
        self,
        key: str,
        state: np.ndarray[Any, Any],
        *,
        dirty: Sequence[tuple[int, int]] | None = None,
        meta: Mapping[str, str] = _NO_META,
    ) -> Ack:
        """Checkpoint an array (any shape of numbers, C-contiguous) under `key`: durable when it returns.

        With `dirty`, (first element, count) of the flat array, only these are written: the caller's word that nothing else
        differs from what was saved under `key` last. `dtype` and `shape` in `meta` are this method's own.
        Raises `BadArgument` for another array or range, and what `Store.put` raises.
        """
        path = str(self.path)
        if not state.flags.c_contiguous or state.dtype.kind not in _NUMBERS:
            raise BadArgument(
                path,
                f"{key!r}: an array of {state.dtype} with strides {state.strides}",
                "give a C-contiguous array of numbers",
            )
        own = {_DTYPE: state.dtype.str, _SHAPE: ",".join(map(str, state.shape))}
        flat = state.reshape(-1).view("u1").data
        if dirty is None:
            return self.store.put(key, flat, meta={**meta, **own})
        before = next((entry for entry in self.store.list(key) if entry.key == key), None)
        if before is not None and any(before.meta.get(name) != value for name, value in own.items()):
            return self.store.put(key, flat, meta={**meta, **own})  # another kind of state: nothing of the old one stays
        item = state.dtype.itemsize
        ranges = [(first * item, count * item) for first, count in dirty]
        return self.store.snapshot(key, flat, ranges, meta={**meta, **own})

    def load_state(self, key: str) -> np.ndarray[Any, Any] | None:
        """The array that was saved last (read-only), or None; raises `BadArgument` if `key` holds something else."""
        import numpy as np  # the store itself needs the standard library only

        record = self.store.get(key)
        if record is None:
            return None
        try:
            dtype = np.dtype(record.meta[_DTYPE])
            shape = tuple(int(part) for part in record.meta[_SHAPE].split(",") if part)
            if dtype.kind not in _NUMBERS:
                raise ValueError(f"dtype {dtype}")
            return np.frombuffer(record.value, dtype=dtype).reshape(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise BadArgument(str(self.path), f"{key!r} holds no state ({error})", "read it with get") from error
