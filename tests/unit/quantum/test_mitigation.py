"""Readout errors undone: what was mixed up comes apart again, as probabilities and as expectation values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnixan.edge_network.quantum import mitigation, pauli
from omnixan.edge_network.quantum.emulator.readout import ReadoutError, confused, flipped
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.pauli import Basis, Observable

error = st.builds(ReadoutError, st.floats(0, 0.3), st.floats(0, 0.3))


@settings(max_examples=100, deadline=None)
@given(st.lists(error, min_size=1, max_size=4), st.integers(0, 10_000))
def test_expectation_values_are_undone_exactly(errors: list[ReadoutError], seed: int) -> None:
    bits = len(errors)
    true = np.random.default_rng(seed).dirichlet(np.ones(2**bits))
    read = confused(true, errors)
    basis = Basis("Z" * bits, ("Z" * bits,))
    observable = Observable.of([("Z" * bits, 1.0)])
    outcomes = list(range(2**bits))
    plain = pauli.values_of_outcomes(observable, basis, outcomes, [(1.0, -1.0)] * bits)
    undone = pauli.values_of_outcomes(observable, basis, outcomes, mitigation.weights(errors))
    assert float(undone @ read) == pytest.approx(float(plain @ true), abs=1e-9)
    assert np.abs(undone).max() <= mitigation.overhead(errors) + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.lists(error, min_size=1, max_size=4), st.integers(0, 10_000))
def test_many_shots_come_back_as_they_were(errors: list[ReadoutError], seed: int) -> None:
    bits = len(errors)
    true = np.random.default_rng(seed).dirichlet(np.ones(2**bits))
    shots = 10**9
    read = {index: round(p * shots) for index, p in enumerate(confused(true, errors)) if round(p * shots)}
    found = mitigation.undo(read, errors)
    assert sum(found.outcomes.values()) == sum(read.values())
    for index, p in enumerate(true):
        assert found.outcomes.get(index, 0) / shots == pytest.approx(p, abs=1e-4)


def test_a_noisy_ghz_state_comes_closer_to_itself() -> None:
    errors = [ReadoutError(0.03, 0.08)] * 5
    read = flipped({0: 5000, 31: 5000}, errors, seed=1)
    found = mitigation.undo(read, errors)
    before, after = (sum(counts.get(i, 0) for i in (0, 31)) / 10_000 for counts in (read, found.outcomes))
    assert before < 0.8 and after > 0.95
    assert found.overhead == pytest.approx(((1 + 0.05) / 0.89) ** 5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-0.5, 1), min_size=2, max_size=12))
def test_the_nearest_probabilities_are_probabilities_and_the_nearest(raw: list[float]) -> None:
    quasi = np.array(raw) + (1 - sum(raw)) / len(raw)
    found = mitigation.nearest_probabilities(quasi)
    assert found.min() >= 0 and found.sum() == pytest.approx(1, abs=1e-9)
    # The projection on a simplex is max(x − t, 0) with one t for all.
    gaps = (quasi - found)[found > 0]
    assert np.ptp(gaps) < 1e-9 and (quasi[found == 0] <= gaps.max() + 1e-9).all()


def test_without_errors_nothing_changes() -> None:
    assert mitigation.undo({0: 3, 2: 1}, ()).outcomes == {0: 3, 2: 1}
    assert mitigation.undo({0: 3, 2: 1}, [ReadoutError(0, 0)] * 2).outcomes == {0: 3, 2: 1}


def test_a_bit_that_says_nothing_is_refused() -> None:
    with pytest.raises(ProgramError, match="calibrated"):
        mitigation.weights([ReadoutError(0.5, 0.5)])


def test_more_outcomes_than_one_system_holds_are_undone_bit_by_bit() -> None:
    errors = [ReadoutError(0.02 + 0.005 * bit, 0.08 - 0.005 * bit) for bit in range(12)]
    true = np.random.default_rng(3).dirichlet(np.full(2**12, 0.3))
    shots = 10**9
    read = {index: round(p * shots) for index, p in enumerate(confused(true, errors)) if round(p * shots)}
    assert len(read) > mitigation.MAX_OUTCOMES
    found = mitigation.undo(read, errors)
    assert sum(found.outcomes.values()) == sum(read.values())
    share = np.array([found.outcomes.get(index, 0) for index in range(2**12)]) / sum(read.values())
    assert 0.5 * np.abs(share - true).sum() < 1e-4 < 0.05 < 0.5 * np.abs(confused(true, errors) - true).sum()


@settings(max_examples=60, deadline=None)
@given(st.lists(error, min_size=1, max_size=5), st.integers(0, 10_000))
def test_both_ways_agree_where_every_outcome_was_read(errors: list[ReadoutError], seed: int) -> None:
    read = np.random.default_rng(seed).integers(1, 1000, 2 ** len(errors))
    quasi = mitigation.inverted(read / read.sum(), errors)
    assert confused(quasi, errors) == pytest.approx(read / read.sum(), abs=1e-9)


def test_too_many_outcomes_of_too_many_bits_are_refused_with_a_way_out() -> None:
    with pytest.raises(ProgramError, match="measure fewer qubits"):
        mitigation.undo(dict.fromkeys(range(5000), 1), [ReadoutError(0.01, 0.01)] * 21)
