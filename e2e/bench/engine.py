"""An 8-qubit circuit of 1,024 shots, already parsed and compiled, through the agent's own worker and its socket."""

from __future__ import annotations

import asyncio
import time

from e2e.bench import figures
from omnixan.edge_network.quantum.sandbox import Sandbox
from omnixan.edge_network.quantum.worker import Worker

RUNS = 1000
WARM_UP = 50
QUBITS = 8
SHOTS = 1024


def program() -> str:
    """A hardware-efficient circuit: three rounds of rotations and a chain of controlled-nots, measured."""
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{QUBITS}] q;", f"bit[{QUBITS}] c;"]
    for layer in range(3):
        for qubit in range(QUBITS):
            lines.append(f"ry({0.1 + 0.37 * layer + 0.21 * qubit:.2f}) q[{qubit}];")
            lines.append(f"rz({0.5 + 0.11 * layer - 0.17 * qubit:.2f}) q[{qubit}];")
        lines += [f"cx q[{qubit}], q[{qubit + 1}];" for qubit in range(QUBITS - 1)]
    return "\n".join([*lines, "c = measure q;"]) + "\n"


async def _measure() -> list[float]:
    async with Sandbox() as sandbox:
        worker = Worker(sandbox, QUBITS)
        await worker.start()
        parsed = await sandbox.parse(program())
        seconds = []
        for number in range(WARM_UP + RUNS):
            spec = {"primitive": {"sampler": {"shots": SHOTS}}, "execution": {"seed": number}}
            begin = time.perf_counter()
            await worker.run(spec, parsed.circuit)
            seconds.append(time.perf_counter() - begin)
        await worker.close()
    return seconds[WARM_UP:]


def run() -> None:
    """Measure and write docs/figures/engine.*."""
    milliseconds = figures.spread([1000 * s for s in asyncio.run(_measure())])
    row = figures.verdict(f"{QUBITS} qubits, {SHOTS} shots, parsed and compiled, p99", milliseconds["p99"], 10, "ms")
    figures.write("engine", {"milliseconds": milliseconds}, [row])
