"""Policies of placement, and the queues in simulated time that they are tried on.

Devices work first in, first out, and take the time that the emulator takes. A job that no device may have is held until
the next calibration, 72 hours at most.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from e2e.bench.esp.world import CALIBRATED, HOUR, Job, World, period_of
from omnixan_operator.decide.placement import Need, Offer, place

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
    """A job that ran: where, when it was placed and when it began (seconds), what was predicted of it, and the agent's
    ESP on the device as it truly was.
    """

    job: Job
    device: str
    placed: float
    begin: float
    predicted: float
    success: float

    @property
    def wait(self) -> float:
        """From its arrival to its begin."""
        return self.begin - self.job.arrival

    @property
    def held(self) -> bool:
        """Whether it had to wait until a device was predicted to reach its floor."""
        return self.placed > self.job.arrival


@dataclass(frozen=True)
class Unplaced:
    """A job that never found a device, and the most that any device was predicted to reach while it was held."""

    job: Job
    reach: float


def by_success(world: World, job: Job, now: float, fleet: Fleet) -> str | None:
    """The operator's own decision."""
    return _placed(world, job, now, fleet, queues=True)


def success_alone(world: World, job: Job, now: float, fleet: Fleet) -> str | None:
    """The operator's decision if waits cost nothing: what of the result is the queues' doing."""
    return _placed(world, job, now, fleet, queues=False)


def _placed(world: World, job: Job, now: float, fleet: Fleet, *, queues: bool) -> str | None:
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
            wait_seconds=fleet.wait(name, now) if queues else 0.0,
        )
        for name in world.names
    ]
    return place(need, offers).node


def static_best(world: World, job: Job, now: float, fleet: Fleet) -> str | None:
    """The device with the best median error at the start, of those that are wide enough."""
    return min(world.fitting(job.circuit), key=lambda name: (world.device(name, 0).median_error(), name))


def simulate(world: World, jobs: list[Job], policy: Policy) -> tuple[list[Ran], list[Unplaced]]:
    """Run all jobs; return those that ran and those that never found a device."""
    fleet = Fleet(dict.fromkeys(world.names, 0.0))
    todo = [(job.arrival, job.number, job) for job in jobs]
    heapq.heapify(todo)
    ran, never = [], []
    reach: dict[int, float] = {}
    while todo:
        now, _, job = heapq.heappop(todo)
        period = period_of(now)
        name = policy(world, job, now, fleet)
        if name is None:
            most = max(world.predicted(job.circuit, other, period) for other in world.fitting(job.circuit))
            reach[job.number] = max(most, reach.get(job.number, 0.0))
            again = (int(now / HOLD_STEP) + 1) * HOLD_STEP  # the next calibration may reach the floor
            if again - job.arrival > LONGEST_HOLD:
                never.append(Unplaced(job, reach[job.number]))
            else:
                heapq.heappush(todo, (again, job.number, job))
            continue
        fleet.backlog(name, now)
        begin = now + fleet.wait(name, now)
        physical = world.fitted(job.circuit, name, begin)
        fleet.free_at[name] = begin + physical.occupancy(job.shots)
        heapq.heappush(fleet.ends[name], fleet.free_at[name])
        predicted = world.predicted(job.circuit, name, period)
        ran.append(Ran(job, name, now, begin, predicted, physical.success_probability()))
    return ran, never
