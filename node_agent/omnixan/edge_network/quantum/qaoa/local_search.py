"""Classical local search: how far one sampled bit string is from the nearest local optimum."""

from __future__ import annotations

from itertools import combinations

from omnixan.edge_network.quantum.qaoa.problem import Landscape


def improve(scene: Landscape, index: int) -> int:
    """Return the local optimum that steepest ascent reaches from `index`; never worse than `index`.

    A step changes one variable or two: take or drop an item, or exchange two. An infeasible start loses excess first.
    Every step is strictly better, so it ends.
    """
    flips = [1 << k for k in range(scene.variables)]
    moves = flips + [one | other for one, other in combinations(flips, 2)]
    while True:
        best = scene.best_of([index, *(index ^ move for move in moves)])
        if best == index:
            return index
        index = best
