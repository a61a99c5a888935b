"""Parsed programs, remembered by the SHA-256 of their text, so that a program is parsed once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Programs(Generic[T]):
    """A cache of at most `capacity` parsed programs; the one unused for longest goes first."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; it must be at least 1")
        self._capacity = capacity
        self._parsed: OrderedDict[str, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._parsed)

    def get(self, digest: str) -> T | None:
        """Return the parsed program with this digest, or None."""
        parsed = self._parsed.get(digest)
        if parsed is not None:
            self._parsed.move_to_end(digest)
        return parsed

    def put(self, digest: str, parsed: T) -> None:
        """Remember a parsed program."""
        self._parsed[digest] = parsed
        self._parsed.move_to_end(digest)
        while len(self._parsed) > self._capacity:
            self._parsed.popitem(last=False)


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()
