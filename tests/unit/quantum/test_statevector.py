import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from omnixan.edge_network.quantum import statevector
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement


@pytest.mark.parametrize("qubits", range(1, 8))
def test_states_and_probabilities_are_qiskits(qubits, random_circuit, to_qiskit):
    for seed in range(25):
        circuit = random_circuit(1000 * qubits + seed, qubits, seed * 3)
        expected = Statevector(to_qiskit(circuit))
        np.testing.assert_allclose(statevector.statevector(circuit), expected.data, atol=1e-10)
        np.testing.assert_allclose(
            statevector.probabilities(statevector.compiled(circuit)),
            expected.probabilities(list(circuit.measured_qubits)),
            atol=1e-10,
        )


@pytest.mark.parametrize("qubits", [12, 13, 16])
def test_wide_states_are_qiskits(qubits, random_circuit, to_qiskit):
    circuit = random_circuit(qubits, qubits, 120)
    expected = Statevector(to_qiskit(circuit)).data
    np.testing.assert_allclose(statevector.statevector(circuit), expected, atol=1e-10)


def test_runs_of_phases_on_many_qubits_are_exact(to_qiskit):
    # More qubits than one diagonal block holds, with gates on both sides.
    n = 14
    gates = [Instruction("h", (q,)) for q in range(n)]
    gates += [Instruction("cp", (a, b), (0.1 * a + b,)) for a in range(n) for b in range(a + 1, n)]
    gates += [Instruction("rzz", (b, a), (0.3 * a - b,)) for a in range(n) for b in range(a + 1, n)]
    gates += [Instruction("ry", (q,), (q + 0.5,)) for q in range(n)]
    circuit = Circuit(n, 1, tuple(gates), (Measurement(0, 0),))
    expected = Statevector(to_qiskit(circuit)).data
    np.testing.assert_allclose(statevector.statevector(circuit), expected, atol=1e-10)


def test_a_program_can_be_run_again(layered):
    program = statevector.compiled(layered(6, 8))
    first = statevector.probabilities(program)
    np.testing.assert_array_equal(first, statevector.probabilities(program))
    assert first.sum() == pytest.approx(1)


def test_small_circuits_become_few_steps(layered):
    assert len(statevector.compiled(layered(4, 20)).steps) == 1
    assert len(statevector.compiled(layered(8, 10)).steps) <= 15


def test_too_wide_a_circuit_is_refused(ghz):
    with pytest.raises(ValueError, match="at most 16"):
        statevector.compiled(ghz(17))
