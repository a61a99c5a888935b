"""Readout errors: what a qubit's bit is read as, given what it is. Independent between qubits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ReadoutError:
    """Of one bit: `p10` the probability to read 1 where it is 0, `p01` to read 0 where it is 1."""

    p10: float
    p01: float


def confused(probabilities: FloatArray, errors: Sequence[ReadoutError]) -> FloatArray:
    """Return the probabilities of what is read, shape (2**k,), from those of what is; `errors[j]` is bit j's."""
    shaped = probabilities.reshape((2,) * len(errors))  # axis 0 is the highest bit
    for bit, error in enumerate(errors):
        axis = len(errors) - 1 - bit
        matrix = np.array([[1 - error.p10, error.p01], [error.p10, 1 - error.p01]])
        shaped = np.moveaxis(np.tensordot(matrix, shaped, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(shaped).reshape(-1)


def flipped(outcomes: dict[int, int], errors: Sequence[ReadoutError], seed: int) -> dict[int, int]:
    """Return counts of what is read from counts of what is, by index; every shot's bits are flipped by themselves."""
    ordered = sorted(outcomes.items())
    shots = np.repeat(np.array([index for index, _ in ordered], dtype=np.int64), [count for _, count in ordered])
    random = np.random.Generator(np.random.PCG64(seed))
    for bit, error in enumerate(errors):
        is_one = (shots >> bit) & 1
        flips = random.random(len(shots)) < np.where(is_one == 1, error.p01, error.p10)
        shots ^= flips.astype(np.int64) << bit
    values, counts = np.unique(shots, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
