# ruff: noqa: E501 (a program and its meaning on one line)
"""What programs mean: Qiskit's importer is the oracle."""

import numpy as np
import pytest
import qiskit.qasm3
from qiskit.circuit.exceptions import CircuitError
from qiskit.quantum_info import Operator, Statevector

from omnixan.edge_network.quantum import statevector
from omnixan.edge_network.quantum.openqasm import parse

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'

GATES = {
    **dict.fromkeys(("x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "id"), (0, 1)),
    **dict.fromkeys(("p", "rx", "ry", "rz", "u1", "phase"), (1, 1)),
    **dict.fromkeys(("cx", "cy", "cz", "ch", "swap", "CX"), (0, 2)),
    **dict.fromkeys(("cp", "crx", "cry", "crz", "cphase"), (1, 2)),
    **dict.fromkeys(("ccx", "cswap"), (0, 3)),
    **dict.fromkeys(("u3", "U"), (3, 1)),
    "u2": (2, 1),
    # Not cu: Qiskit 2.6 gets the control of an inverted cu wrong. It has tests of its own below.
}


class ProgramMaker:
    """Random programs with nested definitions and modifiers on five qubits."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.gates = dict(GATES)

    def make(self):
        text = HEAD
        for number in range(self.rng.integers(0, 4)):
            qubits = [f"a{i}" for i in range(self.rng.integers(1, 4))]
            params = [f"t{number}_{i}" for i in range(self.rng.integers(0, 3))]
            body = " ".join(self.statement(qubits, params) for _ in range(4))
            arguments = f"({', '.join(params)})" if params else ""
            text += f"gate g{number}{arguments} {', '.join(qubits)} {{ {body} }}\n"
            self.gates[f"g{number}"] = (len(params), len(qubits))
        text += "qubit[5] q;\n"
        return text + "\n".join(self.statement([f"q[{i}]" for i in range(5)], []) for _ in range(7))

    def statement(self, qubits, params):
        name = self.rng.choice(list(self.gates))
        arguments, width = self.gates[name]
        modifiers, controls = "", 0
        while self.rng.random() < 0.35 and controls < 2:
            kind = self.rng.integers(4)
            modifiers += ["inv @ ", f"pow({self.rng.integers(-3, 4)}) @ ", "ctrl @ ", "negctrl @ "][kind]
            controls += kind >= 2
        if width + controls > len(qubits):
            return ""
        operands = self.rng.choice(qubits, width + controls, replace=False)
        values = [f"{value:.6f}" for value in self.rng.uniform(-4, 4, arguments)]
        values = [f"{self.rng.choice(params)} * {v}" if params and self.rng.random() < 0.5 else v for v in values]
        call = f"({', '.join(values)})" if values else ""
        return f"{modifiers}{name}{call} {', '.join(operands)};"


@pytest.mark.parametrize("block", range(5))
def test_random_programs_mean_what_qiskit_says(block, to_qiskit):
    compared = 0
    for seed in range(25 * block, 25 * block + 25):
        text = ProgramMaker(seed).make()
        try:
            expected = Operator(qiskit.qasm3.loads(text)).data
        except (TypeError, CircuitError):
            continue  # Qiskit's importer cannot raise a gate with symbolic parameters to a power
        got = Operator(to_qiskit(parse(text + "\nbit[5] c; c = measure q;"))).data
        overlap = abs(np.trace(got.conj().T @ expected)) / 32  # 1 exactly if equal up to a global phase
        assert overlap == pytest.approx(1, abs=1e-9), text
        compared += 1
    assert compared >= 15


def state_of(body, qubits):
    """The state a program without measurements ends in, by our engine."""
    text = f"{HEAD}qubit[{qubits}] q; bit m;\n{body}\nm = measure q[0];"
    return statevector.statevector(parse(text))


@pytest.mark.parametrize(
    ("body", "same_as"),
    [
        ("for int i in [0:2] { rx(i + 1) q[i]; }", "rx(1) q[0]; rx(2) q[1]; rx(3) q[2];"),
        ("for uint i in [2:-1:1] { cx q[i], q[i - 1]; h q[i]; }", "cx q[2], q[1]; h q[2]; cx q[1], q[0]; h q[1];"),
        ("for int i in {2, 0} { h q[i]; cp(pi / 2 ** i) q[i], q[1]; }", "h q[2]; cp(pi/4) q[2], q[1]; h q[0]; cp(pi) q[0], q[1];"),
        ("const int n = 3; const float w = pi / n; h q[n - 1]; rz(2 * w) q[2]; ry(w) q[0];", "h q[2]; rz(2*pi/3) q[2]; ry(pi/3) q[0];"),
        ("rx(7 / 2) q[0]; ry(-7 / 2) q[1]; rz(7 % 4) q[2]; h q;", "rx(3) q[0]; ry(-3) q[1]; rz(3) q[2]; h q;"),
        ("rx(sin(1) + sqrt(2.0)) q[0]; ry(arccos(0.5) * exp(1)) q[1];", "rx(2.255684547) q[0]; ry(2.846574268) q[1];"),
        ("rx(-(pi - 2 * -1)) q[0];", "rx(-5.14159265359) q[0];"),
        ("h q[{0, 2}]; x q[-1]; let a = q[0:1]; ry(1) a;", "h q[0]; h q[2]; x q[2]; ry(1) q[0]; ry(1) q[1];"),
        ("let a = q[2:-1:1] ++ q[{0}]; rx(1) a[0]; ry(2) a[2];", "rx(1) q[2]; ry(2) q[0];"),
        ("gate g a { for int i in {1, 2} { rx(i) a; rz(i) a; } } h q[0]; inv @ g q[0];", "h q[0]; rz(-2) q[0]; rx(-2) q[0]; rz(-1) q[0]; rx(-1) q[0];"),
        ("gate g a { rx(1) a; rz(2) a; } h q; pow(-2) @ g q[1];", "h q; rz(-2) q[1]; rx(-1) q[1]; rz(-2) q[1]; rx(-1) q[1];"),
        ("h q; pow(0.5) @ x q[0]; pow(1 / 2.0) @ z q[1];", "h q; sx q[0]; s q[1];"),
        ("h q; ctrl @ gphase(0.7) q[1];", "h q; p(0.7) q[1];"),
        ("h q; negctrl @ ctrl @ gphase(0.7) q[0], q[1];", "h q; x q[0]; cp(0.7) q[0], q[1]; x q[0];"),
        ("gate g a, b { gphase(0.4); swap a, b; } h q; ry(1) q[1]; ctrl @ g q[0], q[1], q[2];", "h q; ry(1) q[1]; p(0.4) q[0]; cswap q[0], q[1], q[2];"),
        ("h q; ry(0.4) q[2]; pow(0.5) @ swap q[0], q[2]; pow(0.5) @ swap q[0], q[2];", "h q; ry(0.4) q[2]; swap q[0], q[2];"),
        ("h q; barrier q[0], q[1]; cx q[0], q[1]; barrier q;", "h q; cx q[0], q[1];"),
        ("{ h q[0]; { x q[1]; } }", "h q[0]; x q[1];"),
        ("rx(int(2.9)) q[0]; ry(float(7) / 2) q[1]; rz(mod(7, 4)) q[2];", "rx(2) q[0]; ry(3.5) q[1]; rz(3) q[2];"),
        ("h q; ry(1) q[2]; ctrl @ cu(1, 2, 3, 4) q[0], q[1], q[2];", "h q; ry(1) q[2]; inv @ ctrl @ inv @ cu(1, 2, 3, 4) q[0], q[1], q[2];"),
        ("h q; cu(1, 2, 3, 4) q[0], q[1]; inv @ cu(1, 2, 3, 4) q[0], q[1];", "h q;"),
        ("h q; ry(1) q[1]; cu(1, 2, 3, 4) q[0], q[1];", "h q; ry(1) q[1]; p(4) q[0]; ctrl @ U(1, 2, 3) q[0], q[1];"),
    ],
)  # fmt: skip
def test_the_language_means_what_it_should(body, same_as):
    got, expected = state_of(body, 3), state_of(same_as, 3)
    assert abs(np.vdot(got, expected)) == pytest.approx(1, abs=1e-9)


def test_a_controlled_cu_is_qiskits():
    body = "qubit[3] q; h q; ry(1) q[2]; ctrl @ cu(2.5, -1.9, 1.1, -3.9) q[1], q[0], q[2];"
    expected = Statevector(qiskit.qasm3.loads(HEAD + body)).data
    assert abs(np.vdot(state_of(body.removeprefix("qubit[3] q;"), 3), expected)) == pytest.approx(1, abs=1e-9)


def test_broadcast_goes_through_registers_together():
    text = HEAD + "qubit[3] a; qubit[3] b; qubit d; bit m; h a; cx a, b; ry(0.3) d; cx d, a; m = measure d;"
    plain = "h q[0]; h q[1]; h q[2]; cx q[0], q[3]; cx q[1], q[4]; cx q[2], q[5]; ry(0.3) q[6];"
    plain += "cx q[6], q[0]; cx q[6], q[1]; cx q[6], q[2];"
    np.testing.assert_allclose(statevector.statevector(parse(text)), state_of(plain, 7), atol=1e-12)


def test_a_gate_of_the_programs_own_may_have_a_standard_name():
    text = "OPENQASM 3.0; gate cx a, b { U(pi, 0, pi) a; } qubit[2] q; bit[2] c; cx q[0], q[1]; c = measure q;"
    circuit = parse(text)
    assert [item.name for item in circuit.instructions] == ["u"]


def test_bits_are_numbered_in_order_of_declaration():
    text = HEAD + "qubit[3] q; bit[2] a; bit b; b = measure q[0]; a[1] = measure q[2]; a[0] = measure q[1];"
    assert parse(text).measurements == ((1, 0), (2, 1), (0, 2))


def test_the_last_measurement_into_a_bit_counts():
    text = HEAD + "qubit[2] q; bit c; c = measure q[0]; c = measure q[1];"
    assert parse(text).measurements == ((1, 0),)


def test_declaration_with_measurement_and_old_arrow():
    assert parse("qubit[2] q; bit[2] c = measure q;").measurements == ((0, 0), (1, 1))
    assert parse("qubit q; bit c; measure q -> c;").measurements == ((0, 0),)


def test_state_before_measurement_is_what_is_sampled(to_qiskit):
    text = HEAD + "qubit[4] q; bit[4] c; h q[0]; cx q[0], q[3]; c[2] = measure q[3]; ry(1) q[1]; c[0] = measure q[1];"
    circuit = parse(text)
    program = statevector.compiled(circuit)
    expected = Statevector(to_qiskit(circuit)).probabilities([1, 3])
    np.testing.assert_allclose(statevector.probabilities(program), expected, atol=1e-12)
