"""The numpy engine: exact states of up to 16 qubits (complex128), fast for small circuits.

Bit k of an amplitude's index is qubit k, as in Qiskit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from omnixan.edge_network.quantum.circuit import Circuit, Measurement
from omnixan.edge_network.quantum.fusion import ComplexArray, MatrixStep, Program, compile_circuit

if TYPE_CHECKING:
    from omnixan.edge_network.quantum.circuit_log import CircuitLog
    from omnixan.edge_network.quantum.snapshots import Snapshots

FloatArray = npt.NDArray[np.float64]

MAX_QUBITS = 16

LEAST_POOLED = 64 << 10
"""Bytes from which a state comes out of a pool: of less, an array of numpy's own costs less."""


class Memory(Protocol):
    """Bytes that are somebody's until he gives them back."""

    def array(self, dtype: npt.DTypeLike = ...) -> npt.NDArray[Any]:
        """All of them, as an array."""
        ...


class Buffers(Protocol):
    """Where states get their memory: `MemoryPooling` is one."""

    def lease(self, size: int, *, fill: bool) -> AbstractContextManager[Memory]:
        """So many bytes, whatever is in them, until the end of a `with`; `fill`: all of them are about to be written."""
        ...


def compiled(circuit: Circuit) -> Program:
    """Return a circuit ready to run; ValueError above 16 qubits."""
    if circuit.qubits > MAX_QUBITS:
        raise ValueError(f"the circuit has {circuit.qubits} qubits; this engine holds at most {MAX_QUBITS}")
    return compile_circuit(circuit)


def evolve(
    program: Program,
    state: ComplexArray | None = None,
    *,
    done: int = 0,
    snapshots: Snapshots | None = None,
    spare: ComplexArray | None = None,
) -> ComplexArray:
    """Return the final state, its axes in the order the last step left them, shape (2**qubits,).

    From |0…0>, or from `state` (which is overwritten), what the first `done` steps come to: a snapshot of this program.
    `spare` is as large and is overwritten too; it is made if there is none.
    """
    if state is None:
        state = np.zeros(2**program.qubits, dtype=np.complex128)
        state[0] = 1
    if spare is None:
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


@contextmanager
def _final_state(program: Program, buffers: Buffers | None, log: CircuitLog | None = None) -> Iterator[ComplexArray]:
    """Give the final state from |0…0>, as `evolve` does; it may be used until the end of the `with`."""
    if log is not None:
        with log.follow(program) as (reached, done, snapshots):
            final = evolve(program, reached, done=done, snapshots=snapshots)
        yield final
        return
    size = 2**program.qubits
    with ExitStack() as leases:
        pooled: list[Memory] = []
        if buffers is not None and 16 * size >= LEAST_POOLED:
            with suppress(MemoryError):  # a pool that is too small, or full, stops no circuit
                pooled = [leases.enter_context(buffers.lease(16 * size, fill=True)) for _ in range(2)]
        if len(pooled) < 2:
            yield evolve(program)
            return
        state, spare = (memory.array(np.complex128) for memory in pooled)
        state[:] = 0
        state[0] = 1
        yield evolve(program, state, spare=spare)


def probabilities(program: Program, buffers: Buffers | None = None, log: CircuitLog | None = None) -> FloatArray:
    """Return the probabilities of all outcomes of the measured qubits.

    Shape (2**len(program.measured),); bit k of the index is the outcome of qubit `program.measured[k]`.
    The state itself is in memory of `buffers`, if there are any; the result never is. With a `log` the circuit goes on from
    the state that was kept of it, and has others kept on its way, in memory of its own.
    """
    with _final_state(program, buffers, log) as amplitudes:
        weights = amplitudes.real**2 + amplitudes.imag**2
    weights = weights.reshape(program.final_shape)
    if program.summed:
        weights = weights.sum(axis=program.summed)
    return np.ascontiguousarray(weights.transpose(program.final_order)).reshape(-1)


def statevector(circuit: Circuit, buffers: Buffers | None = None, log: CircuitLog | None = None) -> ComplexArray:
    """Return the state before the measurements, shape (2**qubits,), bit k of the index being qubit k; the rest as above."""
    everything = Circuit(
        circuit.qubits, circuit.qubits, circuit.instructions, tuple(Measurement(q, q) for q in range(circuit.qubits))
    )
    program = compiled(everything)
    with _final_state(program, buffers, log) as state:
        ordered = state.reshape(program.final_shape).transpose(program.final_order)
        return np.array(ordered, order="C").reshape(-1)  # a copy: the state's memory is about to be somebody else's
