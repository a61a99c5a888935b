"""Which bytes of a value changed: ranges put in order, and the value of a delta record that carries them.

count (u64) | count × (offset u64, length u64) | the bytes of the ranges, one after another
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from omnixan.edge_network.persistent_memory.errors import BadArgument

_COUNT = struct.Struct("<Q")
_RANGE = struct.Struct("<QQ")


def merged(path: str, ranges: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """The (offset, length) ranges in order, overlapping and adjacent ones as one, empty ones dropped.

    Raises `BadArgument` for a range outside a value of `size` bytes.
    """
    result: list[tuple[int, int]] = []
    for offset, length in sorted(ranges):
        if offset < 0 or length < 0 or offset + length > size:
            raise BadArgument(path, f"dirty range ({offset}, {length}) is outside the value", f"stay inside 0..{size}")
        if not length:
            continue
        if result and offset <= result[-1][0] + result[-1][1]:
            start = result[-1][0]
            result[-1] = (start, max(result[-1][1], offset + length - start))
        else:
            result.append((offset, length))
    return result


def encoded_length(ranges: Sequence[tuple[int, int]]) -> int:
    """Bytes of `encode(…)` for these ranges."""
    return _COUNT.size + _RANGE.size * len(ranges) + sum(length for _, length in ranges)


def encode(value: memoryview, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
    """The value of a delta record, in pieces: the table, then these ranges (merged) of `value` (as bytes), not copied."""
    table = b"".join((_COUNT.pack(len(ranges)), *(_RANGE.pack(*entry) for entry in ranges)))
    return [table, *(value[offset : offset + length] for offset, length in ranges)]


def apply(value: bytearray, raw: memoryview) -> bool:
    """Replace in `value` what the delta `raw` (whose CRC32C was right) says; False, and nothing changed, if it does
    not fit.
    """
    entries = list(_entries(raw))
    if not entries and len(raw) != _COUNT.size:
        return False
    if any(offset + len(data) > len(value) for offset, data in entries):
        return False
    for offset, data in entries:
        value[offset : offset + len(data)] = data
    return True


def _entries(raw: memoryview) -> Iterator[tuple[int, memoryview]]:
    if len(raw) < _COUNT.size:
        return
    (count,) = _COUNT.unpack_from(raw)
    at = _COUNT.size + _RANGE.size * count
    if at > len(raw):
        return
    for number in range(count):
        offset, length = _RANGE.unpack_from(raw, _COUNT.size + _RANGE.size * number)
        if at + length > len(raw):
            return
        yield offset, raw[at : at + length]
        at += length
