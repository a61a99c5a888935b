"""Progress: each step prints one line when it starts and one with its seconds when it ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Steps:
    """The steps of one run, in the order they ended. Safe to use from several threads."""

    quiet: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    _begin: float = field(default_factory=time.monotonic)
    _print_lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, time it, and say how it ended."""
        start = time.monotonic()
        self.say(f"   … {name}")
        try:
            yield
        except BaseException:
            self.say(f"FAIL {name} after {time.monotonic() - start:.1f} s")
            raise
        took = time.monotonic() - start
        self.seconds[name] = round(took, 1)
        self.say(f"  ok {name} {took:.1f} s")

    def say(self, message: str) -> None:
        """Print one line with the seconds since the run began, to standard error."""
        if self.quiet:
            return
        with self._print_lock:
            print(f"[{time.monotonic() - self._begin:6.1f} s] {message}", file=sys.stderr, flush=True)
