"""Readout errors undone, under the model that every bit is misread by itself (tensored): pure functions.

The matrix of a bit, A = [[1 − p10, p01], [p10, 1 − p01]], turns probabilities of what is into those of what is read.
Undoing it makes noise larger by a factor that is known beforehand, the overhead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from omnixan.edge_network.quantum.errors import ProgramError

FloatArray = npt.NDArray[np.float64]

METHOD = "tensored"
MAX_OUTCOMES = 1024
"""Distinct outcomes whose probabilities are solved for as one system: a matrix of 8 MiB."""
MAX_BITS = 20
"""Bits that are undone one after the other where there are more outcomes: 2^20 probabilities of 8 bytes."""


class ReadoutError(Protocol):
    """Of one bit: `p10` the probability to read 1 where it is 0, `p01` to read 0 where it is 1."""

    @property
    def p10(self) -> float:
        """To read 1 where it is 0."""
        ...

    @property
    def p01(self) -> float:
        """To read 0 where it is 1."""
        ...


@dataclass(frozen=True)
class Mitigated:
    """Counts that add up to the shots again, and the factor by which undoing widens a standard error at most."""

    outcomes: dict[int, int]
    overhead: float


def weights(errors: Sequence[ReadoutError]) -> list[tuple[float, float]]:
    """What a bit that reads 0 or 1 stands for in an expectation value of Z: (1, −1)·A⁻¹."""
    found = []
    for error in errors:
        span = _span(error)
        found.append(((1 - error.p01 + error.p10) / span, -(1 - error.p10 + error.p01) / span))
    return found


def overhead(errors: Sequence[ReadoutError]) -> float:
    """Product over the bits of the 1-norm of A⁻¹: (1 + |p01 − p10|)/(1 − p01 − p10). 1 without errors."""
    return float(np.prod([(1 + abs(error.p01 - error.p10)) / _span(error) for error in errors]))


def undo(outcomes: Mapping[int, int], errors: Sequence[ReadoutError]) -> Mitigated:
    """Counts of what was, estimated from counts of what was read; bit k of an index has `errors[k]`.

    Only outcomes that were read are taken for possible, which keeps the system small (Nation, Kang, Sundaresan,
    Gambetta, PRX Quantum 2, 040326 (2021)); where more than MAX_OUTCOMES were read, all are, and each bit's matrix is
    undone by itself. The solution is moved to the nearest probabilities (Smolin, Gambetta, Smith, PRL 108, 070502 (2012))
    and rounded to whole counts. ProgramError beyond MAX_OUTCOMES distinct outcomes of more than MAX_BITS bits.
    """
    if not errors:
        return Mitigated(dict(outcomes), 1.0)
    read = sorted(outcomes)
    counts = np.array([outcomes[index] for index in read], dtype=np.float64)
    shots = int(counts.sum())
    if len(read) <= MAX_OUTCOMES:
        matrix = _assignment(np.array(read, dtype=np.int64), errors)
        quasi = np.linalg.solve(matrix / matrix.sum(axis=0), counts / shots)
    elif len(errors) <= MAX_BITS:
        shares = np.zeros(2 ** len(errors))
        shares[read] = counts / shots
        read, quasi = list(range(len(shares))), inverted(shares, errors)
    else:
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "TooManyOutcomes",
            f"spec.mitigation.readout: {len(read)} distinct outcomes of {len(errors)} bits were read, more than "
            f"{MAX_OUTCOMES} of more than {MAX_BITS} bits: measure fewer qubits, take fewer shots, or leave it out",
        )
    return Mitigated(_whole(read, nearest_probabilities(quasi), shots), overhead(errors))


def inverted(shares: FloatArray, errors: Sequence[ReadoutError]) -> FloatArray:
    """Unbiased probabilities of what was, shape (2**k,), some perhaps negative, from the shares of what was read."""
    shaped = shares.reshape((2,) * len(errors))  # axis 0 is the highest bit
    for bit, error in enumerate(errors):
        axis = len(errors) - 1 - bit
        inverse = np.array([[1 - error.p01, -error.p01], [-error.p10, 1 - error.p10]]) / _span(error)
        shaped = np.moveaxis(np.tensordot(inverse, shaped, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(shaped).reshape(-1)


def nearest_probabilities(quasi: FloatArray) -> FloatArray:
    """The probability vector nearest to `quasi` (which adds up to 1) in the 2-norm."""
    descending = np.sort(quasi)[::-1]
    surplus = (np.cumsum(descending) - 1) / np.arange(1, len(quasi) + 1)
    last = np.flatnonzero(descending > surplus)[-1]
    nearest: FloatArray = np.maximum(quasi - surplus[last], 0)
    return nearest


def _assignment(read: npt.NDArray[np.int64], errors: Sequence[ReadoutError]) -> FloatArray:
    """Probability to read row where column is, for all pairs of `read`."""
    matrix = np.ones((len(read), len(read)))
    for bit, error in enumerate(errors):
        is_one = (read >> bit) & 1
        one = np.array([[1 - error.p10, error.p01], [error.p10, 1 - error.p01]])
        matrix *= one[is_one[:, None], is_one[None, :]]
    return matrix


def _whole(read: Sequence[int], probabilities: FloatArray, shots: int) -> dict[int, int]:
    """Whole counts that add up to `shots`: rounded down, what is left to the largest remainders."""
    ideal = np.round(probabilities * shots, 9)  # so that the last digits of a sum decide nothing
    whole = np.floor(ideal).astype(np.int64)
    missing = shots - int(whole.sum())
    whole[np.argsort(whole - ideal, kind="stable")[:missing]] += 1
    return {index: int(count) for index, count in zip(read, whole, strict=True) if count}


def _span(error: ReadoutError) -> float:
    span = 1 - error.p01 - error.p10
    if span <= 0.01:
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "ReadoutUseless",
            f"a qubit reads 1 for 0 with probability {error.p10:g} and 0 for 1 with {error.p01:g}: nothing can be learnt "
            "from it until the device is calibrated; leave spec.mitigation out, or ask for another device",
        )
    return span
