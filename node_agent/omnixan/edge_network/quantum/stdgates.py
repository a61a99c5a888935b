"""The gates a program may call, as a one-qubit gate with controls: one form for modifiers and synthesis.

`stdgates.inc` is the standard library of OpenQASM 3. Phases are those of Qiskit's gates of the same name, which matters
under `ctrl` only; `U` is taken without the global phase exp(iθ/2) that OpenQASM 3.0 gave it, as Qiskit does.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omnixan.edge_network.quantum.circuit import Instruction
from omnixan.edge_network.quantum.controlled import Unitary, controlled, power
from omnixan.edge_network.quantum.gates import matrix


@dataclass(frozen=True, slots=True)
class StandardGate:
    """`base` (a one-qubit gate, "swap" or "cu") under `controls` controls, with `params` angles."""

    base: str
    controls: int
    params: int

    @property
    def qubits(self) -> int:
        """Number of qubits, the controls first."""
        return self.controls + (2 if self.base == "swap" else 1)


BUILTIN = {"U": StandardGate("u", 0, 3)}

STDGATES = {
    **{name: StandardGate(name, 0, 0) for name in ("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx")},
    **{name: StandardGate(name, 0, 1) for name in ("p", "rx", "ry", "rz")},
    **{"c" + name: StandardGate(name, 1, 0) for name in ("x", "y", "z", "h")},
    **{"c" + name: StandardGate(name, 1, 1) for name in ("p", "rx", "ry", "rz")},
    "cu": StandardGate("cu", 1, 4),
    "swap": StandardGate("swap", 0, 0),
    "ccx": StandardGate("x", 2, 0),
    "cswap": StandardGate("swap", 1, 0),
    "CX": StandardGate("x", 1, 0),
    "phase": StandardGate("p", 0, 1),
    "cphase": StandardGate("p", 1, 1),
    "u1": StandardGate("p", 0, 1),
    "u2": StandardGate("u2", 0, 2),
    "u3": StandardGate("u", 0, 3),
}

_INVERSE = {"s": "sdg", "sdg": "s", "t": "tdg", "tdg": "t", "sx": "sxdg", "sxdg": "sx"}
_SELF_INVERSE = frozenset({"id", "x", "y", "z", "h"})
_ROTATIONS = frozenset({"p", "rx", "ry", "rz"})
_CONTROLLED = {name: "c" + name for name in ("x", "y", "z", "h", "s", "sdg", "sx", "p", "rx", "ry", "rz")}


def expand(
    gate: StandardGate,
    params: Sequence[float],
    exponents: Sequence[float],
    controls: Sequence[int],
    qubits: Sequence[int],
    borrowed: Sequence[int],
) -> Iterator[Instruction]:
    """Yield a gate as gates of `gates.GATES`.

    `exponents` are its powers, innermost first (-1 is the inverse); `controls` are controls that modifiers added, all
    on |1>; `qubits` are the gate's own; `borrowed` are other qubits of the circuit, returned as they were.
    """
    if gate.base == "swap":
        yield from _swap(exponents, [*controls, *qubits[:-2]], qubits[-2], qubits[-1], borrowed)
        return
    every, target = [*controls, *qubits[:-1]], qubits[-1]
    if gate.base in ("u", "u2", "cu"):
        angles = [math.pi / 2, *params] if gate.base == "u2" else list(params)
        if not exponents and not every:
            yield Instruction("u", (target,), tuple(angles[:3]))
        elif not exponents and len(every) == 1:
            yield Instruction("cu", (every[0], target), (*angles[:3], angles[3] if gate.base == "cu" else 0.0))
        else:
            factor = cmath.exp(1j * angles[3]) if gate.base == "cu" else 1
            unitary = _unitary("u", angles[:3], factor)
            yield from controlled(_powers(unitary, exponents), every, target, borrowed)
        return
    named = _named_power(gate.base, params, exponents)
    if named is None:
        yield from controlled(_powers(_unitary(gate.base, params), exponents), every, target, borrowed)
        return
    name, angles = named
    if not every:
        yield Instruction(name, (target,), tuple(angles))
    elif name == "id":
        return
    elif len(every) == 1 and name in _CONTROLLED:
        yield Instruction(_CONTROLLED[name], (every[0], target), tuple(angles))
    else:
        yield from controlled(_unitary(name, angles), every, target, borrowed)


def _swap(
    exponents: Sequence[float], controls: Sequence[int], first: int, second: int, borrowed: Sequence[int]
) -> Iterator[Instruction]:
    """Yield a swap as a flip of `first` by `second` between two cx: controls and powers act on the flip alone."""
    if not controls and all(float(e).is_integer() for e in exponents):
        if math.prod(int(e) % 2 for e in exponents):
            yield Instruction("swap", (first, second))
        return
    yield Instruction("cx", (first, second))
    yield from expand(STDGATES["cx"], (), exponents, controls, (second, first), borrowed)
    yield Instruction("cx", (first, second))


def _named_power(name: str, params: Sequence[float], exponents: Sequence[float]) -> tuple[str, list[float]] | None:
    """Return a named gate and angles equal to the gate under all exponents, or None if only a matrix says it."""
    angles = list(params)
    for exponent in exponents:
        if not float(exponent).is_integer():
            return None
        if name in _ROTATIONS:
            angles = [angle * exponent for angle in angles]
        elif name in _SELF_INVERSE:
            name = name if exponent % 2 else "id"
        elif exponent == -1:
            name = _INVERSE[name]
        elif exponent != 1:
            return None
    return name, angles


def _unitary(name: str, params: Sequence[float], factor: complex = 1) -> Unitary:
    a, b, c, d = matrix(name, params).ravel().tolist()
    return (factor * a, factor * b, factor * c, factor * d)


def _powers(unitary: Unitary, exponents: Sequence[float]) -> Unitary:
    for exponent in exponents:
        unitary = power(unitary, exponent)
    return unitary
