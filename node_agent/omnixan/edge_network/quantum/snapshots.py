"""Snapshots of a circuit between two steps, taken while the next steps are computed.

A step leaves a state that only the next one reads. So a finished state is handed to another thread as it is, without a copy,
and until that thread is done with it the steps leave theirs in a second buffer: the circuit never waits for a medium.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

ComplexArray = npt.NDArray[np.complex128]

Save = Callable[[int, ComplexArray], Any]
"""(steps done, state): make it durable, in another thread. The axes are in the order in which the last step left them."""


class Snapshots:
    """What `statevector.evolve` tells of its states. Used with `with`, which ends when the last one is saved.

    A state is saved when at least `interval` seconds have passed since the last one was handed over and that one is saved:
    a slow medium makes snapshots rarer and the circuit no slower. The first one may be saved after `first` seconds. `save`
    raising ends the circuit at its next step.
    """

    def __init__(self, save: Save, qubits: int, *, interval: float = 0.0, first: float = 0.0) -> None:
        self._save, self._interval = save, interval
        # All its pages are there before the first gate: a page that must be found is time of the circuit.
        self._other = np.ones(2**qubits, dtype=np.complex128)
        self._busy: ComplexArray | None = None
        self._due = time.monotonic() + first
        self._error: BaseException | None = None
        # No lock: on a busy machine its holder may be without a processor for long, and the circuit would wait for it.
        self._handed: queue.SimpleQueue[tuple[int, ComplexArray] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="snapshots", daemon=True)

    saved = 0
    """How many states were saved."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._handed.put(None)
        self._thread.join()
        if error is None:
            self._check()

    def target(self, state: ComplexArray) -> ComplexArray:
        """Where the step after `state` may leave its own: in `state` itself, or in the other buffer while this is saved."""
        if state is not self._busy:
            return state
        self._other, free = state, self._other
        return free

    def finished(self, steps: int, state: ComplexArray) -> None:
        """`state` is what the first `steps` steps come to: hand it over if it is time for one."""
        if self._busy is not None:
            return
        self._check()
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._interval
        self._busy = state
        self._handed.put((steps, state))

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        # Being woken must not take the processor from the circuit: an ordinary thread would, for 3 ms on a busy machine.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        while (handed := self._handed.get()) is not None:
            try:
                self._save(*handed)
                self.saved += 1
            except BaseException as error:  # raised where the circuit runs
                self._error = error
                return
            finally:
                self._busy = None
