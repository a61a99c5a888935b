"""Observables: exact values as Qiskit has them, groups that can be measured together, values out of counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp, Statevector

from omnixan.edge_network.quantum import pauli, statevector
from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.circuit import Circuit, Instruction
from omnixan.edge_network.quantum.pauli import Basis, Observable

strings = st.text("IXYZ", min_size=4, max_size=4)
terms = st.lists(st.tuples(strings, st.floats(-2, 2).map(lambda x: round(x, 3))), min_size=1, max_size=12)


def state(seed: int, qubits: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    amplitudes = rng.normal(size=2**qubits) + 1j * rng.normal(size=2**qubits)
    return amplitudes / np.linalg.norm(amplitudes)


@settings(max_examples=60, deadline=None)
@given(terms, st.integers(0, 1000))
def test_exact_values_are_qiskits(given_terms: list[tuple[str, float]], seed: int) -> None:
    amplitudes, observable = state(seed), Observable.of(given_terms)
    values = pauli.exact(amplitudes, [string for string, _ in observable.terms])
    ours = sum(c * values[string] for string, c in observable.terms)
    expected = Statevector(amplitudes).expectation_value(SparsePauliOp.from_list(given_terms)).real
    assert ours == pytest.approx(expected, abs=1e-10)


@settings(max_examples=100, deadline=None)
@given(st.lists(terms, min_size=1, max_size=4))
def test_every_string_is_served_by_one_basis_that_agrees_with_it(given_terms: list[list[tuple[str, float]]]) -> None:
    observables = [Observable.of(each) for each in given_terms]
    chosen = pauli.bases(observables)
    served = [string for basis in chosen for string in basis.strings]
    wanted = {string for one in observables for string, _ in one.terms} - {"IIII"}
    assert sorted(served) == sorted(wanted)
    for basis in chosen:
        for string in basis.strings:
            assert all(a in ("I", b) for a, b in zip(string, basis.letters, strict=True))


def test_strings_that_commute_qubit_by_qubit_share_a_basis() -> None:
    observable = Observable.of([("ZZI", 1.0), ("IZZ", 1.0), ("ZIZ", 1.0), ("XXX", 1.0)])
    assert [basis.letters for basis in pauli.bases([observable])] == ["XXX", "ZZZ"]


@pytest.mark.parametrize("seed", range(4))
def test_measured_circuits_give_the_exact_values_within_five_errors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turns = [Instruction("u", (q,), tuple(rng.uniform(-3, 3, 3))) for q in range(3)]
    circuit = Circuit(3, 0, (*turns, Instruction("cx", (0, 1)), Instruction("cx", (1, 2))), ())
    observable = Observable.of([("XYZ", 0.7), ("ZIX", -0.4), ("IIY", 1.0), ("ZZZ", 0.3), ("III", 2.0)])
    values = pauli.exact(statevector.statevector(circuit), [s for s, _ in observable.terms])
    exact = sum(c * values[s] for s, c in observable.terms)
    backend, total, variance = SimulatorBackend(4), pauli.constant(observable), 0.0
    chosen = pauli.bases([observable])
    for number, (basis, part) in enumerate(zip(chosen, pauli.parts([observable], chosen), strict=True)):
        found = backend.shots(pauli.measured(circuit, basis), 20_000, seed * 10 + number, lambda: None)
        outcomes = sorted(found.outcomes)
        read = pauli.values_of_outcomes(part[0], basis, outcomes, [(1.0, -1.0)] * len(basis.qubits))
        mean, spread = pauli.mean_and_variance(read, found.outcomes, outcomes)
        total, variance = total + mean, variance + spread
    assert abs(total - exact) < 5 * np.sqrt(variance) and np.sqrt(variance) < 0.03


@settings(max_examples=60, deadline=None)
@given(st.lists(terms, min_size=1, max_size=4))
def test_the_parts_of_an_observable_are_the_observable(given_terms: list[list[tuple[str, float]]]) -> None:
    observables = [Observable.of(each) for each in given_terms]
    chosen = pauli.bases(observables)
    found = pauli.parts(observables, chosen)
    for basis, each in zip(chosen, found, strict=True):
        assert {string for one in each.values() for string, _ in one.terms} <= set(basis.strings)
    for place, one in enumerate(observables):
        together = [term for each in found if place in each for term in each[place].terms]
        assert sorted(together) == [term for term in one.terms if term[0] != "IIII"]


def test_shots_reach_the_precision_in_the_worst_case() -> None:
    observables = [Observable.of([("XI", 1.0), ("ZI", 2.0)]), Observable.of([("IZ", 0.5)])]
    chosen = pauli.bases(observables)
    shots = pauli.shots_needed(pauli.parts(observables, chosen), 0.05)
    spans = {basis.letters[0]: n for basis, n in zip(chosen, shots, strict=True)}
    worst = sum(a**2 / n for a, n in ((1.0, spans["X"]), (2.0, spans["Z"])))
    assert worst**0.5 <= 0.05 + 1e-12


def test_a_single_shot_has_no_error_that_could_be_known() -> None:
    basis = Basis("Z", ("Z",))
    values = pauli.values_of_outcomes(Observable.of([("Z", 1.0)]), basis, [1], [(1.0, -1.0)])
    assert pauli.mean_and_variance(values, {1: 1}, [1]) == (-1.0, 0.0)
