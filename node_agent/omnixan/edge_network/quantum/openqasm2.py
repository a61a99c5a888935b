"""OpenQASM 2 text → the same program in OpenQASM 3, line by line, so that one interpreter with one budget reads both.

OpenQASM 2 is nearly a part of OpenQASM 3: registers, gates, definitions, barriers and measurements are written alike.
What differs is translated token by token, and nothing else of OpenQASM 3 becomes available by it: its keywords are
plain names in OpenQASM 2, and are renamed here.

- numbers are real outside of brackets (1/2 is a half), `^` is power, `ln` the natural logarithm;
- `include "qelib1.inc"` brings the gates of that library, as Qiskit has them; those that are sequences of others are
  defined on the spot, if the program uses them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.stdgates import STDGATES, StandardGate

LIBRARY = "qelib1.inc"

QELIB1 = {name: gate for name, gate in STDGATES.items() if name not in ("CX", "phase", "cphase")} | {
    "u": StandardGate("u", 0, 3),
    "sxdg": StandardGate("sxdg", 0, 0),
    "cu1": StandardGate("p", 1, 1),
    "cu3": StandardGate("u", 1, 3),
    "csx": StandardGate("sx", 1, 0),
    "c3x": StandardGate("x", 3, 0),
    "c3sqrtx": StandardGate("sx", 3, 0),
    "c4x": StandardGate("x", 4, 0),
}
"""The gates of the library that are one-qubit gates with controls."""

SEQUENCES = {
    "u0": "gate u0(t) a { id a; }",
    "rxx": "gate rxx(t) a, b { h a; h b; cx a, b; rz(t) b; cx a, b; h b; h a; }",
    "rzz": "gate rzz(t) a, b { cx a, b; rz(t) b; cx a, b; }",
    # Maslov, Phys. Rev. A 93, 022311 (2016), figures 3 and 4: cheaper than their exact cousins, up to phases.
    "rccx": "gate rccx a, b, c { h c; t c; cx b, c; tdg c; cx a, c; t c; cx b, c; tdg c; h c; }",
    "rc3x": (
        "gate rc3x a, b, c, d { h d; t d; cx c, d; tdg d; h d; cx a, d; t d; cx b, d; tdg d; cx a, d; t d; cx b, d; "
        "tdg d; h d; t d; cx c, d; tdg d; h d; }"
    ),
}
"""The gates of the library that are sequences of others, as definitions."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>"[^"\n]*"|'[^'\n]*')
    |(?P<real>(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
    |(?P<integer>[0-9]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol>->|==|[-+*/^()\[\]{},;])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = frozenset({"OPENQASM", "include", "qreg", "creg", "gate", "barrier", "measure", "reset", "if", "pi", "U"})
_FUNCTIONS = {"sin": "sin", "cos": "cos", "tan": "tan", "exp": "exp", "ln": "log", "sqrt": "sqrt"}
_OPENQASM3_WORDS = frozenset(
    re.findall(
        r"\w+",
        """defcalgrammar def cal defcal extern box let break continue return for while in else end switch case default
        pragma input output const readonly mutable qubit bit bool int uint float angle complex array void duration
        stretch gphase inv pow ctrl negctrl durationof delay true false im euler tau log mod rotl rotr arcsin arccos
        arctan ceiling floor popcount nop sizeof dim""",
    )
)
_RENAMED = "_in_openqasm2"


def translate(text: str) -> str:
    """Return the program in OpenQASM 3; every line keeps its number. ProgramError names the line of what is foreign.

    Whether the outcome is a valid program is for the parser to say.
    """
    tokens = list(_tokens(text))
    used = {value for kind, value, _ in tokens if kind == "name"}
    parts: list[str] = []
    depth, previous, after = 0, "", ""
    for kind, value, line in tokens:
        if kind == "other":
            raise ProgramError("INVALID_PROGRAM", "SyntaxError", f"not valid OpenQASM 2: unexpected '{value}'", line)
        if kind == "space":
            parts.append(value)
            continue
        if kind == "name":
            value_now = _name(value, line)
        elif kind == "integer":
            value_now = value if depth else f"{value}.0"
        elif kind == "real" and previous == "OPENQASM":
            value_now = "3.0"
        else:
            value_now = "**" if value == "^" else value
        parts.append(value_now)
        if value == ";" and after:
            parts.append(after)
            after = ""
        if kind == "string" and previous == "include" and value[1:-1] == LIBRARY:
            after = " " + " ".join(definition for name, definition in SEQUENCES.items() if name in used)
        depth += (value == "[") - (value == "]")
        previous = value
    return "".join(parts)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        assert match.lastgroup is not None
        yield match.lastgroup, match.group(), line
        line += match.group().count("\n")


def _name(name: str, line: int) -> str:
    if name == "opaque":
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "UnsupportedStatement",
            "'opaque' is not supported: nothing here knows what such a gate does; define it with 'gate'",
            line,
        )
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    return name + _RENAMED if name in _OPENQASM3_WORDS and name not in _WORDS else name
