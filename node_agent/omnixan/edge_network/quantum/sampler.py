"""Seeded sampling of measured bits: equal circuit, shots and seed give equal counts on every engine and machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from omnixan.edge_network.quantum.circuit import Circuit

FloatArray = npt.NDArray[np.float64]

#: Engines and processors differ in the last digits of a probability, and a generator amplifies that: 0.5 and
#: 0.5000000000000001 are drawn as mirror images, and what is 0 here and 1e-33 there shifts all draws that follow. So
#: probabilities are first rounded to multiples of 2^-40, on which all agree.
RESOLUTION = 2.0**40


def sample(probabilities: FloatArray, shots: int, seed: int) -> dict[int, int]:
    """Return how often each index of `probabilities` is drawn in `shots` draws, only indices that are.

    `probabilities` has shape (n,) and is normalised here. The generator is numpy's PCG64 seeded with `seed`.
    """
    weights = np.rint(probabilities * (RESOLUTION / probabilities.sum()))
    possible = np.flatnonzero(weights)
    weights = weights[possible]
    drawn = np.random.Generator(np.random.PCG64(seed)).multinomial(shots, weights / weights.sum())
    hit = np.flatnonzero(drawn)
    return dict(zip(possible[hit].tolist(), drawn[hit].tolist(), strict=True))


def counts(circuit: Circuit, outcomes: dict[int, int]) -> dict[str, int]:
    """Return counts by bit string, ascending; classical bit 0 is the rightmost character, unwritten bits are 0.

    `outcomes` are counts by index, bit k of which is the outcome of `circuit.measured_qubits[k]`.
    """
    bit_of = {qubit: bit for bit, qubit in enumerate(circuit.measured_qubits)}
    sources = [-1] * circuit.clbits
    for qubit, clbit in circuit.measurements:
        sources[clbit] = bit_of[qubit]
    if sources == list(range(len(bit_of))):  # the usual case: bit k of the register is bit k of the index
        by_string = {format(index, f"0{circuit.clbits}b"): count for index, count in outcomes.items()}
    else:
        sources.reverse()
        by_string = {
            "".join("1" if source >= 0 and index >> source & 1 else "0" for source in sources): count
            for index, count in outcomes.items()
        }
    return dict(sorted(by_string.items()))
