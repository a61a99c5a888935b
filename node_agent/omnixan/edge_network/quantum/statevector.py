"""The numpy engine: exact states of up to 16 qubits (complex128), fast for small circuits.

Bit k of an amplitude's index is qubit k, as in Qiskit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from omnixan.edge_network.quantum.circuit import Circuit, Measurement
from omnixan.edge_network.quantum.fusion import ComplexArray, MatrixStep, Program, compile_circuit

if TYPE_CHECKING:
    from omnixan.edge_network.quantum.snapshots import Snapshots

FloatArray = npt.NDArray[np.float64]

MAX_QUBITS = 16


def compiled(circuit: Circuit) -> Program:
    """Return a circuit ready to run; ValueError above 16 qubits."""
    if circuit.qubits > MAX_QUBITS:
        raise ValueError(f"the circuit has {circuit.qubits} qubits; this engine holds at most {MAX_QUBITS}")
    return compile_circuit(circuit)


def evolve(
    program: Program, state: ComplexArray | None = None, *, done: int = 0, snapshots: Snapshots | None = None
) -> ComplexArray:
    """Return the final state, its axes in the order the last step left them, shape (2**qubits,).

    From |0…0>, or from `state` (which is overwritten), what the first `done` steps come to: a snapshot of this program.
    """
    if state is None:
        state = np.zeros(2**program.qubits, dtype=np.complex128)
        state[0] = 1
    spare = np.empty_like(state)
    for number, step in enumerate(program.steps[done:], done + 1):
        target = state if snapshots is None else snapshots.target(state)
        if isinstance(step, MatrixStep):
            rows = len(step.matrix)
            seen = state.reshape(step.shape).transpose(step.order)
            np.copyto(spare.reshape(seen.shape), seen)
            np.matmul(step.matrix, spare.reshape(rows, -1), out=target.reshape(rows, -1))
        else:
            np.multiply(state.reshape(step.shape), step.factors, out=target.reshape(step.shape))
        state = target
        if snapshots is not None:
            snapshots.finished(number, state)
    return state


def probabilities(program: Program) -> FloatArray:
    """Return the probabilities of all outcomes of the measured qubits.

    Shape (2**len(program.measured),); bit k of the index is the outcome of qubit `program.measured[k]`.
    """
    amplitudes = evolve(program)
    weights = amplitudes.real**2 + amplitudes.imag**2
    weights = weights.reshape(program.final_shape)
    if program.summed:
        weights = weights.sum(axis=program.summed)
    return np.ascontiguousarray(weights.transpose(program.final_order)).reshape(-1)


def statevector(circuit: Circuit) -> ComplexArray:
    """Return the state before the measurements, shape (2**qubits,), bit k of the index being qubit k."""
    everything = Circuit(
        circuit.qubits, circuit.qubits, circuit.instructions, tuple(Measurement(q, q) for q in range(circuit.qubits))
    )
    program = compiled(everything)
    state = evolve(program).reshape(program.final_shape).transpose(program.final_order)
    return np.ascontiguousarray(state).reshape(-1)
