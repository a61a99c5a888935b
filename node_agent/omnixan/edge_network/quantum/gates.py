"""The standard gates of the circuit representation: names, shapes and matrices.

A gate of one qubit is a (2, 2) matrix, of two qubits a (4, 4) matrix. Bit k of a row or column index belongs to the
k-th qubit the gate is given (the first qubit is the least significant bit, as in Qiskit), so a controlled gate's
control is its first qubit. Definitions are those of the OpenQASM 3 standard library and, for what it lacks
(iswap, ecr, rxx, …), of Qiskit's circuit library; global phases are kept.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ComplexArray = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class GateKind:
    """A gate's shape: number of qubits and parameters, whether its matrix is diagonal, and the matrix itself."""

    qubits: int
    params: int
    diagonal: bool
    build: Callable[..., ComplexArray]


def _array(rows: Sequence[Sequence[complex]]) -> ComplexArray:
    return np.array(rows, dtype=np.complex128)


def _constant(rows: Sequence[Sequence[complex]]) -> Callable[[], ComplexArray]:
    matrix = _array(rows)
    matrix.setflags(write=False)
    return lambda: matrix


def _u(theta: float, phi: float, lam: float) -> ComplexArray:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return _array(
        [
            [cos, -cmath.exp(1j * lam) * sin],
            [cmath.exp(1j * phi) * sin, cmath.exp(1j * (phi + lam)) * cos],
        ]
    )


def _p(lam: float) -> ComplexArray:
    return _array([[1, 0], [0, cmath.exp(1j * lam)]])


def _rx(theta: float) -> ComplexArray:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return _array([[cos, -1j * sin], [-1j * sin, cos]])


def _ry(theta: float) -> ComplexArray:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return _array([[cos, -sin], [sin, cos]])


def _rz(theta: float) -> ComplexArray:
    return _array([[cmath.exp(-0.5j * theta), 0], [0, cmath.exp(0.5j * theta)]])


def _controlled(inner: ComplexArray) -> ComplexArray:
    """Return the (4, 4) matrix that applies `inner` to the second qubit where the first is 1."""
    matrix = np.eye(4, dtype=np.complex128)
    matrix[1::2, 1::2] = inner
    return matrix


def _cu(theta: float, phi: float, lam: float, gamma: float) -> ComplexArray:
    return _controlled(cmath.exp(1j * gamma) * _u(theta, phi, lam))


def _ctrl(build: Callable[..., ComplexArray]) -> Callable[..., ComplexArray]:
    return lambda *params: _controlled(build(*params))


def _pauli_rotation(pauli: ComplexArray) -> Callable[[float], ComplexArray]:
    """Return θ ↦ exp(−iθ/2·P) for a (4, 4) Pauli product P."""
    return lambda theta: math.cos(theta / 2) * np.eye(4, dtype=np.complex128) - 1j * math.sin(theta / 2) * pauli


_X = _array([[0, 1], [1, 0]])
_Y = _array([[0, -1j], [1j, 0]])
_Z = _array([[1, 0], [0, -1]])


def _kron(second: ComplexArray, first: ComplexArray) -> ComplexArray:
    return np.kron(second, first).astype(np.complex128)


_R = math.sqrt(0.5)
_SX = _array([[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]])

GATES: dict[str, GateKind] = {
    "id": GateKind(1, 0, True, _constant([[1, 0], [0, 1]])),
    "x": GateKind(1, 0, False, _constant([[0, 1], [1, 0]])),
    "y": GateKind(1, 0, False, _constant([[0, -1j], [1j, 0]])),
    "z": GateKind(1, 0, True, _constant([[1, 0], [0, -1]])),
    "h": GateKind(1, 0, False, _constant([[_R, _R], [_R, -_R]])),
    "s": GateKind(1, 0, True, _constant([[1, 0], [0, 1j]])),
    "sdg": GateKind(1, 0, True, _constant([[1, 0], [0, -1j]])),
    "t": GateKind(1, 0, True, _constant([[1, 0], [0, complex(_R, _R)]])),
    "tdg": GateKind(1, 0, True, _constant([[1, 0], [0, complex(_R, -_R)]])),
    "sx": GateKind(1, 0, False, _constant(_SX.tolist())),
    "sxdg": GateKind(1, 0, False, _constant(_SX.conj().T.tolist())),
    "p": GateKind(1, 1, True, _p),
    "rx": GateKind(1, 1, False, _rx),
    "ry": GateKind(1, 1, False, _ry),
    "rz": GateKind(1, 1, True, _rz),
    "u": GateKind(1, 3, False, _u),
    "cx": GateKind(2, 0, False, _constant(_controlled(_X).tolist())),
    "cy": GateKind(2, 0, False, _constant(_controlled(_Y).tolist())),
    "cz": GateKind(2, 0, True, _constant(_controlled(_Z).tolist())),
    "ch": GateKind(2, 0, False, _constant(_controlled(_array([[_R, _R], [_R, -_R]])).tolist())),
    "cs": GateKind(2, 0, True, _constant(_controlled(_array([[1, 0], [0, 1j]])).tolist())),
    "csdg": GateKind(2, 0, True, _constant(_controlled(_array([[1, 0], [0, -1j]])).tolist())),
    "csx": GateKind(2, 0, False, _constant(_controlled(_SX).tolist())),
    "cp": GateKind(2, 1, True, _ctrl(_p)),
    "crx": GateKind(2, 1, False, _ctrl(_rx)),
    "cry": GateKind(2, 1, False, _ctrl(_ry)),
    "crz": GateKind(2, 1, True, _ctrl(_rz)),
    "cu": GateKind(2, 4, False, _cu),
    "swap": GateKind(2, 0, False, _constant([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])),
    "iswap": GateKind(2, 0, False, _constant([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]])),
    "ecr": GateKind(
        2,
        0,
        False,
        _constant([[0, _R, 0, 1j * _R], [_R, 0, -1j * _R, 0], [0, 1j * _R, 0, _R], [-1j * _R, 0, _R, 0]]),
    ),
    "rxx": GateKind(2, 1, False, _pauli_rotation(_kron(_X, _X))),
    "ryy": GateKind(2, 1, False, _pauli_rotation(_kron(_Y, _Y))),
    "rzz": GateKind(2, 1, True, _pauli_rotation(_kron(_Z, _Z))),
    "rzx": GateKind(2, 1, False, _pauli_rotation(_kron(_X, _Z))),
}


def matrix(name: str, params: Sequence[float] = ()) -> ComplexArray:
    """Return a gate's matrix, shape (2**qubits, 2**qubits); KeyError for a name that is not in `GATES`."""
    return GATES[name].build(*params)
