"""What came of a policy: waits, floors, and where its success differs from another policy's. Pure.

A floor is a demand on what a shot shows, and so is the closed form's prediction, ESP^VISIBLE. The agent's ESP counts the
errors too that no readout sees. So the truth is held against a floor in both ways: as the agent tells it, and seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from statistics import fmean, median
from typing import Any

from e2e.bench import figures
from e2e.bench.esp.queueing import Ran, Unplaced
from omnixan_operator.decide.esp import VISIBLE


@dataclass(frozen=True)
class Parts:
    """What a job's ESP with placement differs by from that with static-best, in parts that add up to all of it.

    - choice: what the best device for the circuit, by the agent's ESP and the calibration that is known, is better by;
    - closed_form: what is lost because the closed form predicts the best for another device;
    - queue: because a shorter queue was preferred to the best prediction (a gain if the prediction was wrong);
    - drift: because the devices changed since that calibration;
    - moment: because the job ran at another time than with static-best.
    """

    choice: float
    closed_form: float
    queue: float
    drift: float
    moment: float


def percents(parts: Iterable[Parts], base: float) -> dict[str, float]:
    """The mean of each part, in percent of the mean success `base` that the other policy has."""
    means = Parts(*(fmean(column) for column in zip(*map(astuple, parts), strict=True)))
    shares = [round(100 * part / base, 2) for part in astuple(means)]
    return dict(zip(("choice", "closedForm", "queue", "drift", "moment"), shares, strict=True))


def seeds(values: Sequence[float]) -> dict[str, float]:
    """Mean, median and range of what the seeds gave."""
    found = {"mean": fmean(values), "median": median(values), "least": min(values), "most": max(values)}
    return {name: round(value, 2) for name, value in found.items()}


def waits(runs: Sequence[Ran]) -> dict[str, Any]:
    """Seconds of wait of all jobs, of those that were held until a device reached their floor, and of the others."""
    groups = {
        "heldForFloor": [one.wait for one in runs if one.held],
        "others": [one.wait for one in runs if not one.held],
    }
    return _waits([one.wait for one in runs]) | {name: _waits(found) for name, found in groups.items()}


def _waits(seconds: Sequence[float]) -> dict[str, float]:
    return {"mean": round(fmean(seconds), 1)} | figures.spread(seconds) if seconds else {"count": 0}


def floors(runs: Sequence[Ran], measured: Sequence[tuple[Ran, float]]) -> dict[str, Any]:
    """Jobs with a floor that ran: how many where less was predicted, and where less was true, and by how much.

    `measured` has some of them with what was measured; what their ESP says of the same ones stands beside it.
    """
    return {
        "placedAgainstPrediction": _floors((one, one.predicted) for one in runs),
        "missedByTruth": _floors((one, one.success) for one in runs),
        "missedByTruthSeen": _floors((one, one.success**VISIBLE) for one in runs),
        "missedByTruthSeenOfMeasured": _floors((one, one.success**VISIBLE) for one, _ in measured),
        "missedByMeasured": _floors(measured),
    }


def _floors(found: Iterable[tuple[Ran, float]]) -> dict[str, float]:
    return missed([(one.job.floor, success) for one, success in found if one.job.floor is not None])


def missed(floors: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Of pairs of a floor and what there was: how many fall short, in percent too, and by how much (mean, most)."""
    by = [floor - found for floor, found in floors if found < floor]
    counted = {"of": len(floors), "jobs": len(by), "percent": round(100 * len(by) / max(1, len(floors)), 1)}
    return counted | {"meanShort": round(fmean(by or [0.0]), 4), "mostShort": round(max(by, default=0.0), 4)}


def together(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What `missed` gave for several seeds, as one."""
    of, jobs = sum(one["of"] for one in found), sum(one["jobs"] for one in found)
    short = sum(one["jobs"] * one["meanShort"] for one in found)
    counted = {"of": of, "jobs": jobs, "percent": round(100 * jobs / max(1, of), 1)}
    return counted | {"meanShort": round(short / max(1, jobs), 3), "mostShort": max(one["mostShort"] for one in found)}


def mean_wait(found: Sequence[Mapping[str, float]]) -> float:
    """Mean wait of the jobs of several seeds, from each one's mean and count."""
    count = sum(one["count"] for one in found)
    return sum(one["count"] * one.get("mean", 0.0) for one in found) / max(1, count)


def both(ours: Iterable[Ran], theirs: Iterable[Ran]) -> list[tuple[Ran, Ran]]:
    """The jobs that ran with either policy, in their order."""
    mine, others = ({one.job.number: one for one in runs} for runs in (ours, theirs))
    return [(mine[number], others[number]) for number in sorted(mine.keys() & others.keys())]


def unplaced(jobs: Iterable[Unplaced], truly: Iterable[float]) -> list[dict[str, float]]:
    """Jobs that never ran: the floor, what was predicted at most while they were held, and what a shot truly had shown."""
    return [
        {
            "job": one.job.number,
            "floor": round(one.job.floor or 0.0, 4),
            "mostPredicted": round(one.reach, 4),
            "mostTruly": round(most, 4),
        }
        for one, most in zip(jobs, truly, strict=True)
    ]


def reached(ours: Sequence[float], static: Sequence[float], best: Sequence[float]) -> float:
    """Percent of the way from static-best to the bound, over the seeds of a fleet."""
    return round(100 * (fmean(ours) - fmean(static)) / (fmean(best) - fmean(static)), 1)
