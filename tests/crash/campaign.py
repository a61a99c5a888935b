"""Play a script, cut the power at every moment in every way, look at what is left."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.crash.expect import Expectation, LogHolds, StoreHolds, Violation
from tests.crash.images import DRAWN, Choice, choices, durable_line, left
from tests.crash.recording import Line, Machine, Moment
from tests.crash.workloads import Heard, log_again, log_script, small_and_repeatable, store_again, store_script

SCRIPTS: dict[str, Callable[[Heard], Machine]] = {"store": store_script, "log": log_script}


ALWAYS = 64
SECOND = 16


@dataclass
class Tally:
    """What was tried. `images`: looked at and distinct by hash.

    `merged`: equal to one of these in all lines that recovery reads.
    """

    moments: int = 0
    enumerated: int = 0
    merged: int = 0
    repeated: int = 0
    looks: int = 0
    second_cuts: int = 0
    kills: int = 0
    rewritten: int = 0
    largest: int = 0
    """Open lines at one moment."""
    hashes: set[bytes] = field(default_factory=set)

    @property
    def images(self) -> int:
        return len(self.hashes)


class Seen:
    """Looks of one moment: on which open lines each depended, and what these held."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._states: dict[tuple[Line, ...], set[tuple[bytes | None, ...]]] = {}

    def covers(self, choice: Choice) -> bool:
        """Whether a look at an image that is equal in all lines it depended on has been taken."""
        return any(tuple(choice.get(line) for line in lines) in states for lines, states in self._states.items())

    def add(self, choice: Choice, touched: set[Line]) -> None:
        lines = tuple(line for line in self._moment.open if line in touched)
        self._states.setdefault(lines, set()).add(tuple(choice.get(line) for line in lines))


class Campaign:
    """Hears of moments, makes images of them, looks at each. Raises `Violation` at the first bad one, or notes it."""

    def __init__(
        self,
        *,
        seed: int = 0,
        drawn: int = DRAWN,
        always: int = ALWAYS,
        share: float = 1.0,
        again: float = 0.0,
        collect: bool = False,
    ) -> None:
        """After the first `always` images of a moment a `share` of the others is looked at.

        After an `again` of the looks, ten times as many where just one line is missing, a second power cut follows.
        With `collect` violations are noted instead of raised.
        """
        self.tally = Tally()
        self.violations: list[str] = []
        self._collect = collect
        self._seed, self._drawn = seed, drawn
        self._always, self._share, self._again = always, share, again
        self._draw = random.Random(seed)
        self._looked: set[tuple[bytes, bytes]] = set()

    def play(self, script: str) -> None:
        """One script from its beginning."""
        with small_and_repeatable():
            machine = SCRIPTS[script](self._heard)
        self.tally.rewritten += machine.rewritten
        self.tally.kills += machine.kills

    def _heard(self, moment: Moment, expected: Expectation) -> None:
        self._cut(moment, expected, self._always, self._share, self._again)

    def _heard_again(self, moment: Moment, expected: Expectation) -> None:
        self._cut(moment, expected, min(self._always, SECOND), self._share / 8, 0)

    def _cut(self, moment: Moment, expected: Expectation, always: int, share: float, again: float) -> None:
        tally, seen = self.tally, Seen(moment)
        tally.moments += 1
        tally.largest = max(tally.largest, len(moment.open))
        wanted = hashlib.blake2b(repr(expected).encode(), digest_size=16).digest()
        every = choices(moment, self._seed + tally.moments, drawn=self._drawn)
        for number, made in enumerate(every):
            if number >= always and share < 1 and self._draw.random() >= share:
                continue
            choice = {line: content for line, content in made().items() if content != durable_line(moment, line)}
            tally.enumerated += 1
            if seen.covers(choice):
                tally.merged += 1
                continue
            media = left(moment, choice)
            digest = _digest(media)
            if (digest, wanted) in self._looked:
                tally.repeated += 1
                continue
            self._looked.add((digest, wanted))
            tally.hashes.add(digest)
            seen.add(choice, self._look(media, expected))
            chance = 10 * again if len(choice) == len(moment.open) - 1 else again
            if self._draw.random() < chance:
                self._cut_again(left(moment, choice), expected)

    def _look(self, media: dict[str, bytearray], expected: Expectation) -> set[Line]:
        self.tally.looks += 1
        touched: set[Line] = set()
        try:
            try:
                expected.look(media, touched)
            except Violation:
                raise
            except Exception as error:  # recovery must name what it meets; anything else is a finding too
                raise Violation(f"unexpected {type(error).__name__}: {error}") from error
        except Violation as found:
            if not self._collect:
                raise
            self.violations.append(str(found))
        return touched

    def _cut_again(self, media: dict[str, bytearray], expected: Expectation) -> None:
        self.tally.second_cuts += 1
        if isinstance(expected, StoreHolds):
            store_again(media, expected, self._heard_again)
        elif isinstance(expected, LogHolds):
            log_again(media, expected, self._heard_again)


def _digest(media: dict[str, bytearray]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, content in sorted(media.items()):
        digest.update(name.encode() + b"\0" + len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()
