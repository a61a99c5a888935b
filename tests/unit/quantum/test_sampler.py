import numpy as np
import pytest
from scipy.stats import chisquare

from omnixan.edge_network.quantum import sampler, statevector
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement


def test_equal_seeds_give_equal_counts_and_others_do_not(layered):
    probabilities = statevector.probabilities(statevector.compiled(layered(6, 6)))
    first = sampler.sample(probabilities, 1000, 5)
    assert first == sampler.sample(probabilities, 1000, 5)
    assert first != sampler.sample(probabilities, 1000, 6)
    assert sum(first.values()) == 1000
    assert min(first.values()) >= 1


def test_counts_follow_the_probabilities(layered):
    probabilities = statevector.probabilities(statevector.compiled(layered(5, 6)))
    shots = 100_000
    drawn = sampler.sample(probabilities, shots, 11)
    observed = np.array([drawn.get(index, 0) for index in range(32)])
    assert chisquare(observed, probabilities * shots).pvalue > 1e-3
    wrong = np.roll(probabilities, 1)
    assert chisquare(observed, wrong * shots).pvalue < 1e-6  # the test can tell


def test_the_last_digits_of_a_probability_change_nothing():
    exact = np.array([0.5, 0.0, 0.25, 0.25])
    for seed in range(50):
        blurred = exact * (1 + 4e-16) + np.array([1e-16, 1e-33, -1e-16, 1e-17])
        assert sampler.sample(blurred, 777, seed) == sampler.sample(exact, 777, seed)


def test_bit_zero_is_the_rightmost_character():
    circuit = Circuit(3, 3, (Instruction("x", (0,)),), tuple(Measurement(q, q) for q in range(3)))
    outcomes = sampler.sample(statevector.probabilities(statevector.compiled(circuit)), 10, 0)
    assert sampler.counts(circuit, outcomes) == {"001": 10}


def test_bits_go_where_the_program_measures_them():
    gates = (Instruction("x", (1,)), Instruction("x", (3,)))
    measurements = (Measurement(3, 0), Measurement(0, 1), Measurement(1, 4), Measurement(3, 5))
    circuit = Circuit(4, 6, gates, measurements)
    outcomes = sampler.sample(statevector.probabilities(statevector.compiled(circuit)), 7, 0)
    assert sampler.counts(circuit, outcomes) == {"110001": 7}  # bits 2 and 3 are written by nothing


@pytest.mark.parametrize("shots", [1, 1_000_000])
def test_every_shot_is_counted_once(shots):
    assert sum(sampler.sample(np.full(8, 0.125), shots, 1).values()) == shots
