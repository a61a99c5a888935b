"""What a job takes, known before it is placed: pure functions of a circuit or of an algorithm's size."""

from __future__ import annotations

from collections import Counter
from typing import Any

from omnixan.edge_network.quantum import routing
from omnixan.edge_network.quantum.circuit import Circuit

MAX_GATE_NAMES = 32

_WIDEST = {"knapsack": 20, "maxcut": 20, "qubo": 20}


def analyze(circuit: Circuit, sha256: str | None = None) -> dict[str, Any]:
    """Return a circuit's analysis as `status.analysis` of a QuantumJob has it.

    {qubits, depth, twoQubitGates, twoQubitDepth, lineSwaps, measured, gates: {name: number}[, sha256]}: depth is the
    longest chain of gates and measurements (each one layer), twoQubitDepth that of controlled-NOTs, lineSwaps how hard
    it is to route (`routing`), gates the numbers after unrolling to one- and two-qubit gates; beyond 32 names the
    rarest are added up as "other". `sha256` is the digest of the program's text and passed through.
    """
    level = [0] * circuit.qubits
    names: Counter[str] = Counter()
    two_qubit_gates = 0
    for name, qubits, _ in circuit.instructions:
        names[name] += 1
        if len(qubits) == 1:
            level[qubits[0]] += 1
        else:
            two_qubit_gates += 1
            layer = 1 + max(level[qubit] for qubit in qubits)
            for qubit in qubits:
                level[qubit] = layer
    for qubit in circuit.measured_qubits:
        level[qubit] += 1
    analysis: dict[str, Any] = {
        "qubits": circuit.qubits,
        "depth": max(level),
        "twoQubitGates": two_qubit_gates,
        "twoQubitDepth": routing.controlled_not_depth(circuit),
        "lineSwaps": routing.line_swaps(circuit),
        "measured": len(circuit.measured_qubits),
        "gates": _bounded(names),
    }
    if sha256 is not None:
        analysis["sha256"] = sha256
    return analysis


def analyze_qaoa(kind: str, variables: int, layers: int) -> dict[str, Any]:
    """Return {qubits} of QAOA on a problem of `kind` (knapsack, maxcut or qubo) with that many binary variables.

    One qubit a variable, whatever the number of layers: no kind takes slack qubits. ValueError outside 1–20 variables
    and 1–10 layers.
    """
    widest = _WIDEST.get(kind)
    if widest is None:
        raise ValueError(f"problem kind {kind!r} is not known; known are {', '.join(_WIDEST)}")
    if not 1 <= variables <= widest:
        raise ValueError(f"{kind} has {variables} variables; allowed are 1 to {widest}")
    if not 1 <= layers <= 10:
        raise ValueError(f"layers is {layers}; allowed are 1 to 10")
    return {"qubits": variables}


def _bounded(names: Counter[str]) -> dict[str, int]:
    ordered = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) > MAX_GATE_NAMES:
        rest = ordered[MAX_GATE_NAMES - 1 :]
        ordered = [*ordered[: MAX_GATE_NAMES - 1], ("other", sum(number for _, number in rest))]
    return dict(ordered)
