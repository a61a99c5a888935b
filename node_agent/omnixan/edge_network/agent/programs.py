"""Parsed programs, remembered by the SHA-256 of their text, so that a program is parsed once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Programs(Generic[T]):
    """A cache of parsed programs with a bound on the sum of their costs; the one unused for longest goes first.

    A program that alone costs more than the bound is not kept.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._sum = 0
        self._parsed: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._parsed)

    def get(self, digest: str) -> T | None:
        """Return the parsed program with this digest, or None."""
        found = self._parsed.get(digest)
        if found is None:
            return None
        self._parsed.move_to_end(digest)
        return found[0]

    def put(self, digest: str, parsed: T, cost: int) -> None:
        """Remember a parsed program that costs so much."""
        if digest in self._parsed:
            self._sum -= self._parsed.pop(digest)[1]
        if cost > self._bound:
            return
        self._parsed[digest] = parsed, cost
        self._sum += cost
        while self._sum > self._bound:
            self._sum -= self._parsed.popitem(last=False)[1][1]


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()
