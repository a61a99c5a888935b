"""How hard circuits are to route on a line."""

from __future__ import annotations

import itertools

from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.routing import MAX_ROUTED, controlled_not_depth, line_swaps


def circuit(width: int, pairs: list[tuple[int, int]], name: str = "cx", params: tuple[float, ...] = ()) -> Circuit:
    return Circuit(width, 1, tuple(Instruction(name, pair, params) for pair in pairs), (Measurement(0, 0),))


def chain(order: list[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(order))


def test_chains_take_no_exchange_however_their_qubits_are_numbered() -> None:
    assert line_swaps(circuit(6, chain([0, 1, 2, 3, 4, 5]))) == 0
    assert line_swaps(circuit(6, chain([3, 0, 5, 1, 4, 2]))) == 0
    assert line_swaps(circuit(6, chain([3, 0, 5]) + chain([1, 4, 2]))) == 0
    assert line_swaps(circuit(3, [])) == 0


def test_a_ring_a_star_and_all_pairs_take_more_and_more() -> None:
    ring = line_swaps(circuit(8, [*chain(list(range(8))), (7, 0)]))
    star = line_swaps(circuit(8, [(0, q) for q in range(1, 8)]))
    clique = line_swaps(circuit(8, [(a, b) for a in range(8) for b in range(a)]))
    assert ring > 0 and 0 < star < clique
    assert star <= 7, "a hub walks along its leaves"
    assert clique <= 8 * 7 // 2, "a network of neighbours' exchanges does it in n(n-1)/2"


def test_of_long_circuits_the_beginning_is_routed_and_the_rest_extrapolated() -> None:
    pairs = [(a, b) for a in range(20) for b in range(a)] * 100
    many = line_swaps(circuit(20, pairs))
    head = line_swaps(circuit(20, pairs[:MAX_ROUTED]))
    assert many == round(head * len(pairs) / MAX_ROUTED)


def test_depth_counts_controlled_nots() -> None:
    assert controlled_not_depth(circuit(4, [(0, 1), (2, 3), (1, 2)])) == 2
    assert controlled_not_depth(circuit(3, [(0, 1), (1, 2)], "swap")) == 6
    assert controlled_not_depth(circuit(3, [(0, 1), (1, 2)], "rzz", (0.5,))) == 4
    assert controlled_not_depth(circuit(3, [])) == 0
