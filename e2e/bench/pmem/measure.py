"""Ways of doing the same thing take turns; what each took, and how often one is as fast as another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from e2e.bench.figures import percentile

REPEATS = 7
BURSTS = 8

Way = Callable[[], object]


@dataclass(frozen=True)
class Taken:
    """Microseconds of every single time: way -> repeat -> times."""

    times: Mapping[str, Sequence[Sequence[float]]]

    def ratio(self, way: str, others: Sequence[str], *, mean: bool = False) -> list[float]:
        """In each repeat: how often `way` is as fast as the fastest of `others`, by medians (or means)."""
        of = fmean if mean else median
        pairs = zip(*([of(repeat) for repeat in self.times[name]] for name in (way, *others)), strict=True)
        return [min(rest) / own for own, *rest in pairs]

    def fastest(self, ways: Sequence[str]) -> str:
        """The way with the least median of all its times."""
        return min(ways, key=lambda name: median(self._all(name)))

    def wire(self) -> dict[str, Any]:
        """For JSON: microseconds of each way over all repeats, and the medians of the repeats."""
        return {
            name: {
                "p50": round(median(self._all(name)), 2),
                "p99": round(percentile(self._all(name), 0.99), 2),
                "mean": round(fmean(self._all(name)), 2),
                "times": len(self._all(name)),
                "mediansOfRepeats": [round(median(repeat), 2) for repeat in repeats],
            }
            for name, repeats in self.times.items()
        }

    def _all(self, name: str) -> list[float]:
        return [time for repeat in self.times[name] for time in repeat]


def take_turns(ways: Mapping[str, Way], times: int | Mapping[str, int], *, repeats: int = REPEATS) -> Taken:
    """Every repeat does each way `times` times, `BURSTS` of them in turns, and begins with another way.

    A disk that is busy for a while, with others' work or what was written before, is so for all. The first time of a way
    in a repeat is not counted.
    """
    names = list(ways)
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names:
            found[name].append([])
            ways[name]()
        for burst in range(BURSTS):
            for name in names[first:] + names[:first]:
                wanted = times if isinstance(times, int) else times[name]
                _burst(ways[name], found[name][-1], wanted * (burst + 1) // BURSTS)
    return Taken(found)


def _burst(way: Way, taken: list[float], until: int) -> None:
    while len(taken) < until:
        begin = time.perf_counter_ns()
        way()
        taken.append((time.perf_counter_ns() - begin) / 1000)


def compared(taken: Taken, way: str, others: Sequence[str]) -> dict[str, Any]:
    """For JSON: the ratios of every repeat, and the same by means, in which rare slow times count."""
    by_median, by_mean = taken.ratio(way, others), taken.ratio(way, others, mean=True)
    return {
        "against": list(others),
        "fastest": taken.fastest(others),
        "ratio": round(median(by_median), 2),
        "ratioOfRepeats": [round(ratio, 2) for ratio in by_median],
        "ratioByMeans": round(median(by_mean), 2),
    }


@contextmanager
def under_load(data: dict[str, Any]) -> Iterator[None]:
    """Note how busy the machine was before and after."""
    data["loadAverageBefore"] = os.getloadavg()
    begin = time.monotonic()
    yield
    data |= {"loadAverageAfter": os.getloadavg(), "seconds": round(time.monotonic() - begin, 1)}
