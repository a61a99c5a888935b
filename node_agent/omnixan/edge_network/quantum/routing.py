"""How hard a circuit is to route, as one number: the qubit exchanges it takes on a line of qubits.

A device can apply a two-qubit gate only between coupled qubits; where they are not, exchanges (SWAPs, three
controlled-NOTs each) bring them together. How many depends on circuit and device. This figure depends on the circuit
alone: a chain of gates takes none, all pairs take many. Placement scales it by how much nearer to each other than on a
line a device's qubits are.

The router is a small relative of SABRE (Li, Ding, Xie 2019): gates in their order; the exchange that brings the next
gates together soonest; the first order of qubits taken from a run backwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from omnixan.edge_network.quantum.circuit import Circuit

MAX_ROUTED = 1000
"""Two-qubit gates that are routed; of longer circuits the rest is taken to be like the beginning."""
LOOKAHEAD = 10
DECAY = 0.8

Pair = tuple[int, int]

#: Controlled-NOTs that a two-qubit gate takes; the others are one.
CONTROLLED_NOTS = {
    "swap": 3,
    "cs": 2,
    "csdg": 2,
    "csx": 2,
    "cp": 2,
    "crx": 2,
    "cry": 2,
    "crz": 2,
    "cu": 2,
    "iswap": 2,
    "rxx": 2,
    "ryy": 2,
    "rzz": 2,
    "rzx": 2,
}


def line_swaps(circuit: Circuit) -> int:
    """Return how many exchanges the circuit takes on a line of its own width. Equal circuits give equal numbers."""
    pairs = [qubits for _, qubits, _ in circuit.instructions if len(qubits) == 2]
    head: list[Pair] = [(a, b) for a, b in pairs[:MAX_ROUTED]]
    if not head:
        return 0
    first = _arrangement(head)
    forward, end = _route(head, first)
    if forward:
        _, better = _route(head[::-1], end)
        forward = min(forward, _route(head, better)[0])
    return round(forward * len(pairs) / len(head))


def controlled_not_depth(circuit: Circuit) -> int:
    """Return the longest chain of controlled-NOTs, each two-qubit gate counted as those it takes."""
    level = [0] * circuit.qubits
    for name, qubits, _ in circuit.instructions:
        if len(qubits) == 2:
            layer = CONTROLLED_NOTS.get(name, 1) + max(level[qubits[0]], level[qubits[1]])
            level[qubits[0]] = level[qubits[1]] = layer
    return max(level)


def _arrangement(pairs: Sequence[Pair]) -> list[int]:
    """Return the qubits in a row, those that meet often near each other; qubits that meet nobody are left out."""
    weight: Counter[tuple[int, int]] = Counter()
    for a, b in pairs:
        weight[a, b] += 1
        weight[b, a] += 1
    meets: dict[int, dict[int, int]] = {}
    for (a, b), times in weight.items():
        meets.setdefault(a, {})[b] = times
    left = set(meets)
    row: list[int] = []
    pull = dict.fromkeys(meets, 0.0)
    while left:
        known = [qubit for qubit in left if pull[qubit] > 0]
        if known:
            qubit = min(known, key=lambda q: (-pull[q], len(meets[q]), q))
        else:
            qubit = min(left, key=lambda q: (len(meets[q]), sum(meets[q].values()), q))
        left.remove(qubit)
        row.append(qubit)
        for other in pull:
            pull[other] *= 0.5
        for other, times in meets[qubit].items():
            pull[other] += times
    return row


def _route(pairs: Sequence[Pair], row: Sequence[int]) -> tuple[int, list[int]]:
    """Return the exchanges of a run from that row of qubits, and the row at its end."""
    place = {qubit: index for index, qubit in enumerate(row)}
    at = list(row)
    swaps = 0
    for number, (a, b) in enumerate(pairs):
        while abs(place[a] - place[b]) > 1:
            towards = 1 if place[b] > place[a] else -1
            options = ((place[a], place[a] + towards), (place[b], place[b] - towards))
            ahead = pairs[number : number + LOOKAHEAD]
            i, j = min(options, key=lambda option: (_spread(ahead, place, at[option[0]], at[option[1]]), option))
            at[i], at[j] = at[j], at[i]
            place[at[i]], place[at[j]] = i, j
            swaps += 1
    return swaps, at


def _spread(ahead: Sequence[Pair], place: dict[int, int], first: int, second: int) -> float:
    """Distances of the next gates' qubits if two were exchanged, nearer gates weighing more."""
    new = {first: place[second], second: place[first]}
    total, weight = 0.0, 1.0
    for a, b in ahead:
        total += weight * abs(new.get(a, place[a]) - new.get(b, place[b]))
        weight *= DECAY
    return total
