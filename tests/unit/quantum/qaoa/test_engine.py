"""States and gradients of the engine, against Qiskit and against finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from omnixan.edge_network.quantum.qaoa.engine import Ansatz, walsh_hadamard
from omnixan.edge_network.quantum.qaoa.objective import TailMean


def random_ansatz(seed, qubits):
    return Ansatz(np.random.default_rng(seed).standard_normal(1 << qubits), qubits)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_state_is_that_of_qiskits_circuit(layers):
    """Ising phase as RZ and RZZ gates, mixer as RX: qiskit builds the same state gate by gate."""
    qubits, random = 4, np.random.default_rng(layers)
    fields, pairs = random.standard_normal(qubits), random.standard_normal((qubits, qubits))
    angles = random.uniform(-1.5, 1.5, 2 * layers)
    spins = 1 - 2 * (np.arange(1 << qubits)[:, None] >> np.arange(qubits) & 1)
    diagonal = spins @ fields
    for i in range(qubits):
        for j in range(i):
            diagonal = diagonal + pairs[i, j] * spins[:, i] * spins[:, j]
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    for gamma, beta in zip(angles[:layers], angles[layers:], strict=True):
        for i in range(qubits):
            circuit.rz(2 * gamma * fields[i], i)
            for j in range(i):
                circuit.rzz(2 * gamma * pairs[i, j], i, j)
        circuit.rx(2 * beta, range(qubits))
    ours = Ansatz(diagonal, qubits).state(angles)
    assert np.allclose(ours, Statevector(circuit).data, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), qubits=st.integers(1, 7), layers=st.integers(1, 4))
def test_the_adjoint_gradient_is_that_of_finite_differences(seed, qubits, layers):
    random = np.random.default_rng(seed)
    ansatz = random_ansatz(seed, qubits)
    weights = random.standard_normal(1 << qubits)
    angles = random.uniform(-2, 2, 2 * layers)

    def objective(probabilities):  # smooth and not linear, so the derivative by probability matters
        return float((weights * probabilities**2).sum()), 2 * weights * probabilities

    _, gradient = ansatz.value_and_gradient(angles, objective)
    step = 1e-6
    for k in range(len(angles)):
        shift = np.zeros_like(angles)
        shift[k] = step
        above, below = (objective(ansatz.probabilities(angles + sign * shift))[0] for sign in (1, -1))
        assert gradient[k] == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_the_gradient_of_the_tail_mean_is_that_of_finite_differences():
    ansatz, tail = random_ansatz(5, 6), TailMean(np.random.default_rng(6).standard_normal(64), 0.3)
    angles = np.array([0.3, -0.7, 0.9, 0.4])
    _, gradient = ansatz.value_and_gradient(angles, tail.value_and_derivative)
    for k, shift in enumerate(np.eye(4) * 1e-6):
        difference = tail.value(ansatz.probabilities(angles + shift)) - tail.value(ansatz.probabilities(angles - shift))
        assert gradient[k] == pytest.approx(difference / 2e-6, abs=1e-6)


@pytest.mark.parametrize("qubits", [1, 5, 6, 11])
def test_the_transform_is_its_own_inverse_and_flattens_a_basis_state(qubits):
    state = np.zeros(1 << qubits, dtype=np.complex128)
    state[3 % len(state)] = 1
    spread = walsh_hadamard(state, qubits)
    assert np.allclose(np.abs(spread), 2 ** (-qubits / 2))
    assert np.allclose(walsh_hadamard(spread, qubits), state)


@pytest.mark.parametrize(("size", "qubits"), [(8, 2), (4, 0), (2, 21)])
def test_a_diagonal_of_another_size_is_refused(size, qubits):
    with pytest.raises(ValueError, match=r"diagonal|qubits"):
        Ansatz(np.zeros(size), qubits)


def test_angles_must_come_in_pairs():
    with pytest.raises(ValueError, match="two per layer"):
        random_ansatz(0, 2).state(np.zeros(3))
