"""Read a value back and check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory import delta
from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import Corrupt

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.index import Chain, Located
    from omnixan.edge_network.persistent_memory.medium import Medium

DAMAGED = "put or delete this key; the others are not affected"


def raw_value(medium: Medium, record: Located) -> memoryview:
    """The bytes of one record's value where they stand, not checked."""
    return medium.read(record.position + record.header.value_offset, record.header.length)


def check_value(path: str, record: Located, value: bytes | memoryview) -> None:
    """Raise `Corrupt` if these are not the bytes that were written as the record's value."""
    if crc32c(value) != record.header.value_crc:
        raise Corrupt(path, f"the value of {record.key!r} is damaged", DAMAGED, position=record.position)


def read_value(medium: Medium, path: str, chain: Chain) -> memoryview:
    """A copy of the value that a chain results in: copied first, then checked, so that later writes do not change it.

    Raises `Corrupt`.
    """
    base, *deltas = chain.parts
    whole = bytes(raw_value(medium, base))
    check_value(path, base, whole)
    if not deltas:
        return memoryview(whole)
    result = bytearray(whole)
    for part in deltas:
        changes = bytes(raw_value(medium, part))
        check_value(path, part, changes)
        if not delta.apply(result, memoryview(changes)):
            raise Corrupt(path, f"a delta of {part.key!r} does not fit its value", DAMAGED, position=part.position)
    return memoryview(result).toreadonly()
