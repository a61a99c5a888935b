"""What goes wrong on the way, decided by a seeded random source. Nothing goes wrong while it is `calm`."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.faults.apiserver.requests import Refusal, Request
from tests.faults.apiserver.resources import Object


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

    def __init__(self, seed: int | str, climate: Climate) -> None:
        self._seed = seed
        self._drawn: Counter[str] = Counter()
        self.climate = climate
        self.calm = True
        self.outages: list[tuple[float, float]] = []

    def _source(self, what: str) -> random.Random:
        """A random source for the next draw about something: what is drawn about others has no influence on it."""
        self._drawn[what] += 1
        return random.Random(f"{self._seed} {what} {self._drawn[what]}")

    def _is(self, share: float, what: str) -> bool:
        return not self.calm and share > 0 and self._source(what).random() < share

    def out(self, now: float) -> bool:
        """Whether the API server answers 500 to everything."""
        return any(start <= now < end for start, end in self.outages)

    def latency(self, what: str) -> float:
        """Seconds that bytes take on the way; the order of what is sent at one moment is drawn, too."""
        return self._source(f"latency {what}").uniform(0.0005, 0.0015)

    def fate(self, now: float, request: Request) -> Fate:
        """What happens to a request that is sent now."""
        if self.out(now):
            return Fate(code=500)
        if self.calm:
            return CLEAR
        climate, rng = self.climate, self._source(f"{request.client} {request.method} {request.path} {request.watches}")
        dice = rng.random()
        for share, fate in (
            (climate.breaks, Fate(breaks_before=True)),
            (climate.lost_answers, Fate(breaks_after=True)),
            (climate.vanishing, Fate(vanishes=True)),
            (climate.errors, Fate(code=rng.choice((500, 500, 503, 504)))),
            (climate.throttled, Fate(code=429, retry_after=rng.choice((0, 1, 1, 2, 7)))),
            (climate.slow, Fate(delay=rng.choice((0.05, 0.5, 2.0, 12.0)), delay_after=rng.choice((0.0, 0.5, 5.0, 31.0)))),
        ):
            if dice < share:
                return fate
            dice -= share
        return CLEAR

    def connection_fails(self, client: str) -> bool:
        return self._is(self.climate.refused_connections, f"connect {client}")

    def analyzer_fails(self, client: str) -> bool:
        return self._is(self.climate.analyzer, f"analyzer {client}")

    def analyzer_seconds(self) -> float:
        """How long the analyzer takes for one program."""
        return 0.005 if self.calm else self._source("analysis").choice((0.005, 0.02, 0.3))

    def watch_lag(self, watch: str) -> float:
        """Seconds by which the next delivery of a watch is late."""
        late = self._is(self.climate.late_share, f"late {watch}")
        return self._source(f"lag {watch}").uniform(0.0, self.climate.lag) if late else 0.0

    def watch_mood(self, watch: str) -> str:
        """What happens to one delivery."""
        if self.calm:
            return ""
        climate, dice = self.climate, self._source(f"mood {watch}").random()
        for mood, share in (
            ("duplicate", climate.duplicates),
            ("reorder", climate.reordered),
            ("drop", climate.dropped),
            ("cut", climate.cut_watches),
        ):
            if dice < share:
                return mood
            dice -= share
        return ""

    def shuffle(self, watch: str, events: list[Any]) -> None:
        """Put events into another order."""
        self._source(f"order {watch}").shuffle(events)

    def until_noticed(self, watch: str) -> float:
        """Seconds from a dropped event to the break of its watch."""
        return self._source(f"noticed {watch}").uniform(0.1, 20.0)
