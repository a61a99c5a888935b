"""Byte sizes as people write them."""

from __future__ import annotations

import re
from typing import Final

_BINARY: Final = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_KUBERNETES: Final = {
    **{"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40},
    **{"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12},
}
_UNITS: Final = _BINARY | _KUBERNETES
_SIZE: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))? ?([A-Za-z]{0,2})")


def parse_size(size: int | str) -> int:
    """Bytes of a number, of `4GB` (KB, MB, GB, TB are powers of 1024, as memory is sold) or of a Kubernetes quantity.

    `64Mi` is 64·1024², `500M` is 500·1000², as Kubernetes means them. A fraction must come to whole bytes; else ValueError.
    """
    if isinstance(size, int):
        if isinstance(size, bool) or size < 0:
            raise ValueError(f"size={size!r}: a number of bytes is not negative")
        return size
    found = _SIZE.fullmatch(size)
    if not found or found[3] not in _UNITS:
        raise ValueError(f"size={size!r}: write a number and one of {' '.join(_UNITS).strip()}, such as 4GB")
    fraction: str = found[2] or ""
    divisor: int = 10 ** len(fraction)
    numerator = int(found[1] + fraction) * _UNITS[found[3]]
    if numerator % divisor:
        raise ValueError(f"size={size!r}: this is no whole number of bytes")
    return numerator // divisor
