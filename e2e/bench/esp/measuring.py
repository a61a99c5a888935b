"""Success that is measured: the share of right outcomes in the noisy simulation of a job, on the device as it truly was."""

from __future__ import annotations

import random
from statistics import fmean

from e2e.bench.esp.queueing import Ran
from e2e.bench.esp.world import Job, World, period_of, truth_of
from omnixan.edge_network.quantum.emulator.process import Machine

SAMPLED_JOBS = 5
SAMPLED_FLOORS = 100
"""Jobs with a floor of each seed, the same with every policy."""
WIDEST = 7
"""Qubits of the widest circuit that is measured."""
SAMPLED_SHOTS = 4096
FLOOR_SHOTS = 16384


class Measuring:
    """Measures narrow jobs of a world."""

    def __init__(self, world: World, jobs: list[Job]) -> None:
        self._world = world
        narrow = [job.number for job in jobs if job.floor is not None and self._narrow(job)]
        self._with_floor = set(random.Random(world.seed).sample(narrow, min(SAMPLED_FLOORS, len(narrow))))
        self._machines: dict[tuple[str, int], Machine] = {}
        self._shares: dict[tuple[int, str, int, int], float] = {}

    def _narrow(self, job: Job) -> bool:
        return self._world.loads[job.circuit].width <= WIDEST

    def sampled(self, ran: dict[str, list[Ran]]) -> dict[str, float]:
        """Mean measured success of the same few jobs under each policy."""
        narrow = [one.job.number for one in ran["esp"] if self._narrow(one.job)]
        chosen = set(random.Random(self._world.seed).sample(narrow, min(SAMPLED_JOBS, len(narrow))))
        return {
            policy: fmean(self._share(one, SAMPLED_SHOTS, one.job.number) for one in runs if one.job.number in chosen)
            for policy, runs in ran.items()
        }

    def of_floors(self, runs: list[Ran]) -> list[tuple[Ran, float]]:
        """Measured success of some narrow jobs that name a floor: of those that were drawn, the ones that ran."""
        found = []
        for one in runs:
            if one.job.floor is None or one.job.number not in self._with_floor:
                continue
            key = one.job.circuit, one.device, period_of(one.begin), truth_of(one.begin)
            if key not in self._shares:
                self._shares[key] = self._share(one, FLOOR_SHOTS, self._world.seed)
            found.append((one, self._shares[key]))
        return found

    def _share(self, one: Ran, shots: int, seed: int) -> float:
        key = one.device, truth_of(one.begin)
        if key not in self._machines:
            self._machines[key] = Machine(self._world.device(*key))
        outcomes = self._machines[key].run(self._world.fitted(one.job.circuit, one.device, one.begin), shots, seed)
        return sum(outcomes.get(index, 0) for index in self._world.circuits[one.job.circuit].right) / shots
