"""The clock of one run: this machine's time of day when it begins, and from then on what the steady clock counts."""

from __future__ import annotations

import time
from collections.abc import Callable


class RunClock:
    """Tells moments of a run in seconds since the epoch, so that their differences are the seconds that went by.

    Others may set the time of day while a run lasts: by it, a run could have taken less than its limit when it was stopped
    for that, or have ended before it began.
    """

    def __init__(self, time_of_day: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        """The run begins now."""
        self._steady = steady
        self.start = time_of_day()
        """Seconds since the epoch."""
        self._started = steady()

    def now(self) -> float:
        """Return the present moment."""
        return self.at(self._steady())

    def at(self, steady: float) -> float:
        """Return the moment at which the steady clock said `steady`; all processes of a machine share that clock."""
        return self.start + (steady - self._started)
