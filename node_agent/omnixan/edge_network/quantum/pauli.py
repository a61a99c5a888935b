"""Pauli observables: exact expectation values of a state, and how to get them out of counts. Pure.

A Pauli string is written as Qiskit writes it: one of I, X, Y, Z for each qubit, qubit 0 rightmost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement

ComplexArray = npt.NDArray[np.complex128]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Observable:
    """A sum of Pauli strings with real coefficients; no string stands twice."""

    terms: tuple[tuple[str, float], ...]

    @staticmethod
    def of(terms: Sequence[tuple[str, float]]) -> Observable:
        """The observable of terms, equal strings added up."""
        total: dict[str, float] = defaultdict(float)
        for string, coefficient in terms:
            total[string] += coefficient
        return Observable(tuple(sorted(total.items())))


@dataclass(frozen=True)
class Basis:
    """Strings that one measured circuit serves: wherever two of them act on a qubit, they do so alike.

    (Qubit-wise commuting; Verteletskyi, Yen, Izmaylov, J. Chem. Phys. 152, 124114 (2020).)
    """

    letters: str
    """What is measured on each qubit, qubit 0 rightmost; I: nothing."""
    strings: tuple[str, ...]

    @property
    def qubits(self) -> tuple[int, ...]:
        """The measured qubits, ascending."""
        return tuple(q for q, letter in enumerate(reversed(self.letters)) if letter != "I")


def exact(state: ComplexArray, strings: Sequence[str]) -> dict[str, float]:
    """Expectation values of `strings` in `state` (shape (2**qubits,), bit k of the index being qubit k).

    P|i> = phase(i)·|i xor x>, x being where P is X or Y; of strings with the same x the products are formed once.
    """
    index = np.arange(len(state), dtype=np.int64)
    by_flip: dict[int, list[str]] = defaultdict(list)
    for string in dict.fromkeys(strings):
        by_flip[_mask(string, "XY")].append(string)
    values: dict[str, float] = {}
    for flip, members in by_flip.items():
        products = state[index ^ flip].conj() * state
        for string in members:
            signs = 1.0 - 2.0 * (np.bitwise_count(index & _mask(string, "YZ")) & 1)
            total = complex(np.dot(products, signs)) * 1j ** string.count("Y")
            values[string] = float(total.real)
    return values


def bases(observables: Sequence[Observable]) -> list[Basis]:
    """Few bases that serve all strings but the identity: greedily, the longest strings first."""
    strings = {string for one in observables for string, _ in one.terms if set(string) != {"I"}}
    masks: list[tuple[int, int]] = []  # of each basis: qubits of X and Y, of Y and Z
    members: list[list[str]] = []
    for string in sorted(strings, key=lambda s: (s.count("I"), s)):
        x, z = _mask(string, "XY"), _mask(string, "YZ")
        both = x | z
        for number, (basis_x, basis_z) in enumerate(masks):
            if not ((x ^ basis_x) | (z ^ basis_z)) & both & (basis_x | basis_z):
                masks[number] = basis_x | x, basis_z | z
                members[number].append(string)
                break
        else:
            masks.append((x, z))
            members.append([string])
    return [Basis(_letters(x, z, len(served[0])), tuple(served)) for (x, z), served in zip(masks, members, strict=True)]


def parts(observables: Sequence[Observable], chosen: Sequence[Basis]) -> list[dict[int, Observable]]:
    """What of each observable, by its number, is measured in each basis."""
    serving = {string: number for number, basis in enumerate(chosen) for string in basis.strings}
    found: list[dict[int, list[tuple[str, float]]]] = [{} for _ in chosen]
    for place, one in enumerate(observables):
        for string, coefficient in one.terms:
            if string in serving:
                found[serving[string]].setdefault(place, []).append((string, coefficient))
    return [{place: Observable(tuple(terms)) for place, terms in each.items()} for each in found]


def measured(circuit: Circuit, basis: Basis) -> Circuit:
    """`circuit` with the qubits of `basis` turned into it and measured, the lowest into bit 0."""
    turns: list[Instruction] = []
    for qubit, letter in enumerate(reversed(basis.letters)):
        if letter == "Y":
            turns.append(Instruction("sdg", (qubit,)))
        if letter in "XY":
            turns.append(Instruction("h", (qubit,)))
    bits = tuple(Measurement(qubit, bit) for bit, qubit in enumerate(basis.qubits))
    return Circuit(circuit.qubits, len(bits), (*circuit.instructions, *turns), bits)


def shots_needed(measured_parts: Sequence[Mapping[int, Observable]], precision: float) -> list[int]:
    """Shots of each basis after which no observable's standard error exceeds `precision`, from the `parts` of all.

    In a basis an observable's value of one shot lies within ±A, A being the sum of |coefficients| there. With N shots in
    proportion to the largest A of any observable, the error is at most sqrt(ΣA²/N) = precision.
    """
    spans = [max(sum(abs(c) for _, c in one.terms) for one in each.values()) for each in measured_parts]
    total = sum(spans)
    return [max(1, int(np.ceil(span * total / precision**2))) for span in spans]


def values_of_outcomes(
    observable: Observable, basis: Basis, outcomes: Sequence[int], weights: Sequence[tuple[float, float]]
) -> FloatArray:
    """What each outcome of a basis says of an observable whose strings it all serves, shape (len(outcomes),).

    Bit k of an outcome is `basis.qubits[k]`; `weights[k]` is what that bit stands for when it reads 0 and 1: (1, −1), or
    with readout errors undone (see `mitigation`).
    """
    bit_of = {qubit: bit for bit, qubit in enumerate(basis.qubits)}
    read = np.asarray(outcomes, dtype=np.int64)
    table = [np.where((read >> bit) & 1, weights[bit][1], weights[bit][0]) for bit in range(len(basis.qubits))]
    total = np.zeros(len(read))
    for string, coefficient in observable.terms:
        value = np.full(len(read), coefficient)
        for qubit, letter in enumerate(reversed(string)):
            if letter != "I":
                value *= table[bit_of[qubit]]
        total += value
    return total


def mean_and_variance(values: FloatArray, counts: Mapping[int, int], outcomes: Sequence[int]) -> tuple[float, float]:
    """Mean over all shots, and the variance of that mean (unbiased; 0 for a single shot)."""
    number = np.array([counts[outcome] for outcome in outcomes], dtype=np.float64)
    shots = number.sum()
    mean = float(np.dot(values, number) / shots)
    if shots < 2:
        return mean, 0.0
    spread = float(np.dot((values - mean) ** 2, number) / (shots - 1))
    return mean, spread / float(shots)


def constant(observable: Observable) -> float:
    """The observable's part that needs no measuring: the coefficient of the identity."""
    return sum(c for string, c in observable.terms if set(string) == {"I"})


def _letters(x: int, z: int, qubits: int) -> str:
    """The string whose X and Y are at the bits of `x`, and whose Y and Z at those of `z`."""
    return "".join("IXZY"[(x >> q & 1) + 2 * (z >> q & 1)] for q in reversed(range(qubits)))


def _mask(string: str, letters: str) -> int:
    return sum(1 << q for q, letter in enumerate(reversed(string)) if letter in letters)
