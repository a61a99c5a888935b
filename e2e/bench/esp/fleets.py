"""Forty more fleets of five devices, because five seeds are few and one fleet can carry their mean.

Simulated with ESPs only, nothing is measured. Of the floors that are missed by the errors that a readout sees it is told
too how many would be missed on the device as its calibration knows it: the others are missed because it drifted.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from e2e.bench import figures
from e2e.bench.esp import account
from e2e.bench.esp.placement import JOBS, MEAN_GAP, POLICIES
from e2e.bench.esp.queueing import simulate
from e2e.bench.esp.world import World, period_of
from omnixan_operator.decide.esp import VISIBLE

SEEDS = range(201, 241)
DEVICES = 5
PROCESSES = 2
AIM = 15


def _fleet(seed: int) -> dict[str, Any]:
    world = World(seed, DEVICES)
    jobs = world.jobs(JOBS, MEAN_GAP)
    ours, static, alone = (simulate(world, jobs, policy)[0] for policy in POLICIES.values())
    base = fmean(one.success for one in static)
    floors, as_calibrated = [], []
    for one in ours:
        if one.job.floor is not None:
            known = world.known(one.job.circuit, one.device, period_of(one.begin)).success_probability()
            floors.append((one.job.floor, one.success**VISIBLE))
            as_calibrated.append((one.job.floor, known**VISIBLE))
    found = {
        "seed": seed,
        "devices": list(world.names),
        "staticBestTakes": sorted({one.device for one in static}),
        "gainPercent": round(100 * (fmean(one.success for one in ours) / base - 1), 2),
        "gainOfSuccessAlonePercent": round(100 * (fmean(one.success for one in alone) / base - 1), 2),
        "floorsMissed": account.missed(floors),
        "floorsMissedAsCalibrated": account.missed(
            [known for known, (floor, found) in zip(as_calibrated, floors, strict=True) if found < floor]
        ),
    }
    print(found["seed"], found["devices"], found["gainPercent"], flush=True)
    return found


def rows(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The gain's mean, median and range, how many fleets are on either side, and whose fault missed floors are."""
    gains = [one["gainPercent"] for one in found]
    gain = account.seeds(gains)
    missed = account.together([one["floorsMissed"] for one in found])
    calibrated = account.together([one["floorsMissedAsCalibrated"] for one in found])
    name = f"{len(found)} fleets of five"
    return [
        figures.at_least(f"{name}: success over static-best, mean", gain["mean"], AIM, "%"),
        *(figures.noted(f"{name}: the same, {key}", gain[key], "%") for key in ("median", "least", "most")),
        figures.noted(f"{name}: those that gain {AIM} % or more", sum(one >= AIM for one in gains), ""),
        figures.noted(f"{name}: those that lose", sum(one < 0 for one in gains), ""),
        figures.noted(f"{name}: floors missed by the errors that a readout sees", missed["percent"], "%"),
        figures.noted(f"{name}: of those, missed as calibrated, without drift", calibrated["percent"], "%"),
    ]


def run() -> None:
    """Simulate all of them and write docs/figures/placement-fleets.*."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        found = pool.map(_fleet, SEEDS, chunksize=1)
    figures.write("placement-fleets", {"fleets": found}, rows(found))
