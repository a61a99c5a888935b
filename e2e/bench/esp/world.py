"""A day of nine recorded devices that drift, and of jobs for them: what policies of placement are compared in."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

from e2e.bench.esp.circuits import FAMILIES, Sample
from omnixan.edge_network.api.quantumjob import Analysis
from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.analysis import analyze
from omnixan.edge_network.quantum.devices import Device
from omnixan.edge_network.quantum.emulator.calibration import report
from omnixan.edge_network.quantum.emulator.drift import drifted
from omnixan.edge_network.quantum.emulator.physical import Physical
from omnixan.edge_network.quantum.emulator.transpiling import Transpiler
from omnixan_operator.decide.esp import Load, Quality, load_of, quality_of, success_probability

HOUR = 3600.0
CALIBRATED = 8
"""Hours between two calibrations."""
TRUTH = 4
"""Hours for which the true state of a device is held."""
CIRCUITS = 25
WIDEST = 10
SHOTS = (10_000, 500_000)
FLOORS = 0.3
"""Share of jobs that name a floor."""


@dataclass(frozen=True)
class Job:
    """A job: when it comes (seconds), its circuit's number, shots, and the floor it names, if any."""

    number: int
    arrival: float
    circuit: int
    shots: int
    floor: float | None


class World:
    """Devices and circuits of one seed. Devices are calibrated every eight hours and drift on in between.

    `fleet` is how many of the recorded devices there are, drawn at random; one at least is wide enough for all circuits.
    """

    def __init__(self, seed: int, fleet: int) -> None:
        self.seed = seed
        draw = random.Random(seed)
        self.names = _fleet(draw, fleet)
        self.circuits: list[Sample] = [
            FAMILIES[number % len(FAMILIES)](draw.randint(2, WIDEST), draw) for number in range(CIRCUITS)
        ]
        self._draw = draw
        self._devices: dict[tuple[str, int], Device] = {}
        self._qualities: dict[tuple[str, int], Quality] = {}
        self._transpilers: dict[tuple[str, int], Transpiler] = {}
        self._fitted: dict[tuple[int, str, int], Physical] = {}
        self._true: dict[tuple[int, str, int, int], Physical] = {}

    @cached_property
    def loads(self) -> list[Load]:
        """What each circuit asks of a device."""
        found = [load_of(Analysis.model_validate(analyze(sample.circuit))) for sample in self.circuits]
        return [load for load in found if load is not None]

    def jobs(self, count: int, mean_gap: float, best: float = 0.9) -> list[Job]:
        """Poisson arrivals; floors are between half and 9/10 of what the best device is predicted to reach at the start."""
        now, jobs = 0.0, []
        for number in range(count):
            now += self._draw.expovariate(1 / mean_gap)
            circuit = self._draw.randrange(CIRCUITS)
            shots = round(SHOTS[0] * (SHOTS[1] / SHOTS[0]) ** self._draw.random())
            floor = None
            if self._draw.random() < FLOORS:
                reach = max(self.predicted(circuit, name, 0) for name in self.fitting(circuit))
                floor = reach * self._draw.uniform(0.5, best)
            jobs.append(Job(number, now, circuit, shots, floor))
        return jobs

    def fitting(self, circuit: int) -> list[str]:
        """The devices that are wide enough for the circuit."""
        return [name for name in self.names if devices.load(name).width >= self.loads[circuit].width]

    def predicted(self, circuit: int, name: str, period: int) -> float:
        """Success probability by the operator's closed form, with the calibration that is known in that period."""
        return success_probability(self.loads[circuit], self.quality(name, period))

    def device(self, name: str, hour: int) -> Device:
        """The device as it truly is in that hour."""
        key = name, hour
        if key not in self._devices:
            self._devices[key] = drifted(devices.load(name), self.seed, hour)
        return self._devices[key]

    def quality(self, name: str, period: int) -> Quality:
        """The calibration that is known in that period: measured at its beginning."""
        key = name, period
        if key not in self._qualities:
            found = quality_of(report(self.device(name, CALIBRATED * period)))
            assert found is not None
            self._qualities[key] = found
        return self._qualities[key]

    def fitted(self, circuit: int, name: str, seconds: float) -> Physical:
        """The circuit as the agent fits it with the calibration it knows, on the device as it truly is then.

        What the device truly is is looked at every fourth hour.
        """
        period, hour = period_of(seconds), truth_of(seconds)
        key = circuit, name, period, hour
        if key not in self._true:
            known = self.known(circuit, name, period)
            self._true[key] = Physical(self.device(name, hour), known.steps, known.measured)
        return self._true[key]

    def known(self, circuit: int, name: str, period: int) -> Physical:
        """The same on the device as the calibration of that period knows it: no drift since."""
        key = circuit, name, period
        if key not in self._fitted:
            if (name, period) not in self._transpilers:
                self._transpilers[name, period] = Transpiler(self.device(name, CALIBRATED * period))
            self._fitted[key] = self._transpilers[name, period].fit(self.circuits[circuit].circuit, 1)
        return self._fitted[key]


def _fleet(draw: random.Random, size: int) -> tuple[str, ...]:
    while True:
        names = sorted(draw.sample(devices.names(), size))
        if max(devices.load(name).width for name in names) >= WIDEST:
            return tuple(names)


def period_of(seconds: float) -> int:
    """The calibration period of a moment."""
    return int(seconds / HOUR / CALIBRATED)


def truth_of(seconds: float) -> int:
    """The hour in which the true state of a device was last looked at."""
    return TRUTH * int(seconds / HOUR / TRUTH)
