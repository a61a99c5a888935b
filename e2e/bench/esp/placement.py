"""Placement by predicted success against the simplest sensible policy, in simulated time on recorded devices that drift.

A job's success probability is the agent's ESP of the circuit that runs, on the device as it truly is when it begins; for
some jobs of every seed it is measured beside that with the noisy simulation.

- esp: the operator's `place`, with the last calibration;
- static-best: always the device with the best median two-qubit error at the start, of those that are wide enough;
- success-alone: `place` if waits cost nothing; no candidate, it shows what queues take and give;
- best: no policy, but what to hope for: each job on the device that is truly best for it when it comes, whatever its
  queue. (A job that is held back may find its device better later; few are.) `reachedPercent` says how much of the
  distance from static-best to it placement gets.

static-best knows no floors, so that every job of its is run. With `esp` no job is placed against its prediction, since
that is what it filters by; what the floor costs is that a job is held, or never placed. Whether a floor was kept is told by
the truth: the agent's ESP, and for narrow circuits what is measured.
"""

from __future__ import annotations

import multiprocessing
import time
from statistics import fmean
from typing import Any

from e2e.bench import figures
from e2e.bench.esp import account, telling
from e2e.bench.esp.account import Parts
from e2e.bench.esp.measuring import Measuring
from e2e.bench.esp.queueing import (
    HOLD_STEP,
    LONGEST_HOLD,
    Policy,
    Ran,
    Unplaced,
    by_success,
    simulate,
    static_best,
    success_alone,
)
from e2e.bench.esp.world import Job, World, period_of
from omnixan_operator.decide.esp import VISIBLE
from omnixan_operator.decide.placement import HALF_WAIT, WAIT_WEIGHT, Need, Offer, place

SEEDS = (1, 2, 3, 4, 5)
FLEETS = {"nine devices": 9, "five of nine, drawn at random": 5}
JOBS = 2000
MEAN_GAP = 50.0
"""Seconds between arrivals; a job takes a device about 33 s."""

POLICIES: dict[str, Policy] = {"esp": by_success, "static-best": static_best, "success-alone": success_alone}


def parts(world: World, ours: Ran, theirs: Ran) -> Parts:
    """Where the difference between a job's ESP with placement and with static-best comes from."""
    circuit, period = ours.job.circuit, period_of(ours.placed)
    fitting = world.fitting(circuit)
    known = {name: world.known(circuit, name, period).success_probability() for name in fitting}
    foreseen = max(fitting, key=lambda name: world.predicted(circuit, name, period))
    static = theirs.device

    def truly(name: str) -> float:
        return world.fitted(circuit, name, ours.begin).success_probability()

    return Parts(
        choice=max(known.values()) - known[static],
        closed_form=known[foreseen] - max(known.values()),
        queue=ours.success - truly(foreseen),
        drift=(truly(foreseen) - truly(static)) - (known[foreseen] - known[static]),
        moment=truly(static) - theirs.success,
    )


def truly_reached(world: World, job: Job) -> float:
    """The most that a shot of a job that is held would truly have shown on any device, at any moment it was looked at."""
    moments = [job.arrival]
    while (again := (int(moments[-1] / HOLD_STEP) + 1) * HOLD_STEP) - job.arrival <= LONGEST_HOLD:
        moments.append(again)
    fitting = world.fitting(job.circuit)
    esp = max(world.fitted(job.circuit, name, now).success_probability() for now in moments for name in fitting)
    return float(esp**VISIBLE)


def _summary(world: World, measuring: Measuring, runs: list[Ran], never: list[Unplaced]) -> dict[str, Any]:
    shares = {name: sum(one.device == name for one in runs) / len(runs) for name in sorted({one.device for one in runs})}
    return {
        "success": round(fmean(one.success for one in runs), 4),
        "neverPlaced": account.unplaced(never, [truly_reached(world, one.job) for one in never]),
        "floors": account.floors(runs, measuring.of_floors(runs)),
        "waitSeconds": account.waits(runs),
        "shareOfJobs": {name: round(share, 3) for name, share in shares.items()},
    }


def headroom(world: World, jobs: list[Job]) -> float:
    """Mean over all jobs of the best success that any device would have given them on arrival, whatever its queue."""
    return fmean(
        max(world.fitted(job.circuit, name, job.arrival).success_probability() for name in world.fitting(job.circuit))
        for job in jobs
    )


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
    measuring = Measuring(world, jobs)
    result: dict[str, Any] = {"seed": seed, "devices": list(world.names)}
    result |= {name: _summary(world, measuring, *outcome) for name, outcome in outcomes.items()}
    result["best"] = round(headroom(world, jobs), 4)
    sampled = measuring.sampled({name: ran for name, (ran, _) in outcomes.items()})
    result["measured"] = {name: round(share, 4) for name, share in sampled.items()}
    ours, theirs, alone = (result[name] for name in POLICIES)
    result["gainPercent"] = _over(ours["success"], theirs["success"])
    result["possiblePercent"] = _over(result["best"], theirs["success"])
    result["gainMeasuredPercent"] = _over(result["measured"]["esp"], result["measured"]["static-best"])
    result["gainOfSuccessAlonePercent"] = _over(alone["success"], theirs["success"])
    result["p95WaitRatio"] = _p95_ratio(ours, theirs)
    result["p95WaitRatioOfSuccessAlone"] = _p95_ratio(alone, theirs)
    pairs = account.both(outcomes["esp"][0], outcomes["static-best"][0])
    base = fmean(other.success for _, other in pairs)
    result["gainOfJobsThatBothRanPercent"] = _over(fmean(mine.success for mine, _ in pairs), base)
    result["gainInPartsPercent"] = account.percents([parts(world, *pair) for pair in pairs], base)
    print(seed, result["devices"], result["gainPercent"], result["gainInPartsPercent"], flush=True)
    return result


def _over(ours: float, theirs: float) -> float:
    return round(100 * (ours / theirs - 1), 1)


def _p95_ratio(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    ratio: float = ours["waitSeconds"]["p95"] / max(1.0, theirs["waitSeconds"]["p95"])
    return round(ratio, 3)


def run() -> None:
    """Simulate both kinds of fleet, a process a world, and write docs/figures/placement*."""
    worlds = [(seed, size) for size in FLEETS.values() for seed in SEEDS]
    with multiprocessing.get_context("spawn").Pool(len(SEEDS)) as pool:
        found = pool.starmap(_compare, worlds, chunksize=1)
    fleets = {name: [f for f, (_, s) in zip(found, worlds, strict=True) if s == size] for name, size in FLEETS.items()}
    decision = decision_milliseconds()
    rows = [row for name, results in fleets.items() for row in telling.rows(name, results, JOBS)]
    rows.append(figures.verdict("one decision among 100 nodes, p99", decision["p99"], 5, "ms"))
    score = {"waitWeight": WAIT_WEIGHT, "halfWaitSeconds": HALF_WAIT}
    over = {name: telling.over_seeds(results) for name, results in fleets.items()}
    data = {"score": score, "decisionMilliseconds": decision, "overSeeds": over, "fleets": fleets}
    figures.write("placement", data, rows)
    for name, table in {"policies": telling.by_policy(fleets), "seeds": telling.by_seed(fleets)}.items():
        (figures.OUT / f"placement-{name}.md").write_text(table)
        print(table)
