"""The emulator as a backend: its own process, its pace, its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.backend import Options
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.emulator.backend import Clock, EmulatorBackend
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.execute import execute
from tests.unit.quantum.emulator.makers import ghz

SPEC = {"primitive": {"sampler": {"shots": 2000}}, "execution": {"seed": 3, "optimizationLevel": 1}}


class Frozen:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.slept.append)


@pytest.fixture(scope="module")
def frozen() -> Frozen:
    return Frozen()


@pytest.fixture(scope="module")
def emulator(frozen: Frozen) -> Iterator[EmulatorBackend]:
    backend = EmulatorBackend(devices.load("manila"), clock=frozen.clock)
    yield backend
    backend.close()


def test_it_is_busy_as_long_as_the_device_and_says_so(emulator: EmulatorBackend, frozen: Frozen) -> None:
    result = execute(SPEC, ghz(3), backend=emulator)
    usage = result["usage"]
    expected = 2000 * (usage["transpiled"]["seconds"] + 250e-6)
    assert frozen.slept[-1] == pytest.approx(expected, rel=1e-3)
    assert usage["qpuSeconds"] == pytest.approx(expected, rel=1e-3)
    assert 0.7 < usage["transpiled"]["successProbability"] < 1
    assert usage["transpiled"]["twoQubitGates"] == 2
    assert usage["cpuSeconds"] > 0
    assert result == execute(SPEC, ghz(3), backend=emulator) | {"usage": result["usage"]}


def test_warming_up_takes_no_device_time(emulator: EmulatorBackend, frozen: Frozen) -> None:
    before = len(frozen.slept)
    emulator.warm()
    assert len(frozen.slept) == before and emulator.take_usage() == {}


def test_bits_are_in_the_order_of_the_simulator(emulator: EmulatorBackend) -> None:
    """Classical bit 0 is rightmost, and unmeasured bits are 0."""
    circuit = Circuit(3, 4, (Instruction("x", (2,)),), (Measurement(2, 0), Measurement(0, 3)))
    counts = emulator.sample(circuit, 1000, 1, lambda: None)
    assert max(counts, key=lambda bits: counts[bits]) == "0001"
    assert set(counts) <= {"0000", "0001", "1000", "1001"}


def test_readout_errors_come_with_the_shots(emulator: EmulatorBackend) -> None:
    shots = emulator.shots(ghz(2), 100, 1, lambda: None)
    recorded = {(q.p10, q.p01) for q in devices.load("manila").qubits}
    assert len(shots.readout) == 2 and all((e.p10, e.p01) in recorded for e in shots.readout)


def test_the_first_shot_is_told_once(emulator: EmulatorBackend) -> None:
    told: list[int] = []
    emulator.sample(ghz(2), 10, 1, lambda: told.append(1))
    assert told == [1]


def test_what_does_not_fit_is_refused(emulator: EmulatorBackend) -> None:
    with pytest.raises(ProgramError, match="needs 6 qubits, the emulator offers 5"):
        emulator.sample(ghz(6), 10, 1, lambda: None)
    with pytest.raises(ProgramError, match="take at most") as refused:
        emulator.sample(ghz(3), 1_000_000, 1, lambda: None, Options(timeout_seconds=1))
    assert refused.value.category == "CAPABILITY_MISMATCH"
    qaoa = {"algorithm": {"qaoa": {"problem": {"maxcut": {"edges": [[0, 1]]}}}}} | SPEC
    with pytest.raises(ProgramError, match="runs on a simulator"):
        execute(qaoa, None, backend=emulator)


def test_a_dead_process_is_an_error_and_is_replaced(emulator: EmulatorBackend) -> None:
    emulator.sample(ghz(2), 10, 1, lambda: None)
    pid = emulator._spawned.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    emulator._spawned._process.wait()  # type: ignore[union-attr]
    assert sum(emulator.sample(ghz(2), 10, 1, lambda: None).values()) == 10
    assert emulator._spawned.pid != pid
