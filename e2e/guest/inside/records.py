"""The records a guest writes: the bytes of each follow from the seed and its number, so the next boot knows them too."""

from __future__ import annotations

import random

LONGEST = 4096


def content(seed: int, number: int) -> bytes:
    """Record `number`: 1 to LONGEST bytes, most of them short."""
    source = random.Random(f"{seed}/{number}")
    return source.randbytes(int(LONGEST ** source.random()))
