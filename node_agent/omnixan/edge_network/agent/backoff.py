"""How long to wait before the next try."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Waiting times that double from `first` to `most` seconds, each drawn between half of that and all of it.

    The spread keeps a thousand agents from coming back to the API server in the same instant.
    """

    def __init__(self, first: float, most: float, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._first = first
        self._most = most
        self._uniform = uniform
        self._bound = first

    def next(self) -> float:
        """Return the seconds to wait now."""
        bound = self._bound
        self._bound = min(2 * bound, self._most)
        return self._uniform(bound / 2, bound)

    def reset(self) -> None:
        """Start again from `first`: the last try went well."""
        self._bound = self._first
