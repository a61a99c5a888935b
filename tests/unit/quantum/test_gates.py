import cmath
import itertools

import numpy as np
import pytest
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from scipy.linalg import fractional_matrix_power
from scipy.stats import unitary_group

from omnixan.edge_network.quantum import controlled
from omnixan.edge_network.quantum.gates import GATES, matrix


@pytest.mark.parametrize("name", GATES)
def test_every_gate_is_qiskits_gate_of_that_name(name):
    rng = np.random.default_rng(3)
    kind = GATES[name]
    for _ in range(5):
        params = rng.uniform(-7, 7, kind.params)
        expected = get_standard_gate_name_mapping()[name].base_class(*params).to_matrix()
        np.testing.assert_allclose(matrix(name, params), expected, atol=1e-15)
        assert kind.diagonal == np.array_equal(expected, np.diag(np.diag(expected)))


def unitaries():
    rng = np.random.default_rng(4)
    yield from (unitary_group.rvs(2, random_state=rng) for _ in range(30))
    yield from (matrix(name) for name in ("id", "x", "y", "z", "h", "s", "tdg", "sx"))
    for angles in itertools.product((0, cmath.pi / 2, -cmath.pi), repeat=2):
        yield np.diag(np.exp(1j * np.array(angles)))
        yield np.diag(np.exp(1j * np.array(angles)))[::-1]


def test_euler_angles_give_the_unitary_back():
    for unitary in unitaries():
        theta, phi, lam, gamma = controlled.euler_angles(tuple(unitary.ravel()))
        np.testing.assert_allclose(np.exp(1j * gamma) * matrix("u", (theta, phi, lam)), unitary, atol=1e-9)


@pytest.mark.parametrize("exponent", [0.5, -0.5, 1 / 3, -2, 3, 0])
def test_powers_are_principal_powers(exponent):
    for unitary in unitaries():
        got = np.array(controlled.power(tuple(map(complex, unitary.ravel())), exponent)).reshape(2, 2)
        eigenvalues, vectors = np.linalg.eig(unitary)
        if np.min(np.abs(eigenvalues + 1)) > 1e-6:  # scipy takes either branch at −1; ours is fixed, see below
            np.testing.assert_allclose(got, fractional_matrix_power(unitary, exponent), atol=1e-6)
        expected = vectors @ np.diag(np.exp(1j * exponent * _phases(eigenvalues))) @ np.linalg.inv(vectors)
        np.testing.assert_allclose(got, expected, atol=1e-6)


def _phases(eigenvalues):
    phases = np.angle(eigenvalues)
    return np.where(phases < -np.pi + 1e-9, phases + 2 * np.pi, phases)


def dense(instructions, qubits):
    """The product of gates as a matrix, written out index by index: slow and plain."""
    total = np.eye(2**qubits, dtype=complex)
    for name, places, params in instructions:
        small = matrix(name, params)
        big = np.zeros((2**qubits, 2**qubits), dtype=complex)
        for column in range(2**qubits):
            inner = sum((column >> place & 1) << bit for bit, place in enumerate(places))
            for row in range(len(small)):
                target = column
                for bit, place in enumerate(places):
                    target = target & ~(1 << place) | (row >> bit & 1) << place
                big[target, column] += small[row, inner]
        total = big @ total
    return total


@pytest.mark.parametrize(("controls", "borrowed"), [(0, 1), (1, 0), (2, 0), (3, 0), (3, 2), (4, 0), (4, 1), (4, 2)])
@pytest.mark.parametrize("name", ["x", "z", "random"])
def test_controlled_gates_act_only_where_all_controls_are_one(controls, borrowed, name):
    rng = np.random.default_rng(controls * 10 + borrowed)
    qubits = controls + 1 + borrowed
    places = [int(q) for q in rng.permutation(qubits)]
    own, target, rest = places[:controls], places[controls], places[controls + 1 :]
    unitary = unitary_group.rvs(2, random_state=rng) if name == "random" else matrix(name)
    expected = np.eye(2**qubits, dtype=complex)
    for column in range(2**qubits):
        if all(column >> control & 1 for control in own):
            value = column >> target & 1
            expected[:, column] = 0
            for row in (0, 1):
                expected[column & ~(1 << target) | row << target, column] = unitary[row, value]
    got = dense(controlled.controlled(tuple(unitary.ravel().tolist()), own, target, rest), qubits)
    if controls == 0:  # a global phase is not a matter of a whole circuit
        got *= np.vdot(got[:, 0], expected[:, 0]) / abs(np.vdot(got[:, 0], expected[:, 0]))
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_controls_cost_grows_quadratically_at_most():
    def gates(controls, borrowed):
        return sum(1 for _ in controlled.controlled(controlled.X, range(controls), controls, borrowed))

    assert gates(20, []) < 30_000
    assert gates(20, [21]) < 2_500
