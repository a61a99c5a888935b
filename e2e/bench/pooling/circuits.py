"""A compiled circuit from the cache, against Qiskit parsing and fitting it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from omnixan.edge_network.agent.programs import digest_of
from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.emulator.transpiling import SEED, Transpiler, target_of
from omnixan.edge_network.quantum.openqasm import parse

REPEATS = 30
QUBITS = 12


def program() -> str:
    """A hardware-efficient circuit in OpenQASM 2, which Qiskit reads natively."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{QUBITS}];", f"creg c[{QUBITS}];"]
    for layer in range(4):
        lines += [f"ry({0.1 + 0.37 * layer + 0.21 * qubit:.2f}) q[{qubit}];" for qubit in range(QUBITS)]
        lines += [f"cx q[{qubit}],q[{qubit + 1}];" for qubit in range(QUBITS - 1)]
    return "\n".join([*lines, "measure q -> c;"]) + "\n"


def run() -> dict[str, Any]:
    """Milliseconds of each way from the program's text to a fitted circuit, interleaved."""
    from qiskit import qasm2, transpile
    from qiskit.transpiler import generate_preset_pass_manager

    text = program()
    device = devices.load("guadalupe")
    transpiler = Transpiler(device)
    target = target_of(device)
    manager = generate_preset_pass_manager(optimization_level=1, target=target, seed_transpiler=SEED)
    name = f"{device.id}/1"
    transpiler.fitted.put(digest_of(text), name, transpiler.fit(parse(text), 1), 1)

    def hit() -> None:
        assert transpiler.fitted.get(digest_of(text), name) is not None

    def anew() -> None:
        transpile(qasm2.loads(text), target=target, optimization_level=1, seed_transpiler=SEED)

    ways: dict[str, Callable[[], Any]] = {
        "cache hit": hit,
        "parse and reused pass manager": lambda: manager.run(qasm2.loads(text)),
        "parse and transpile()": anew,
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(REPEATS):
        for way, call in ways.items():
            begin = time.perf_counter()
            call()
            times[way].append(1000 * (time.perf_counter() - begin))
    return {way: round(float(np.median(found)), 4) for way, found in times.items()}
