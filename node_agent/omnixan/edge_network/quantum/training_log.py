"""The log of a training on its way between the process that computes and the one that keeps it.

`Kept` is what the keeper hands over before a job begins, `Ledger` what the computing side does with it: replay what
fits, hand out what is new, not before it is due and not later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

PIECE = 1 << 20
"""Bytes of a kept log that go into one frame."""

if TYPE_CHECKING:
    from omnixan.edge_network.quantum.qaoa.loop import Evaluation

GROUP_SECONDS = 0.005
"""Evaluations of so short a time are handed out together, unless the pace says otherwise."""


@dataclass(frozen=True)
class Pace:
    """How far the computing side may be ahead of what is kept.

    With `every` it waits, after so many evaluations, until they are kept; evaluations are handed out after `seconds` at
    the latest (at the end of the one that is being computed then).
    """

    every: int | None = None
    seconds: float = GROUP_SECONDS


@dataclass(frozen=True)
class Kept:
    """A log as it was kept: records of `qaoa.records` (the last perhaps in part) and the fingerprint they came with."""

    fingerprint: str = ""
    records: bytes = b""


@dataclass(frozen=True)
class Resumed:
    """What became of a kept log."""

    fingerprint: str
    """Of this run, for what it will hand out."""
    evaluations: int
    """How many were taken from the log; 0: the run began anew."""
    length: int
    """Bytes of the kept records that go on counting."""
    shots: int
    """Shots that those evaluations had taken."""
    problem: str
    """Why a log was dropped; empty if none was."""


class Ledger:
    """The computing side of one run's log; `deliver(records, shots, wait)` takes what is due.

    `shots` are all that the evaluations so far took; with `wait` it returns when they are kept.
    """

    def __init__(
        self,
        kept: Kept,
        pace: Pace,
        on_resumed: Callable[[Resumed], None],
        deliver: Callable[[bytes, int, bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept = kept
        self._pace = pace
        self._on_resumed = on_resumed
        self._deliver = deliver
        self._clock = clock
        self._due: list[Evaluation] = []
        self._since = clock()
        self._print = ""
        self._problem = ""
        self._told = False
        self._shots_each = 0
        self._replayed = 0
        self._done = 0
        self._length = 0

    def begin(self, spec: Mapping[str, Any], shots_each: int, exact: bool) -> list[Evaluation]:
        """Return the evaluations that were kept of this very computation; none if the log is another one's."""
        from omnixan.edge_network.quantum.qaoa import records

        self._shots_each = shots_each
        self._print = records.fingerprint(spec, exact)
        if not self._kept.fingerprint:
            return []
        if self._kept.fingerprint != self._print:
            self._problem = "it was made with another program, seed, recipe or version"
            return []
        found = records.unpack(self._kept.records, int(spec["algorithm"]["qaoa"].get("layers", 3)))
        self._replayed = self._done = len(found)
        self._length = len(records.pack(found))
        return found

    def dropped(self, problem: str) -> list[Evaluation]:
        """The log did not fit after all: begin anew."""
        self._problem = problem
        self._replayed = self._done = self._length = 0
        return []

    def computed(self, evaluation: Evaluation) -> None:
        """An evaluation that is new."""
        self.resumed()
        self._due.append(evaluation)
        self._done += 1
        pace = self._pace
        if (pace.every is not None and len(self._due) >= pace.every) or self._clock() - self._since >= pace.seconds:
            self._hand_out(pace.every is not None)

    def finish(self) -> None:
        """The loop is over: hand out the rest."""
        self.resumed()
        if self._due:
            self._hand_out(False)

    def resumed(self) -> None:
        """Say once what became of the log."""
        if not self._told:
            self._told = True
            shots = self._replayed * self._shots_each
            self._on_resumed(Resumed(self._print, self._replayed, self._length, shots, self._problem))

    def _hand_out(self, wait: bool) -> None:
        from omnixan.edge_network.quantum.qaoa import records

        due, self._due = self._due, []
        self._deliver(records.pack(due), self._done * self._shots_each, wait)
        self._since = self._clock()
