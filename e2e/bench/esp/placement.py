"""Placement by predicted success against the simplest sensible policy, in simulated time on recorded devices that drift.

Devices work first in, first out, and take the time that the emulator takes. A job's success probability is the agent's ESP
of the circuit that runs, on the device as it truly is when it begins; for some jobs of every seed it is measured
beside that with the noisy simulation.

- esp: the operator's `place`, with the last calibration;
- static-best: always the device with the best median two-qubit error at the start, of those that are wide enough;
- best: no policy, but what to hope for: each job on the device that is truly best for it when it comes, whatever its
  queue. (A job that is held back may find its device better later; few are.) `reachedPercent` says how much of the
  distance from static-best to it placement gets.

static-best knows no floors, so that every job of its is run; a violation is a job placed where less was predicted than
its floor. With `esp` there can be none; what it costs is that a job waits while no device reaches its floor.
"""

from __future__ import annotations

import heapq
import multiprocessing
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from e2e.bench import figures
from e2e.bench.esp.world import CALIBRATED, HOUR, Job, World, period_of
from omnixan.edge_network.quantum.emulator.process import Machine
from omnixan_operator.decide.esp import success_probability
from omnixan_operator.decide.placement import HALF_WAIT, WAIT_WEIGHT, Need, Offer, place

SEEDS = (1, 2, 3, 4, 5)
FLEETS = {"nine devices": 9, "five of nine, drawn at random": 5}
JOBS = 2000
MEAN_GAP = 50.0
"""Seconds between arrivals; a job takes a device about 33 s."""
MEASURED_JOBS = 5
MEASURED_WIDTH = 7
MEASURED_SHOTS = 4096
LONGEST_HOLD = 72 * HOUR
HOLD_STEP = CALIBRATED * HOUR

Policy = Callable[[World, Job, float, "Fleet"], str | None]


@dataclass
class Fleet:
    """When each device will be free, and how many runs it has."""

    free_at: dict[str, float]
    ends: dict[str, list[float]] = field(default_factory=dict)

    def wait(self, name: str, now: float) -> float:
        """Seconds until the device is free."""
        return max(0.0, self.free_at[name] - now)

    def backlog(self, name: str, now: float) -> int:
        """Unfinished runs."""
        ends = self.ends.setdefault(name, [])
        while ends and ends[0] <= now:
            heapq.heappop(ends)
        return len(ends)


@dataclass(frozen=True)
class Ran:
    """A job that ran."""

    job: Job
    device: str
    begin: float
    success: float
    violated: bool

    @property
    def wait(self) -> float:
        """From its arrival to its begin."""
        return self.begin - self.job.arrival


def by_success(world: World, job: Job, now: float, fleet: Fleet) -> str | None:
    """The operator's own decision."""
    need = Need(world.loads[job.circuit].width, load=world.loads[job.circuit], min_success=job.floor)
    offers = [
        Offer(
            node=name,
            tier="compute",
            qubits=world.device(name, 0).width,
            ready=True,
            draining=False,
            backlog=fleet.backlog(name, now),
            backend="emulator",
            quality=world.quality(name, period_of(now)),
            wait_seconds=fleet.wait(name, now),
        )
        for name in world.names
    ]
    return place(need, offers).node


def _best_median(world: World, job: Job, hour: int) -> str:
    width = world.loads[job.circuit].width
    fitting = [name for name in world.names if world.device(name, 0).width >= width]
    return min(fitting, key=lambda name: (world.device(name, hour).median_error(), name))


def static_best(world: World, job: Job, now: float, fleet: Fleet) -> str | None:
    """The device with the best median error at the start."""
    return _best_median(world, job, 0)


POLICIES: dict[str, Policy] = {"esp": by_success, "static-best": static_best}


def simulate(world: World, jobs: list[Job], policy: Policy) -> tuple[list[Ran], int]:
    """Run all jobs; return those that ran and how many never found a device."""
    fleet = Fleet(dict.fromkeys(world.names, 0.0))
    todo = [(job.arrival, job.number, job) for job in jobs]
    heapq.heapify(todo)
    ran, never = [], 0
    while todo:
        now, _, job = heapq.heappop(todo)
        name = policy(world, job, now, fleet)
        if name is None:
            again = (int(now / HOLD_STEP) + 1) * HOLD_STEP  # the next calibration may reach the floor
            if again - job.arrival > LONGEST_HOLD:
                never += 1
            else:
                heapq.heappush(todo, (again, job.number, job))
            continue
        fleet.backlog(name, now)
        begin = now + fleet.wait(name, now)
        physical = world.fitted(job.circuit, name, begin)
        fleet.free_at[name] = begin + physical.occupancy(job.shots)
        heapq.heappush(fleet.ends[name], fleet.free_at[name])
        predicted = success_probability(world.loads[job.circuit], world.quality(name, period_of(now)))
        violated = job.floor is not None and predicted < job.floor
        ran.append(Ran(job, name, begin, physical.success_probability(), violated))
    return ran, never


def measured(world: World, ran: dict[str, list[Ran]]) -> dict[str, float]:
    """Mean measured success of the same narrow jobs under each policy, from the noisy simulation."""
    narrow = [one.job.number for one in ran["esp"] if world.loads[one.job.circuit].width <= MEASURED_WIDTH]
    chosen = set(random.Random(world.seed).sample(narrow, min(MEASURED_JOBS, len(narrow))))
    found = {}
    for policy, runs in ran.items():
        shares = []
        for one in runs:
            if one.job.number in chosen:
                physical = world.fitted(one.job.circuit, one.device, one.begin)
                outcomes = Machine(physical.device).run(physical, MEASURED_SHOTS, one.job.number)
                right = world.circuits[one.job.circuit].right
                shares.append(sum(outcomes.get(index, 0) for index in right) / MEASURED_SHOTS)
        found[policy] = fmean(shares)
    return found


def _summary(runs: list[Ran], never: int) -> dict[str, Any]:
    waits = [one.wait for one in runs]
    shares = {name: sum(one.device == name for one in runs) / len(runs) for name in sorted({one.device for one in runs})}
    return {
        "success": round(fmean(one.success for one in runs), 4),
        "violations": sum(one.violated for one in runs),
        "neverPlaced": never,
        "waitSeconds": {"mean": round(fmean(waits), 1)} | figures.spread(waits),
        "shareOfJobs": {name: round(share, 3) for name, share in shares.items()},
    }


def headroom(world: World, jobs: list[Job]) -> float:
    """Mean over all jobs of the best success that any device would have given them on arrival, whatever its queue."""
    best = []
    for job in jobs:
        fitting = [name for name in world.names if world.device(name, 0).width >= world.loads[job.circuit].width]
        best.append(max(world.fitted(job.circuit, name, job.arrival).success_probability() for name in fitting))
    return fmean(best)


def decision_milliseconds() -> dict[str, float]:
    """Time of one decision among 100 nodes, CPU time of this process."""
    world = World(99, 9)
    names = [world.names[number % len(world.names)] for number in range(100)]
    offers = [
        Offer(
            node=f"node-{number:03}",
            tier="compute",
            qubits=20,
            ready=True,
            draining=False,
            backlog=number % 7,
            backend="emulator",
            quality=world.quality(name, 0),
            wait_seconds=float(number % 50),
        )
        for number, name in enumerate(names)
    ]
    seconds = []
    for job in world.jobs(400, 1.0):
        need = Need(world.loads[job.circuit].width, load=world.loads[job.circuit], min_success=job.floor)
        begin = time.process_time()
        place(need, offers)
        seconds.append(time.process_time() - begin)
    return figures.spread([1000 * s for s in seconds])


def _compare(seed: int, fleet: int) -> dict[str, Any]:
    """All policies in one world."""
    world = World(seed, fleet)
    jobs = world.jobs(JOBS, MEAN_GAP)
    outcomes = {name: simulate(world, jobs, policy) for name, policy in POLICIES.items()}
    result: dict[str, Any] = {"seed": seed, "devices": list(world.names)}
    result |= {name: _summary(*outcome) for name, outcome in outcomes.items()}
    result["best"] = round(headroom(world, jobs), 4)
    result["measured"] = {k: round(v, 4) for k, v in measured(world, {n: o[0] for n, o in outcomes.items()}).items()}
    ours, theirs = result["esp"], result["static-best"]
    result["gainPercent"] = round(100 * (ours["success"] / theirs["success"] - 1), 1)
    result["possiblePercent"] = round(100 * (result["best"] / theirs["success"] - 1), 1)
    result["gainMeasuredPercent"] = round(100 * (result["measured"]["esp"] / result["measured"]["static-best"] - 1), 1)
    result["p95WaitRatio"] = round(ours["waitSeconds"]["p95"] / max(1.0, theirs["waitSeconds"]["p95"]), 3)
    figures_ = ("gainPercent", "possiblePercent", "gainMeasuredPercent", "p95WaitRatio")
    print(seed, result["devices"], *(result[name] for name in figures_), flush=True)
    return result


def _reached(results: list[dict[str, Any]]) -> float:
    """Percent of the way from static-best to the bound, over the seeds of a fleet."""
    ours = fmean(result["esp"]["success"] for result in results)
    static = fmean(result["static-best"]["success"] for result in results)
    best: float = fmean(result["best"] for result in results)
    return round(100 * (ours - static) / (best - static), 1)


def run() -> None:
    """Simulate both kinds of fleet, a process a world, and write docs/figures/placement.*."""
    worlds = [(seed, size) for size in FLEETS.values() for seed in SEEDS]
    with multiprocessing.get_context("spawn").Pool(len(SEEDS)) as pool:
        found = pool.starmap(_compare, worlds, chunksize=1)
    fleets = {name: [f for f, (_, s) in zip(found, worlds, strict=True) if s == size] for name, size in FLEETS.items()}
    decision = decision_milliseconds()
    rows = []
    for name, results in fleets.items():
        what = f"{name}: success over static-best, {JOBS} jobs, mean of {len(SEEDS)} seeds"
        rows.append(figures.at_least(what, round(fmean(result["gainPercent"] for result in results), 1), 15, "%"))
        possible = round(fmean(result["possiblePercent"] for result in results), 1)
        rows.append(figures.noted(f"{name}: the same if each job had its truly best device, and no queue", possible, "%"))
        rows.append(figures.noted(f"{name}: of that gain, reached", _reached(results), "%"))
        ratio = max(result["p95WaitRatio"] for result in results)
        rows.append(figures.verdict(f"{name}: p95 wait over static-best's, worst seed", ratio, 2, "×"))
    broken = sum(result["esp"]["violations"] for results in fleets.values() for result in results)
    rows.append(figures.verdict("floor violations, all seeds", broken, 0, ""))
    rows.append(figures.verdict("one decision among 100 nodes, p99", decision["p99"], 5, "ms"))
    score = {"waitWeight": WAIT_WEIGHT, "halfWaitSeconds": HALF_WAIT}
    reached = {name: _reached(results) for name, results in fleets.items()}
    data = {"score": score, "decisionMilliseconds": decision, "reachedPercent": reached, "fleets": fleets}
    figures.write("placement", data, rows)
