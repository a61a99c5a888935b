# ruff: noqa: E501 (a program and its meaning on one line)
"""What cannot run is refused with category, reason, line, and words that say what to do."""

import pytest

from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.openqasm import parse

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
END = "\nbit[2] c; c = measure q;"

INVALID, REJECTED, MISMATCH = "INVALID_PROGRAM", "PAYLOAD_REJECTED", "CAPABILITY_MISMATCH"

DOUBLING = "gate a0 x {h x;}" + "".join(f" gate a{i + 1} x {{a{i} x; a{i} x;}}" for i in range(60))

CASES = [
    # Syntax
    (HEAD + "qubit[2] q;\nh q[0", INVALID, "SyntaxError", 4, "ends in the middle"),
    (HEAD + "qubit[2] q\nh q[0];" + END, INVALID, "SyntaxError", 4, "unexpected 'h' at column 1"),
    (HEAD + "qubit[2] q;\nh q[0]; §" + END, INVALID, "SyntaxError", 4, "§"),
    ("", INVALID, "SyntaxError", None, "empty"),
    ("OPENQASM 3.0;", INVALID, "NoQubits", None, "declares no qubits"),
    (HEAD + "qubit q; rx(" + "9" * 5000 + ") q;", INVALID, "SyntaxError", None, "limit"),
    ("// new\nOPENQASM 4.0;\nqubit q;", INVALID, "UnsupportedVersion", 2, "OpenQASM 3"),
    # Meaning
    (HEAD + "qubit[2] q;\nmeasure q;", INVALID, "SemanticError", 4, "c = measure q;"),
    (HEAD + "qubit[2] q; bit[3] c;\nc = measure q;", INVALID, "SemanticError", 4, "2 qubits are measured into 3"),
    (HEAD + "qubit[2] q;\nfoo q[0];" + END, INVALID, "SemanticError", 4, "gate 'foo' is not defined"),
    ("qubit[2] q;\nh q;" + END, INVALID, "SemanticError", 2, "stdgates.inc"),
    (HEAD + "qubit[2] q;\nh r;" + END, INVALID, "SemanticError", 4, "'r' is not defined"),
    (HEAD + "qubit[2] q;\nh q[2];" + END, INVALID, "SemanticError", 4, "allowed are 0 to 1"),
    (HEAD + "qubit[2] q;\nh q[0:2];" + END, INVALID, "SemanticError", 4, "allowed are 0 to 1"),
    (HEAD + "qubit[2] q;\nh q[0], q[1];" + END, INVALID, "SemanticError", 4, "takes 1 qubits here, not 2"),
    (HEAD + "qubit[2] q;\nrx q[0];" + END, INVALID, "SemanticError", 4, "takes 1 parameters, not 0"),
    (HEAD + "qubit[2] q;\ncx q[0], q[0];" + END, INVALID, "DuplicateQubit", 4, "same qubit twice"),
    (HEAD + "qubit[2] q;\nlet a = q ++ q; h a;" + END, INVALID, "DuplicateQubit", 4, "twice"),
    (HEAD + "gate g a { ctrl @ x a, a; }\nqubit[2] q; g q;" + END, INVALID, "DuplicateQubit", 3, "same qubit twice"),
    (HEAD + "qubit[2] q;\nqubit[2] q;" + END, INVALID, "SemanticError", 4, "already defined"),
    (HEAD + "gate cx a, b {}\nqubit[2] q;" + END, INVALID, "SemanticError", 3, "already defined"),
    (HEAD + "gate g a { g a; }\nqubit[2] q; g q;" + END, INVALID, "SemanticError", 3, "not defined here"),
    (HEAD + "gate g a { h q[0]; }\nqubit[2] q; g q;" + END, INVALID, "SemanticError", 3, "'q' is not defined here"),
    (HEAD + "qubit[2] q;\nrx(1 / 0) q;" + END, INVALID, "SemanticError", 4, "division by zero"),
    (HEAD + "qubit[2] q;\nrx(1e400) q;" + END, INVALID, "SemanticError", 4, "too large"),
    (HEAD + "qubit[2] q;\nrx(log(0)) q;" + END, INVALID, "SemanticError", 4, "log"),
    (HEAD + "qubit[2] q;\nrx(sqrt(-1)) q;" + END, INVALID, "SemanticError", 4, "sqrt"),
    (HEAD + "qubit[2] q;\npow(1e308) @ rx(1e10) q;" + END, INVALID, "SemanticError", 4, "not a finite number"),
    (HEAD + "qubit[2] q;\nctrl(3) @ x q[0], q[1];" + END, INVALID, "SemanticError", 4, "takes 4 qubits here"),
    (HEAD + "qubit[2] q;\nctrl(1000000000) @ x q[0];" + END, INVALID, "BadModifier", 4, "controls"),
    (HEAD + "qubit[0] q;", INVALID, "BadRegisterSize", 3, "at least 1"),
    (HEAD + "qubit[1.5] q;", INVALID, "SemanticError", 3, "integer"),
    (HEAD + "qubit[2] q;\nfor int i in [0:0:3] { h q; }" + END, INVALID, "SemanticError", 4, "must not be 0"),
    # Safety
    ('OPENQASM 3.0;\ninclude "/etc/passwd";', REJECTED, "IncludeNotAllowed", 2, "only include"),
    ('OPENQASM 3.0;\ninclude "qelib1.inc";', REJECTED, "IncludeNotAllowed", 2, "only include"),
    (HEAD + "qubit[100000000] q;", REJECTED, "TooManyBits", 3, "at most 1000"),
    (HEAD + "qubit[10 ** 8] q;", REJECTED, "TooManyBits", 3, "at most 1000"),
    (HEAD + "bit[100000000] q;", REJECTED, "TooManyBits", 3, "at most 1000"),
    (HEAD + "qubit[600] q;\nqubit[600] r;", REJECTED, "TooManyBits", 4, "1200"),
    (HEAD + DOUBLING + "\nqubit q; a60 q;", REJECTED, "TooManyGates", 3, "more than 100000"),
    (HEAD + "qubit q;\nfor int i in [0:1000000000] {}", REJECTED, "TooManyGates", 4, "more than 100000"),
    (HEAD + "gate g a {}\nqubit q;\npow(10 ** 12) @ g q;", REJECTED, "TooManyGates", 5, "more than 100000"),
    (HEAD + "qubit[900] q;\nfor int i in [1:200] { h q; }", REJECTED, "TooManyGates", 4, "more than 100000"),
    (HEAD + "qubit q; rx(" + "(" * 3000 + "1" + ")" * 3000 + ") q;", REJECTED, "NestedTooDeep", None, "flatter"),
    (HEAD + "qubit q; h q;" + " " * 131072, REJECTED, "ProgramTooLarge", None, "at most 131072"),
    # Capability
    (HEAD + "qubit[2] q;\nreset q;" + END, MISMATCH, "UnsupportedStatement", 4, "'reset'"),
    (HEAD + "qubit[2] q;\nbit[2] c;\nc[0] = measure q[0];\nh q[0];", MISMATCH, "MidCircuitMeasurement", 6, "line 5"),
    (HEAD + "qubit[2] q; bit c;\nif (c == 1) { h q; }", MISMATCH, "UnsupportedStatement", 4, "'if'"),
    (HEAD + "qubit[2] q; bit c;\nwhile (c == 1) { h q; }", MISMATCH, "UnsupportedStatement", 4, "'while'"),
    (HEAD + "qubit[2] q;\ndelay[10ns] q;", MISMATCH, "UnsupportedStatement", 4, "'delay'"),
    (HEAD + "def f(qubit a) { h a; }", MISMATCH, "UnsupportedStatement", 3, "'def'"),
    (HEAD + "int n = 3;", MISMATCH, "UnsupportedDeclaration", 3, "const int n"),
    (HEAD + "input float x;\nqubit q; rx(x) q;", MISMATCH, "UnboundInput", 3, "nothing binds"),
    (HEAD + "output bit c;", MISMATCH, "UnboundInput", 3, "measure into a bit"),
    (HEAD + "h $0;", MISMATCH, "HardwareQubits", 3, "declare a register"),
    (HEAD + "qubit[2] q;\nh[100ns] q;", MISMATCH, "UnsupportedStatement", 4, "duration"),
    (HEAD + "gate g a, b { h a; cx a, b; }\nqubit[2] q;\npow(0.5) @ g q[0], q[1];", MISMATCH, "UnsupportedPower", 5, "integer powers"),
    (HEAD + "qubit[2] q;\nrx(true) q;", MISMATCH, "Unsupported", 4, "constant numbers"),
    (HEAD + "qubit[2] q;\nrx(1 << 2) q;", MISMATCH, "Unsupported", 4, "'<<'"),
    (HEAD + "qubit[2] q;\nrx(foo(2)) q;", MISMATCH, "Unsupported", 4, "'foo'"),
    (HEAD + "bit[2] c = \"01\";", MISMATCH, "UnsupportedDeclaration", 3, "set by a measurement"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "category", "reason", "line", "words"), CASES)
def test_what_cannot_run_is_refused_and_said_why(text, category, reason, line, words):
    with pytest.raises(ProgramError) as error:
        parse(text)
    assert (error.value.category, error.value.reason, error.value.line) == (category, reason, line)
    assert words in str(error.value)


def test_every_truncation_of_a_program_is_an_answer_not_a_crash():
    text = (
        HEAD + "const int n = 2; gate g(t) a, b { rx(t / 2) a; ctrl @ negctrl @ pow(2) @ ry(-t) b, a; gphase(1); }\n"
        "qubit[n] q; bit[2] c;\nfor int i in [0:1] { h q[i]; }\ng(sin(pi)) q[0], q[1]; let a = q[0:1] ++ q[{1}];\n"
        "barrier q; c = measure q;"
    )
    whole = 0
    for end in range(len(text)):
        try:
            circuit = parse(text[:end])
        except ProgramError as error:
            assert error.category in (INVALID, MISMATCH, REJECTED)
        else:
            assert not circuit.measurements, "only the last statement measures"
            whole += 1
    assert 0 < whole < 12, "cut between two statements it is whole"


def test_an_included_file_is_not_opened(tmp_path):
    secret = tmp_path / "secret.inc"
    secret.write_text("gate leak a { token_4711 a; }")
    with pytest.raises(ProgramError) as error:
        parse(f'OPENQASM 3.0;\ninclude "{secret}";\nqubit q; leak q;')
    assert error.value.reason == "IncludeNotAllowed"
    assert "4711" not in str(error.value)
