"""What was made of programs, remembered by what they are and what it was made for, within a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class CircuitCache(Generic[T]):
    """Compiled circuits by (program digest, target digest), at most `bound` (bytes, or what the caller's costs count).

    The one unused for longest goes first. One that alone costs more than the bound is not kept. For several threads.
    """

    def __init__(self, bound: int) -> None:
        self.hits = self.misses = 0
        self.nbytes = 0
        """Sum of the costs of what is kept."""
        self._bound = bound
        self._kept: OrderedDict[tuple[str, str], tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._kept

    def get(self, program: str, target: str) -> T | None:
        """What was made of a program for a target, or None."""
        with self._lock:
            found = self._kept.get((program, target))
            if found is None:
                self.misses += 1
                return None
            self._kept.move_to_end((program, target))
            self.hits += 1
            return found[0]

    def put(self, program: str, target: str, compiled: T, cost: int) -> None:
        """Remember what was made, which costs so much."""
        with self._lock:
            before = self._kept.pop((program, target), None)
            if before is not None:
                self.nbytes -= before[1]
            if cost > self._bound:
                return
            self._kept[program, target] = compiled, cost
            self.nbytes += cost
            while self.nbytes > self._bound:
                self.nbytes -= self._kept.popitem(last=False)[1][1]
