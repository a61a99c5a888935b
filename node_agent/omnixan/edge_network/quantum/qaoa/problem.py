"""Optimisation problems over binary variables, and their exact landscape over all 2**n bit strings.

Bit k of an index is variable k; in a printed bit string variable 0 is the rightmost character.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omnixan.edge_network.quantum.qaoa.engine import MAX_QUBITS, BoolArray, FloatArray


@dataclass(frozen=True)
class Knapsack:
    """Choose items of greatest total value whose total weight is at most `capacity`."""

    values: tuple[int, ...]
    weights: tuple[int, ...]
    capacity: int

    @property
    def variables(self) -> int:
        """One variable an item."""
        return len(self.values)


@dataclass(frozen=True)
class MaxCut:
    """Split the nodes 0 ... `nodes` - 1 in two so that the edges between the parts weigh most."""

    nodes: int
    edges: tuple[tuple[int, int], ...]
    weights: tuple[float, ...]

    @property
    def variables(self) -> int:
        """One variable a node: the side it is on."""
        return self.nodes


@dataclass(frozen=True)
class Qubo:
    """The quadratic function sum of value * x[row] * x[column] over `terms` of (row, column, value)."""

    size: int
    terms: tuple[tuple[int, int, float], ...]
    maximize: bool

    @property
    def variables(self) -> int:
        """As many as its size says."""
        return self.size


Problem = Knapsack | MaxCut | Qubo


def from_spec(spec: Mapping[str, Any]) -> Problem:
    """Return the problem of a manifest's `algorithm.qaoa.problem`, which the API has validated.

    ValueError if it has no kind that is known or not 1 to 20 variables.
    """
    problem: Problem
    if knapsack := spec.get("knapsack"):
        problem = Knapsack(tuple(knapsack["values"]), tuple(knapsack["weights"]), int(knapsack["capacity"]))
    elif maxcut := spec.get("maxcut"):
        edges = tuple((int(u), int(v)) for u, v in maxcut["edges"])
        weights = maxcut.get("weights") or ["1"] * len(edges)
        problem = MaxCut(1 + max(max(edge) for edge in edges), edges, tuple(float(weight) for weight in weights))
    elif qubo := spec.get("qubo"):
        terms = tuple((int(t["row"]), int(t["column"]), float(t["value"])) for t in qubo["terms"])
        problem = Qubo(int(qubo["size"]), terms, qubo.get("sense", "minimize") == "maximize")
    else:
        raise ValueError(f"problem: {sorted(spec)} given, exactly one of knapsack, maxcut and qubo is needed")
    if not 1 <= problem.variables <= MAX_QUBITS:
        raise ValueError(f"problem: {problem.variables} variables are not allowed, QAOA takes 1 to {MAX_QUBITS}")
    return problem


@dataclass(frozen=True)
class Landscape:
    """A problem evaluated on every bit string: arrays of 2**variables entries by index.

    `value` is what the problem asks for, `excess` by how much the constraint is broken (0 where feasible), `maximize`
    which values are good.
    """

    kind: str
    variables: int
    value: FloatArray
    excess: FloatArray
    maximize: bool

    @property
    def feasible(self) -> BoolArray:
        """Which bit strings obey the constraint."""
        return np.asarray(self.excess == 0.0)

    @property
    def benefit(self) -> FloatArray:
        """The training target, more is better: the value (negated if it is minimised), 0 where infeasible.

        Only a knapsack has infeasible strings; an empty one is worth 0 as well, so none gains from breaking the limit.
        """
        signed = self.value if self.maximize else -self.value
        return np.where(self.feasible, signed, 0.0)

    def better(self, one: int, other: int) -> bool:
        """Return whether index `one` is strictly better than `other`: less excess first, then value."""
        if self.excess[one] != self.excess[other]:
            return bool(self.excess[one] < self.excess[other])
        return bool(self.value[one] > self.value[other] if self.maximize else self.value[one] < self.value[other])

    def best_of(self, indices: Sequence[int]) -> int:
        """Return the best of some indices, the first of equals."""
        best = indices[0]
        for index in indices[1:]:
            if self.better(index, best):
                best = index
        return best

    def optimum(self) -> float:
        """Return the best feasible value, by exhaustive search. For reports only: no training sees it."""
        feasible = self.value[self.feasible]
        return float(feasible.max() if self.maximize else feasible.min())

    def approximation_ratio(self, index: int) -> float:
        """Return (value - worst) / (optimum - worst) of a feasible index, 0 for an infeasible one.

        `worst` is the worst feasible value, so that the ratio is in [0, 1] whatever the sign of values and for
        minimisation too; it is value / optimum for a knapsack and for cuts of non-negative weights, where worst is 0.
        """
        if self.excess[index] != 0.0:
            return 0.0
        feasible = self.value[self.feasible]
        worst, best = (feasible.min(), feasible.max()) if self.maximize else (feasible.max(), feasible.min())
        return 1.0 if best == worst else float((self.value[index] - worst) / (best - worst))

    def bitstring(self, index: int) -> str:
        """Return an index as printed, variable 0 rightmost."""
        return format(index, f"0{self.variables}b")

    def selected(self, index: int) -> list[int]:
        """Return the variables that are 1: chosen items, or the nodes on one side of the cut."""
        return [k for k in range(self.variables) if index >> k & 1]


def landscape(problem: Problem) -> Landscape:
    """Return the exact landscape of a problem; 2**variables entries, at most 2**20."""
    match problem:
        case Knapsack():
            excess = np.maximum(weighted_sum(problem.weights) - problem.capacity, 0.0)
            return Landscape("knapsack", problem.variables, weighted_sum(problem.values), excess, maximize=True)
        case MaxCut():
            bits = _bits(problem.nodes)
            cut = np.zeros(1 << problem.nodes)
            for (u, v), weight in zip(problem.edges, problem.weights, strict=True):
                cut += weight * (bits[u] ^ bits[v])
            return Landscape("maxcut", problem.nodes, cut, np.zeros_like(cut), maximize=True)
        case Qubo():
            bits = _bits(problem.size)
            value = np.zeros(1 << problem.size)
            for row, column, coefficient in problem.terms:
                value += coefficient * (bits[row] & bits[column])
            return Landscape("qubo", problem.size, value, np.zeros_like(value), problem.maximize)


def weighted_sum(amounts: Sequence[float]) -> FloatArray:
    """Return the sum of the chosen amounts for every index, shape (2**len(amounts),)."""
    total = np.zeros(1)
    for amount in amounts:
        total = np.concatenate([total, total + amount])
    return total


def _bits(variables: int) -> list[BoolArray]:
    index = np.arange(1 << variables)
    return [(index >> k & 1).astype(np.bool_) for k in range(variables)]
