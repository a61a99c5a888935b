"""The success probability to expect: limits, monotony, damaged calibrations, and agreement with what a transpiler makes."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.api.quantumjob import Analysis
from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.analysis import analyze
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.emulator.calibration import report
from omnixan.edge_network.quantum.emulator.transpiling import Transpiler
from omnixan_operator.decide.esp import (
    CONTROLLED_NOTS,
    VISIBLE,
    Load,
    Part,
    Quality,
    load_of,
    quality_of,
    success_probability,
)

ERRORS = st.floats(0, 0.2)
LOADS = st.builds(
    Load,
    width=st.integers(1, 20),
    measured=st.integers(1, 20),
    pulses=st.integers(0, 400),
    cnots=st.integers(0, 400),
    depth=st.integers(0, 400),
    line_swaps=st.integers(0, 100),
)


def flat(two: float, readout: float, one: float = 0.0, t1: float = 1e9) -> Quality:
    part = Part(two, readout, t1, t1, 2.0)
    return Quality("flat", dict.fromkeys(range(1, 21), part), part, one, 3e-7, 5e-6, 2.5e-4)


def test_a_program_without_routing_and_waiting_is_the_product_of_its_fidelities() -> None:
    load = Load(width=3, measured=2, pulses=5, cnots=4, depth=4, line_swaps=0)
    expected = (1 - 0.001) ** 5 * (1 - 0.01) ** 4 * (1 - 0.03) ** 2
    assert success_probability(load, flat(0.01, 0.03, 0.001)) == pytest.approx(expected**VISIBLE)


@given(LOADS, ERRORS, ERRORS, ERRORS)
def test_it_is_a_probability_and_1_on_a_perfect_device(load: Load, two: float, readout: float, one: float) -> None:
    assert 0 <= success_probability(load, flat(two, readout, one, 1e-5)) <= 1
    assert success_probability(load, flat(0, 0)) == pytest.approx(1)


@given(LOADS, st.sampled_from(["measured", "pulses", "cnots", "line_swaps"]), ERRORS)
def test_more_of_anything_never_helps(load: Load, what: str, error: float) -> None:
    more = replace(load, **{what: getattr(load, what) + 1})
    quality = flat(error, error, error)
    assert success_probability(more, quality) <= success_probability(load, quality) + 1e-12


def test_waiting_costs_where_coherence_is_short() -> None:
    deep = Load(width=8, measured=8, pulses=0, cnots=20, depth=20, line_swaps=0)
    assert success_probability(deep, flat(0, 0, t1=1e-4)) < success_probability(deep, flat(0, 0, t1=1e-3)) < 1


def test_the_analysis_becomes_a_load() -> None:
    analysis = Analysis(
        qubits=3, depth=9, two_qubit_gates=4, two_qubit_depth=7, line_swaps=1, measured=2,
        gates={"h": 3, "cx": 2, "swap": 1, "cp": 1, "rz": 9, "u": 1},
    )  # fmt: skip
    load = load_of(analysis)
    assert load == Load(width=3, measured=2, pulses=5, cnots=7, depth=7, line_swaps=1)
    assert load_of(Analysis(qubits=3)) is None
    old = load_of(Analysis(qubits=2, depth=3, two_qubit_gates=1, gates={"h": 1, "cx": 1}))
    assert old == Load(width=2, measured=2, pulses=1, cnots=1, depth=1, line_swaps=0)
    estimated = load_of(Analysis(qubits=2, depth=3, two_qubit_gates=1, measured=0, gates={"h": 1, "cx": 1}))
    assert estimated == old, "an estimator reads qubits too, though its program measures none"


def test_operator_and_agent_count_controlled_nots_alike() -> None:
    from omnixan.edge_network.quantum import routing

    assert CONTROLLED_NOTS == routing.CONTROLLED_NOTS


@pytest.mark.parametrize(
    "damage",
    [
        {"twoQubitError": "nan"},
        {"twoQubitError": "1.5"},
        {"readoutError": "-0.1"},
        {"t1": "0"},
        {"t2": "inf"},
        {"shotDelaySeconds": "soon"},
        {"id": None, "qubits": None},
        {"regions": [{"qubits": 2}]},
        {"regions": [7]},
    ],
)
def test_a_calibration_that_makes_no_sense_is_none(damage: dict[str, Any]) -> None:
    good = report(devices.load("lima"))
    assert quality_of(good) is not None
    assert quality_of(good | damage) is None
    assert quality_of({}) is None


def test_prediction_and_transpiled_circuit_agree() -> None:
    """Chains and all-pairs circuits on every recorded device: as the operator expects and as the agent finds them."""
    differences = []
    for name in devices.names():
        device = devices.load(name)
        quality = quality_of(report(device))
        assert quality is not None
        transpiler = Transpiler(device)
        for width in range(2, min(device.width, 8) + 1):
            for pairs in ([(q, q + 1) for q in range(width - 1)], [(a, b) for a in range(width) for b in range(a)]):
                gates = tuple(Instruction("cx", pair) for pair in pairs)
                circuit = Circuit(width, width, gates, tuple(Measurement(q, q) for q in range(width)))
                load = load_of(Analysis.model_validate(analyze(circuit)))
                assert load is not None
                found = transpiler.fit(circuit, 1).success_probability()
                differences.append(success_probability(load, quality) ** (1 / VISIBLE) - found)
    assert statistics.fmean(map(abs, differences)) < 0.06
    assert not any(map(math.isnan, differences))
