"""Binding of Debian's libpmem2, or libpmem where that is missing, at run time and without a compiler.

Only what a store needs: which granularity a mapping has, a copy whose flushes are under way when it returns, and the fence
that completes them. Both work on a mapping that this process made itself (with MAP_SYNC), which lives as long as its views.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from omnixan.edge_network.persistent_memory.buffers import SIMPLE, PyBuffer, get_buffer, release_buffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

FORCING: Final = ("PMEM2_FORCE_GRANULARITY", "PMEM_IS_PMEM_FORCE")
"""Variables that make the libraries call any memory persistent: they then report success with the data in the page cache."""

LARGE: Final = 64 * 1024
"""From this many bytes on a copy lets other threads of Python run."""

_NODRAIN: Final = 1  # PMEM2_F_MEM_NODRAIN, PMEM_F_MEM_NODRAIN: flush, but leave the fence to the caller


class Granularity(IntEnum):
    """What libpmem2 says becomes durable by itself: a store (the caches are safe), a flushed line, or a synced page."""

    BYTE = 0
    CACHE_LINE = 1
    PAGE = 2


class LibraryMissing(Exception):
    """Neither library can be used; the text says why."""


class ForcedGranularity(LibraryMissing):
    """A variable of `FORCING` is set and nobody allowed it: no word of the library can be believed."""


class LibraryFailed(Exception):
    """The library refused; the text is its own."""


class Flusher(Protocol):
    """Puts bytes into one mapping and makes them durable."""

    name: str

    def copy(self, offset: int, data: Buffer) -> None:
        """Copy contiguous `data` to `offset` of the mapping and start flushing it; durable after `drain`."""
        ...

    def drain(self) -> None:
        """The fence: what was copied before is durable."""
        ...

    def close(self) -> None:
        """Forget the mapping (which stays)."""
        ...


class Library(Protocol):
    """One of the two libraries, loaded."""

    name: str

    def granularity(self, fd: int) -> Granularity:
        """Map all of `fd`, say which granularity that has, unmap; raises `LibraryFailed`."""
        ...

    def attach(self, fd: int, address: int, size: int, granularity: Granularity) -> Flusher:
        """For the mapping of `fd` at `address`, which must stay until `Flusher.close`; raises `LibraryFailed`."""
        ...


def load(
    environ: Mapping[str, str] = os.environ,
    *,
    allow_forced: bool = False,
    names: tuple[str, str] = ("libpmem2.so.1", "libpmem.so.1"),
) -> Library:
    """The first of `names` that is there; raises `LibraryMissing`, and `ForcedGranularity` unless that is allowed."""
    forced = forcing(environ)
    if forced and not allow_forced:
        raise ForcedGranularity(f"{forced} is set: libpmem would call any memory persistent; unset it")
    why = []
    kinds: tuple[Callable[[str], Library], ...] = (_Libpmem2, _Libpmem1)
    for name, kind in zip(names, kinds, strict=True):
        try:
            return kind(name)
        except (OSError, AttributeError) as error:  # not there, or without the functions that are needed
            why.append(str(error))
    raise LibraryMissing("; ".join(why))


def forcing(environ: Mapping[str, str] = os.environ) -> str | None:
    """The variable that makes libpmem lie, with its value, if one is set."""
    for variable in FORCING:
        if variable in environ:
            return f"{variable}={environ[variable][:32]}"
    return None


_COPY = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint)


class _Calls:
    """The two functions on one mapping. A short call keeps Python's lock: giving it away costs more than the call."""

    def __init__(self, name: str, address: int, copy: int, drain: int) -> None:
        self.name = name
        self._address = address
        self._short = ctypes.PYFUNCTYPE(*_COPY)(copy)
        self._long = ctypes.CFUNCTYPE(*_COPY)(copy)
        self.drain = ctypes.PYFUNCTYPE(None)(drain)

    def copy(self, offset: int, data: Buffer) -> None:
        target = self._address + offset
        if isinstance(data, bytes):
            length = len(data)
            (self._short if length < LARGE else self._long)(target, data, length, _NODRAIN)
            return
        found = PyBuffer()
        get_buffer(data, found, SIMPLE)
        try:
            (self._short if found.len < LARGE else self._long)(target, found.buf, found.len, _NODRAIN)
        finally:
            release_buffer(found)

    def close(self) -> None:
        """Nothing is registered with the library."""


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


def _address_of(library: ctypes.CDLL, name: str) -> int:
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    if address is None:
        raise AttributeError(f"{name} has no address")
    return address


class _Libpmem1:
    """libpmem: its functions take any address."""

    def __init__(self, name: str) -> None:
        library = ctypes.CDLL(name)
        self.name = "libpmem"
        self._copy = _address_of(library, "pmem_memcpy")
        self._drain = _address_of(library, "pmem_drain")
        self._safe_caches = _function(library, "pmem_has_auto_flush", ctypes.c_int)
        self._is_pmem = _function(library, "pmem_is_pmem", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
        self._error = _function(library, "pmem_errormsg", ctypes.c_char_p)
        self._map = _function(
            library,
            "pmem_map_file",
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.POINTER(ctypes.c_size_t),
            ctypes.POINTER(ctypes.c_int),
        )
        self._unmap = _function(library, "pmem_unmap", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)

    def granularity(self, fd: int) -> Granularity:
        length, persistent = ctypes.c_size_t(), ctypes.c_int()
        address = self._map(f"/proc/self/fd/{fd}".encode(), 0, 0, 0, length, persistent)
        if address is None:
            raise LibraryFailed(f"libpmem: {_text(self._error())}")
        self._unmap(address, length)
        if not persistent.value:
            return Granularity.PAGE
        return Granularity.BYTE if self._safe_caches() == 1 else Granularity.CACHE_LINE

    def attach(self, fd: int, address: int, size: int, granularity: Granularity) -> Flusher:
        return _Calls(self.name, address, self._copy, self._drain)


class _Libpmem2:
    """libpmem2: its functions belong to a map object, which is made for the mapping that is there."""

    def __init__(self, name: str) -> None:
        library = ctypes.CDLL(name)
        pointer, handle, number, size = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_size_t
        self.name = "libpmem2"
        self._source_new = _function(library, "pmem2_source_from_fd", number, handle, number)
        self._source_delete = _function(library, "pmem2_source_delete", number, handle)
        self._config_new = _function(library, "pmem2_config_new", number, handle)
        self._config_delete = _function(library, "pmem2_config_delete", number, handle)
        self._require = _function(library, "pmem2_config_set_required_store_granularity", number, pointer, number)
        self._map_new = _function(library, "pmem2_map_new", number, handle, pointer, pointer)
        self._map_existing = _function(library, "pmem2_map_from_existing", number, handle, pointer, pointer, size, number)
        self._map_delete = _function(library, "pmem2_map_delete", number, handle)
        self._map_granularity = _function(library, "pmem2_map_get_store_granularity", number, pointer)
        self._copy = _function(library, "pmem2_get_memcpy_fn", pointer, pointer)
        self._drain = _function(library, "pmem2_get_drain_fn", pointer, pointer)
        self._error = _function(library, "pmem2_errormsg", ctypes.c_char_p)

    def granularity(self, fd: int) -> Granularity:
        source, config, mapping = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        try:
            self._check(self._source_new(source, fd))
            self._check(self._config_new(config))
            self._check(self._require(config, Granularity.PAGE))  # any will do
            self._check(self._map_new(mapping, config, source))
            return Granularity(self._map_granularity(mapping))
        finally:
            self._map_delete(mapping) if mapping else None
            self._config_delete(config) if config else None
            self._source_delete(source) if source else None

    def attach(self, fd: int, address: int, size: int, granularity: Granularity) -> Flusher:
        source, mapping = ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self._source_new(source, fd))
        try:
            self._check(self._map_existing(mapping, source, address, size, granularity))
        finally:
            self._source_delete(source)
        return _Registered(self, mapping, address)

    def calls(self, mapping: ctypes.c_void_p) -> tuple[int, int]:
        """Addresses of the copy and the fence that suit the granularity of `mapping`."""
        return self._copy(mapping), self._drain(mapping)

    def forget(self, mapping: ctypes.c_void_p) -> None:
        """Delete the map object; the mapping stays."""
        self._check(self._map_delete(mapping))

    def _check(self, result: int) -> None:
        if result:
            raise LibraryFailed(f"libpmem2: {_text(self._error())} ({result})")


class _Registered(_Calls):
    """As `_Calls`, with the map object that must be deleted before its address is used for another one."""

    def __init__(self, library: _Libpmem2, mapping: ctypes.c_void_p, address: int) -> None:
        super().__init__(library.name, address, *library.calls(mapping))
        self._library, self._mapping = library, mapping

    def close(self) -> None:
        """Delete the map object once."""
        if self._mapping:
            self._library.forget(self._mapping)


def _text(message: bytes | None) -> str:
    return (message or b"no message").decode("utf-8", "replace")[:200]
