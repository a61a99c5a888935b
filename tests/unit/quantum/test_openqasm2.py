"""OpenQASM 2 means here what it means to Qiskit, and opens no door to what is only OpenQASM 3."""

from __future__ import annotations

import numpy as np
import pytest
import qiskit.qasm2
from qiskit.quantum_info import Statevector

from omnixan.edge_network.quantum import statevector
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.openqasm import parse
from omnixan.edge_network.quantum.openqasm2 import QELIB1, SEQUENCES, translate

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
WIDTHS = {"u0": (1, 1), "rxx": (1, 2), "rzz": (1, 2), "rccx": (0, 3), "rc3x": (0, 4), "U": (3, 1), "CX": (0, 2)} | {
    name: (gate.params, gate.qubits) for name, gate in QELIB1.items()
}
ORACLE = qiskit.qasm2.LEGACY_CUSTOM_INSTRUCTIONS
END = "\ncreg c[5];\nmeasure q -> c;"


def same(text: str) -> None:
    """The state before the measurement is Qiskit's, up to the global phase."""
    circuit = qiskit.qasm2.loads(text, include_path=(), custom_instructions=ORACLE)
    circuit.remove_final_measurements()
    expected = np.asarray(Statevector(circuit).data)
    ours = statevector.statevector(parse(text))
    assert abs(np.vdot(expected, ours)) == pytest.approx(1, abs=1e-9), text


def random_program(seed: int) -> str:
    """Definitions that call earlier ones, broadcasts, expressions; on five qubits."""
    rng = np.random.default_rng(seed)
    gates = {name: shape for name, shape in WIDTHS.items() if name != "u0"}  # Qiskit wants it to be an integer

    def angle(names: list[str]) -> str:
        forms = ["{:.4f}", "pi/{:.0f}", "-{:.3f}*pi", "cos({:.2f})^2", "3/2", "ln(2)+1", "sqrt(2)-{:.2f}", "2^3/5", "1-2-3"]
        text = str(rng.choice(forms)).format(rng.uniform(1, 3))
        return f"{rng.choice(names)}*{text}" if names and rng.random() < 0.5 else text

    def call(qubits: list[str], names: list[str]) -> str:
        name = str(rng.choice(list(gates)))
        params, width = gates[name]
        if width > len(qubits):
            return ""
        arguments = f"({','.join(angle(names) for _ in range(params))})" if params else ""
        return f"{name}{arguments} {','.join(rng.choice(qubits, width, replace=False))};"

    text = HEAD
    for number in range(3):
        names, qubits = [f"t{i}" for i in range(rng.integers(0, 3))], [f"a{i}" for i in range(rng.integers(1, 4))]
        body = " ".join(call(qubits, names) for _ in range(3))
        arguments = f"({','.join(names)})" if names else ""
        text += f"gate g{number}{arguments} {','.join(qubits)} {{ {body} }}\n"
        gates[f"g{number}"] = (len(names), len(qubits))
    text += "qreg q[5];\nh q;\n"
    return text + "\n".join(call([f"q[{i}]" for i in range(5)], []) for _ in range(10)) + END


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_mean_what_qiskit_says(seed: int) -> None:
    same(random_program(seed))


@pytest.mark.parametrize("name", sorted(WIDTHS))
def test_every_gate_of_the_library_is_qiskits(name: str) -> None:
    params, width = WIDTHS[name]
    arguments = f"({','.join(f'0.{i + 3}' for i in range(params))})" if params else ""
    arguments = "(3)" if name == "u0" else arguments
    prepare = "".join(f"u3(0.{i + 1},0.{i + 2},0.3) q[{i}];" for i in range(5))
    same(f"{HEAD}qreg q[5];{prepare}{name}{arguments} {','.join(f'q[{i}]' for i in range(width))};{END}")


@pytest.mark.parametrize("expression", ["-2^2", "2*3^2", "1/2", "7/2/2", "-pi/2", "2^-1", "sin(1)+cos(2)*tan(3)", "exp(1)"])
def test_expressions_have_openqasm_2s_values(expression: str) -> None:
    same(f"{HEAD}qreg q[5];h q;rx({expression}) q[0];{END}")


def test_names_that_are_words_of_openqasm_3_are_names() -> None:
    same(f"{HEAD}gate ctrl input {{ h input; }}\nqreg in[5];\nctrl in[0];\ncreg c[5];\nmeasure in -> c;")


def test_u_and_cx_need_no_library_and_registers_broadcast() -> None:
    same("OPENQASM 2.0;qreg a[2];qreg b[2];U(0.1,0.2,0.3) a;CX a,b;CX a[0],b[1];creg c[2];measure b -> c;")


@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_gates_that_are_sequences_are_defined_only_where_they_are_used(name: str) -> None:
    assert f"gate {name}" in translate(f"{HEAD}qreg q[5];\n{name} q[0];")
    assert "gate" not in translate(f"{HEAD}qreg q[5];\nh q[0];")


@pytest.mark.parametrize(
    ("body", "category", "line"),
    [
        ("qreg q[1];\nfor int i in [0:3] { h q[0]; }", "INVALID_PROGRAM", 4),
        ("qreg q[2];\nctrl @ x q[0], q[1];", "INVALID_PROGRAM", 4),
        ("qubit[2] q;", "INVALID_PROGRAM", 3),
        ("qreg q[1];\nopaque magic a;", "CAPABILITY_MISMATCH", 4),
        ("qreg q[1];\ncreg c[1];\nif(c==1) x q[0];", "CAPABILITY_MISMATCH", 5),
        ("qreg q[1];\nreset q[0];", "CAPABILITY_MISMATCH", 4),
        ("qreg q[1];\nnosuch q[0];", "INVALID_PROGRAM", 4),
        ("qreg q[1];\nh q[0]", "INVALID_PROGRAM", 4),
        ("qreg q[1];\n@ q[0];", "INVALID_PROGRAM", 4),
        ("qreg q[1];\nh q[7];", "INVALID_PROGRAM", 4),
        ('include "stdgates.inc";', "PAYLOAD_REJECTED", 3),
        ('include "/etc/passwd";', "PAYLOAD_REJECTED", 3),
    ],
)
def test_what_is_refused_names_its_line(body: str, category: str, line: int) -> None:
    with pytest.raises(ProgramError) as refused:
        parse(f"{HEAD}{body}")
    assert (refused.value.category, refused.value.line) == (category, line), refused.value


def test_definitions_that_double_are_refused_before_they_grow() -> None:
    doubling = "".join(f"gate g{i + 1} a {{ g{i} a; g{i} a; }}\n" for i in range(60))
    with pytest.raises(ProgramError, match="expands to more than"):
        parse(f"{HEAD}gate g0 a {{ h a; }}\n{doubling}qreg q[1];g60 q[0];{END}")


def test_openqasm_3_knows_nothing_of_the_library_of_openqasm_2() -> None:
    with pytest.raises(ProgramError, match=r"qelib1\.inc"):
        parse('OPENQASM 3.0; include "qelib1.inc"; qubit q; bit c; c = measure q;')
