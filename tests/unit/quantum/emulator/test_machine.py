"""What the emulated device does to circuits: fitted to couplings, as noisy as calibrated, equal for equal seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.emulator import cost
from omnixan.edge_network.quantum.emulator.noise import gate_error
from omnixan.edge_network.quantum.emulator.physical import Idle, Physical, Step, idle_fidelity
from omnixan.edge_network.quantum.emulator.process import Machine
from omnixan.edge_network.quantum.emulator.readout import ReadoutError, confused, flipped
from omnixan.edge_network.quantum.errors import ProgramError
from tests.unit.quantum.emulator.makers import ghz, line

SHOTS = 20_000


@pytest.fixture(scope="module")
def manila() -> Machine:
    return Machine(devices.load("manila"))


@pytest.mark.parametrize("name", ["boeblingen", "guadalupe", "manila", "melbourne"])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_fitted_circuit_uses_only_gates_and_couplings_of_the_device(name: str, level: int) -> None:
    device = devices.load(name)
    pairs = tuple(Instruction("cp", (a, b), (0.3,)) for a in range(5) for b in range(a))
    circuit = Circuit(5, 5, (*(Instruction("h", (q,)) for q in range(5)), *pairs), ghz(5).measurements)
    physical = Machine(device).fit(circuit, 100, level, None)
    for step in physical.steps:
        assert step.name in device.basis
        assert len(step.qubits) == 1 or step.qubits in device.by_pair
    assert len(set(physical.measured)) == 5
    assert physical.two_qubit_gates >= 20


def test_the_meaning_of_a_circuit_survives_layout_and_routing() -> None:
    """Without noise the outcome is the program's, bit for bit, on a line as on paper."""
    flips = (Instruction("x", (0,)), Instruction("x", (3,)))
    pairs = (Instruction("cx", (0, 4)), Instruction("cx", (3, 1)), Instruction("cx", (4, 2)), Instruction("swap", (0, 1)))
    circuit = Circuit(5, 5, flips + pairs, tuple(Measurement(q, q) for q in range(5)))
    quiet = line(5, two=0.0)
    machine = Machine(quiet)
    for level in range(4):
        assert machine.run(machine.fit(circuit, 50, level, None), 50, 1) == {0b11111: 50}


def test_a_ghz_state_is_as_good_as_its_gates(manila: Machine) -> None:
    physical = manila.fit(ghz(5), SHOTS, 1, None)
    outcomes = manila.run(physical, SHOTS, 3)
    right = (outcomes.get(0, 0) + outcomes.get(31, 0)) / SHOTS
    assert abs(right - physical.success_probability()) < 0.08
    assert 0.6 < right < 0.95


def test_equal_seeds_give_equal_counts_and_others_do_not(manila: Machine) -> None:
    physical = manila.fit(ghz(4), 500, 1, None)
    again = Machine(devices.load("manila"))
    assert manila.run(physical, 500, 7) == again.run(again.fit(ghz(4), 500, 1, None), 500, 7)
    assert manila.run(physical, 500, 7) != manila.run(physical, 500, 8)


def test_readout_errors_are_those_of_the_calibration(manila: Machine) -> None:
    """One and zero of every qubit, without a gate that matters: the share read wrong is p01 and p10."""
    for gates, wrong in (((), "p10"), (tuple(Instruction("x", (q,)) for q in range(5)), "p01")):
        physical = manila.fit(Circuit(5, 5, gates, ghz(5).measurements), SHOTS, 1, None)
        outcomes = manila.run(physical, SHOTS, 11)
        for bit, qubit in enumerate(physical.measured):
            ones = sum(count for index, count in outcomes.items() if index >> bit & 1) / SHOTS
            share = ones if wrong == "p10" else 1 - ones
            expected = getattr(manila.transpiler.device.qubits[qubit], wrong)
            slack = 5 * math.sqrt(expected * (1 - expected) / SHOTS) + 0.003  # the X gate and the wait for it
            assert abs(share - expected) < slack, (bit, qubit, share, expected)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("twirled", [False, True])
def test_a_gates_channel_has_exactly_the_recorded_infidelity(width: int, twirled: bool) -> None:
    from qiskit.quantum_info import average_gate_fidelity

    device = devices.load("jakarta")
    channel = gate_error(device, (0, 1)[:width], 0.012, 3e-7, twirled=twirled)
    assert 1 - average_gate_fidelity(channel.to_quantumchannel()) == pytest.approx(0.012, abs=1e-9)
    assert gate_error(device, (0, 1)[:width], 0.0, 3e-7) is None


def test_a_gate_that_is_better_than_relaxation_allows_keeps_its_recorded_error() -> None:
    from qiskit.quantum_info import average_gate_fidelity

    channel = gate_error(line(2, t1=1e-6), (0, 1), 1e-4, 3e-7)
    assert 1 - average_gate_fidelity(channel.to_quantumchannel()) == pytest.approx(1e-4, abs=1e-9)


def test_trajectories_agree_with_the_density_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    device = devices.load("jakarta")
    machine = Machine(device)
    physical = machine.fit(ghz(6), 4000, 1, None)
    exact = machine.run(physical, 4000, 5)
    monkeypatch.setattr(cost, "MAX_DENSITY_QUBITS", 0)
    sampled = machine.run(physical, 4000, 5)
    right = [(counts.get(0, 0) + counts.get(63, 0)) / 4000 for counts in (exact, sampled)]
    assert abs(right[0] - right[1]) < 0.05


def test_waiting_decays_and_gates_before_the_first_do_not() -> None:
    device = line(3, two=0.0, t1=1e-5)
    steps = (Step("sx", (0,)), Step("cx", (0, 1)), Step("cx", (1, 2)), Step("cx", (1, 2)))
    physical = Physical(device, steps, (0, 1, 2))
    assert [(idle.qubit, pytest.approx(idle.seconds)) for idle in physical.idles()] == [(0, 2e-7)]
    assert physical.success_probability() == pytest.approx(idle_fidelity(2e-7, 1e-5, 1e-5))
    assert physical.seconds() == pytest.approx(3e-7 + 1e-8 + 1e-6)
    assert physical.occupancy(10) == pytest.approx(10 * (physical.seconds() + 1e-4))
    assert [item for item in physical.timeline[0] if isinstance(item, Step)] == list(steps)
    assert isinstance(physical.timeline[0][-1], Idle) or physical.timeline[0][-1] == steps[-1]
    assert (physical.depth, physical.two_qubit_gates, physical.active) == (5, 3, (0, 1, 2))


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(sum), st.floats(0, 0.5), st.floats(0, 0.5))
def test_confusion_keeps_probability_and_acts_on_its_bit(weights: list[float], p10: float, p01: float) -> None:
    probabilities = np.array(weights) / sum(weights)
    errors = [ReadoutError(0, 0), ReadoutError(p10, p01), ReadoutError(0, 0)]
    read = confused(probabilities, errors)
    assert read.sum() == pytest.approx(1)
    one = sum(probabilities[i] for i in range(8) if i & 2)
    assert sum(read[i] for i in range(8) if i & 2) == pytest.approx(one * (1 - p01) + (1 - one) * p10)
    assert sum(read[i] for i in range(8) if i & 5 == 5) == pytest.approx(sum(probabilities[i] for i in (5, 7)))


@settings(max_examples=20)
@given(st.dictionaries(st.integers(0, 7), st.integers(1, 500), min_size=1), st.integers(0, 2**31))
def test_flipping_keeps_the_shots_and_is_seeded(outcomes: dict[int, int], seed: int) -> None:
    errors = [ReadoutError(0.1, 0.2)] * 3
    assert flipped(outcomes, [ReadoutError(0, 0)] * 3, seed) == outcomes
    assert flipped(outcomes, [ReadoutError(1, 1)] * 3, seed) == {7 - i: n for i, n in sorted(outcomes.items())[::-1]}
    assert sum(flipped(outcomes, errors, seed).values()) == sum(outcomes.values())
    assert flipped(outcomes, errors, seed) == flipped(outcomes, errors, seed)


def test_what_takes_too_long_is_refused_before_it_begins() -> None:
    machine = Machine(devices.load("boeblingen"))
    layers = tuple(Instruction("cx", ((q * step) % 20, (q * step + 7) % 20)) for step in range(1, 40) for q in range(0, 20))
    spins = tuple(Instruction("ry", (q,), (0.3 + q,)) for q in range(20))
    dense = Circuit(20, 20, spins + layers, tuple(Measurement(q, q) for q in range(20)))
    with pytest.raises(ProgramError, match="s of CPU, and at most 120 s are") as refused:
        machine.fit(dense, 4096, 0, None)
    assert (refused.value.category, refused.value.reason) == ("CAPABILITY_MISMATCH", "TooCostlyToEmulate")
    with pytest.raises(ProgramError, match=r"more than spec.execution.timeoutSeconds allows \(1 s\)") as refused:
        machine.fit(ghz(3), 1_000_000, 1, 1.0)
    assert refused.value.reason == "DeviceTimeTooLong"


def test_a_wide_but_tame_circuit_is_run_after_a_trial() -> None:
    machine = Machine(devices.load("boeblingen"))
    physical = machine.fit(ghz(16), 200, 1, None)
    outcomes = machine.run(physical, 200, 1)
    assert sum(outcomes.values()) == 200 and outcomes.get(0, 0) + outcomes.get(2**16 - 1, 0) > 5
