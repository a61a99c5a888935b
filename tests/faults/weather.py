"""What goes wrong on the way, decided by a seeded random source. Nothing goes wrong while it is `calm`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tests.faults.apiserver.resources import Object
from tests.faults.apiserver.server import Refusal, Request


@dataclass(frozen=True)
class Fate:
    """What happens to one request."""

    delay: float = 0.0
    """Seconds until it arrives."""
    delay_after: float = 0.0
    """Seconds that the answer takes longer."""
    breaks_before: bool = False
    """The connection breaks before it arrives."""
    breaks_after: bool = False
    """It is carried out, and the connection breaks before the answer."""
    vanishes: bool = False
    """Nothing arrives and nobody says so: the client runs into its timeout."""
    code: int = 0
    """The server refuses with this status without looking at it."""
    retry_after: int = 0

    def refusal(self) -> Object:
        """The body of that refusal."""
        reason = {429: "TooManyRequests", 409: "Conflict"}.get(self.code, "InternalError")
        return Refusal(self.code, reason, f"the weather says {self.code}").body


CLEAR = Fate()


@dataclass
class Climate:
    """How likely what is. Shares of requests, of event deliveries, seconds."""

    breaks: float = 0.0
    lost_answers: float = 0.0
    vanishing: float = 0.0
    slow: float = 0.0
    errors: float = 0.0
    throttled: float = 0.0
    lag: float = 0.0
    """Seconds by which watch events are late, at most."""
    late_share: float = 0.0
    duplicates: float = 0.0
    reordered: float = 0.0
    dropped: float = 0.0
    cut_watches: float = 0.0
    refused_connections: float = 0.0
    analyzer: float = 0.0

    @classmethod
    def draw(cls, rng: random.Random) -> Climate:
        """A climate of its own for each seed: some are mild, some have a storm of one sort."""
        strength = rng.choice((0.0, 0.3, 1.0, 1.0, 2.0))

        def share(most: float) -> float:
            return strength * rng.choice((0.0, 0.3, 1.0)) * most

        return cls(
            breaks=share(0.06),
            lost_answers=share(0.08),
            vanishing=share(0.01),
            slow=share(0.08),
            errors=share(0.06),
            throttled=share(0.05),
            lag=rng.choice((0.0, 0.5, 5.0, 20.0)),
            late_share=share(0.3),
            duplicates=share(0.05),
            reordered=share(0.05),
            dropped=share(0.02),
            cut_watches=share(0.03),
            refused_connections=share(0.1),
            analyzer=share(0.1),
        )


class Weather:
    """The climate at work, with outages: spans of time in which every request is answered 500."""

    def __init__(self, rng: random.Random, climate: Climate) -> None:
        self._rng = rng
        self.climate = climate
        self.calm = True
        self.outages: list[tuple[float, float]] = []

    def _is(self, share: float) -> bool:
        return not self.calm and share > 0 and self._rng.random() < share

    def out(self, now: float) -> bool:
        """Whether the API server answers 500 to everything."""
        return any(start <= now < end for start, end in self.outages)

    def fate(self, now: float, request: Request) -> Fate:
        """What happens to a request that is sent now."""
        if self.out(now):
            return Fate(code=500)
        if self.calm:
            return CLEAR
        climate, rng = self.climate, self._rng
        if self._is(climate.breaks):
            return Fate(breaks_before=True)
        if self._is(climate.lost_answers):
            return Fate(breaks_after=True)
        if self._is(climate.vanishing):
            return Fate(vanishes=True)
        if self._is(climate.errors):
            return Fate(code=rng.choice((500, 500, 503, 504)))
        if self._is(climate.throttled):
            return Fate(code=429, retry_after=rng.choice((0, 1, 1, 2, 7)))
        if self._is(climate.slow):
            return Fate(delay=rng.choice((0.05, 0.5, 2.0, 12.0)), delay_after=rng.choice((0.0, 0.5, 5.0, 31.0)))
        return CLEAR

    def connection_fails(self, now: float) -> bool:
        return self._is(self.climate.refused_connections)

    def analyzer_fails(self, now: float) -> bool:
        return self._is(self.climate.analyzer)

    def analyzer_seconds(self) -> float:
        """How long the analyzer takes for one program."""
        return 0.005 if self.calm else self._rng.choice((0.005, 0.02, 0.3))

    def watch_lag(self, now: float) -> float:
        """Seconds by which the next delivery of a watch is late."""
        return self._rng.uniform(0.0, self.climate.lag) if self._is(self.climate.late_share) else 0.0

    def watch_mood(self, now: float) -> str:
        """What happens to one delivery."""
        for mood, share in (
            ("duplicate", self.climate.duplicates),
            ("reorder", self.climate.reordered),
            ("drop", self.climate.dropped),
            ("cut", self.climate.cut_watches),
        ):
            if self._is(share):
                return mood
        return ""

    def shuffle(self, events: list[Any]) -> None:
        """Put events into another order."""
        self._rng.shuffle(events)

    def until_noticed(self) -> float:
        """Seconds from a dropped event to the break of its watch."""
        return self._rng.uniform(0.1, 20.0)
