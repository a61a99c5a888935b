"""A progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

WIDTH = 30


class Bar:
    """Counts up to a total, to standard error."""

    def __init__(self, name: str, total: int, *, quiet: bool = False) -> None:
        self._name = name
        self._total = max(total, 1)
        self._quiet = quiet
        self._begin = time.monotonic()
        self._shown = 0.0
        self.count = 0

    def advance(self, by: int = 1) -> None:
        """So many more."""
        self.set(self.count + by)

    def set(self, count: int) -> None:
        """So many by now."""
        self.count = count
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if self._quiet or (count < self._total and now - self._shown < (0.2 if terminal else 15.0)):
            return
        self._shown = now
        share = min(count / self._total, 1.0)
        rate = count / max(now - self._begin, 1e-9)
        bar = "#" * int(WIDTH * share)
        text = f"{self._name} [{bar:<{WIDTH}}] {count}/{self._total} {rate:.1f}/s"
        end = "\n" if not terminal or count >= self._total else ""
        print(f"\r{text}" if terminal else text, file=sys.stderr, end=end, flush=True)
