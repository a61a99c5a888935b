"""Circuits whose right outcomes are known in closed form, so that success is the share of shots that give one of them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement


@dataclass(frozen=True)
class Sample:
    """A circuit, its family, and the outcomes (bit k is qubit k) that are right."""

    family: str
    circuit: Circuit
    right: frozenset[int]


def _all_measured(family: str, qubits: int, gates: list[Instruction], *right: int) -> Sample:
    measured = tuple(Measurement(qubit, qubit) for qubit in range(qubits))
    return Sample(family, Circuit(qubits, qubits, tuple(gates), measured), frozenset(right))


def ghz(qubits: int, draw: random.Random) -> Sample:
    """All 0 or all 1, qubits entangled one after another in a random order."""
    order = draw.sample(range(qubits), qubits)
    gates = [Instruction("h", (order[0],))]
    gates += [Instruction("cx", (a, b)) for a, b in itertools.pairwise(order)]
    return _all_measured("ghz", qubits, gates, 0, 2**qubits - 1)


def bernstein_vazirani(qubits: int, draw: random.Random) -> Sample:
    """A secret of qubits − 1 bits, each of whose ones meets the same ancilla; the ancilla ends as 1."""
    ancilla = qubits - 1
    secret = draw.randrange(1, 2**ancilla)
    gates = [Instruction("x", (ancilla,)), *(Instruction("h", (q,)) for q in range(qubits))]
    gates += [Instruction("cx", (q, ancilla)) for q in range(ancilla) if secret >> q & 1]
    gates += [Instruction("h", (q,)) for q in range(qubits)]
    return _all_measured("bernstein-vazirani", qubits, gates, secret | 1 << ancilla)


def phase(qubits: int, draw: random.Random) -> Sample:
    """The inverse Fourier transform of an exact phase: all pairs of qubits meet."""
    number = draw.randrange(2**qubits)
    gates = [Instruction("h", (q,)) for q in range(qubits)]
    gates += [Instruction("p", (q,), (2 * math.pi * number * 2**q / 2**qubits % (2 * math.pi),)) for q in range(qubits)]
    for q in range(qubits):  # qubit q carries bit qubits − 1 − q of the number once those below are undone
        for lower in range(q):
            gates.append(Instruction("cp", (qubits - 1 - lower, qubits - 1 - q), (-math.pi / 2 ** (q - lower),)))
        gates.append(Instruction("h", (qubits - 1 - q,)))
    right = int(format(number, f"0{qubits}b")[::-1], 2)
    return _all_measured("phase", qubits, gates, right)


_CLIFFORDS = ("h", "s", "sdg", "sx", "sxdg", "x", "y", "z")
_INVERSE = {"s": "sdg", "sdg": "s", "sx": "sxdg", "sxdg": "sx"}


def mirror(qubits: int, draw: random.Random) -> Sample:
    """Random Clifford layers on random pairs, a random Pauli on every qubit, and the layers backwards."""
    layers = draw.randint(1, 4)
    there: list[Instruction] = []
    for _ in range(layers):
        there += [Instruction(draw.choice(_CLIFFORDS), (q,)) for q in range(qubits)]
        order = draw.sample(range(qubits), qubits)
        there += [Instruction("cx", (a, b)) for a, b in zip(order[::2], order[1::2], strict=False)]
    middle = [Instruction(draw.choice("xyz"), (q,)) for q in range(qubits)]
    back = [Instruction(_INVERSE.get(name, name), on) for name, on, _ in reversed(there)]
    gates = there + middle + back
    return _all_measured("mirror", qubits, gates, _clifford_outcome(qubits, gates))


def adder(qubits: int, draw: random.Random) -> Sample:
    """A basis state (not the one of zeros) through random CNOTs: a chain of classical additions modulo 2."""
    bits = draw.randrange(1, 2**qubits)
    gates = [Instruction("x", (q,)) for q in range(qubits) if bits >> q & 1]
    for _ in range(2 * qubits):
        a, b = draw.sample(range(qubits), 2)
        gates.append(Instruction("cx", (a, b)))
        bits ^= (bits >> a & 1) << b
    return _all_measured("adder", qubits, gates, bits)


FAMILIES: tuple[Callable[[int, random.Random], Sample], ...] = (ghz, bernstein_vazirani, phase, mirror, adder)


def _clifford_outcome(qubits: int, gates: list[Instruction]) -> int:
    """Return the one outcome of a circuit that ends in a basis state, from its exact state."""
    from omnixan.edge_network.quantum import statevector

    measured = tuple(Measurement(q, q) for q in range(qubits))
    probabilities = statevector.probabilities(statevector.compiled(Circuit(qubits, qubits, tuple(gates), measured)))
    best = int(probabilities.argmax())
    assert probabilities[best] > 1 - 1e-9, "the circuit does not end in a basis state"
    return best
