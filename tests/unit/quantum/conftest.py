"""Random circuits, Qiskit as the oracle, and a running sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from qiskit import QuantumCircuit
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping

from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.gates import GATES
from omnixan.edge_network.quantum.sandbox import Sandbox

_CLASSES = get_standard_gate_name_mapping()


@pytest.fixture
def to_qiskit() -> Callable[[Circuit], QuantumCircuit]:
    """Our circuit as a Qiskit circuit, without the measurements."""

    def convert(circuit: Circuit) -> QuantumCircuit:
        target = QuantumCircuit(circuit.qubits)
        for name, qubits, params in circuit.instructions:
            target.append(_CLASSES[name].base_class(*params), qubits)
        return target

    return convert


@pytest.fixture
def random_circuit() -> Callable[..., Circuit]:
    """A seeded circuit of all kinds of gates that measures some of its qubits in some order."""

    def make(seed: int, qubits: int, gates: int) -> Circuit:
        rng = np.random.default_rng(seed)
        names = [name for name, kind in GATES.items() if kind.qubits <= qubits]
        instructions = []
        for name in rng.choice(names, gates):
            kind = GATES[name]
            places = rng.choice(qubits, kind.qubits, replace=False)
            angles = rng.uniform(-7, 7, kind.params)
            instructions.append(Instruction(str(name), tuple(map(int, places)), tuple(map(float, angles))))
        measured = rng.choice(qubits, rng.integers(1, qubits + 1), replace=False)
        measurements = tuple(Measurement(int(qubit), clbit) for clbit, qubit in enumerate(measured))
        return Circuit(qubits, qubits, tuple(instructions), measurements)

    return make


@pytest.fixture
def ghz() -> Callable[[int], Circuit]:
    """The state (|0…0> + |1…1>)/√2, all measured."""

    def make(qubits: int) -> Circuit:
        chain = [Instruction("cx", (q, q + 1)) for q in range(qubits - 1)]
        measurements = tuple(Measurement(q, q) for q in range(qubits))
        return Circuit(qubits, qubits, (Instruction("h", (0,)), *chain), measurements)

    return make


@pytest.fixture
def layered() -> Callable[[int, int], Circuit]:
    """Layers of rotations and entangling gates, all measured: work without end for a simulator if asked for."""

    def make(qubits: int, layers: int) -> Circuit:
        gates = []
        for layer in range(layers):
            gates += [Instruction("ry", (q,), (0.1 + q + layer,)) for q in range(qubits)]
            gates += [Instruction("cx", (q, q + 1)) for q in range(layer % 2, qubits - 1, 2)]
        return Circuit(qubits, qubits, tuple(gates), tuple(Measurement(q, q) for q in range(qubits)))

    return make


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process exists."""
    return lambda pid: Path(f"/proc/{pid}").exists()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits until a condition on another process holds; the test's own timeout is the limit."""

    async def wait(condition: Callable[[], object]) -> None:
        while not condition():  # noqa: ASYNC110 (no event tells what the kernel does to another process)
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def cpu_bomb() -> str:
    """A program of 60 KB on which the language's reference parser works for minutes."""
    return 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit q; rx(' + "-" * 60_000 + "1) q;"


@pytest.fixture
def memory_hog() -> str:
    """A valid program of 128 KB whose syntax tree takes about 110 MB."""
    return 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit q;bit c;' + "h q;" * 32_000 + "c=measure q;"


@pytest.fixture
def bell_text() -> str:
    """A program of two qubits."""
    return 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q; bit[2] c;\nh q[0]; cx q[0], q[1];\nc = measure q;\n'


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A running sandbox with the limits of production."""
    async with Sandbox() as running:
        yield running
