"""From a problem to the phase diagonals of its circuit. All are quadratic: two-qubit gates suffice on a device."""

from __future__ import annotations

import numpy as np

from omnixan.edge_network.quantum.qaoa.engine import FloatArray
from omnixan.edge_network.quantum.qaoa.problem import Knapsack, Landscape, Problem, weighted_sum


def phases(problem: Problem, scene: Landscape, penalties: tuple[tuple[float, float], ...]) -> tuple[FloatArray, ...]:
    """Return the diagonals to try, each with mean 0 and standard deviation 1; low entries are good.

    A knapsack has one for each pair (lambda1, lambda2) of `penalties`. The others have no constraint and thus one:
    their value itself, negated if it is maximised.
    """
    if isinstance(problem, Knapsack):
        return tuple(unbalanced_penalization(problem, first, second) for first, second in penalties)
    return (standardized(-scene.benefit),)


def unbalanced_penalization(problem: Knapsack, first: float, second: float) -> FloatArray:
    """Return -v / max(v) - first * h + second * h**2 with the free share h = (capacity - weight) / capacity.

    Montanez-Barrera et al., "Unbalanced penalization", arXiv:2211.13914: the first Taylor terms of exp(-h) punish
    too much weight more than too little, without the slack qubits an exact inequality needs.
    """
    value = weighted_sum(problem.values)
    free = (problem.capacity - weighted_sum(problem.weights)) / problem.capacity
    return standardized(-value / max(1, *problem.values) - first * free + second * free**2)


def standardized(diagonal: FloatArray) -> FloatArray:
    """Return a diagonal shifted to mean 0 and scaled to standard deviation 1 (a constant one becomes 0).

    The shift is a global phase; the scale makes one range of angles fit every problem.
    """
    centred = diagonal - diagonal.mean()
    deviation = float(np.sqrt(np.mean(centred**2)))
    if deviation <= 1e-12 * max(1.0, float(np.abs(diagonal).max())):
        return np.zeros_like(diagonal)
    return np.asarray(centred / deviation, dtype=np.float64)
