"""Circuit → a short list of array operations: runs of gates are multiplied together before any state exists.

On small states the cost of a gate is the call into numpy, not its arithmetic, so gates are gathered into blocks of a
few qubits, and runs of diagonal gates (the phases of a QFT, of QAOA) into one elementwise product on more qubits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from omnixan.edge_network.quantum.circuit import Circuit, Instruction
from omnixan.edge_network.quantum.gates import GATES

ComplexArray = npt.NDArray[np.complex128]

MAX_DIAGONAL_QUBITS = 10

BYTES_PER_STEP = 500
"""Of a step beside its numbers: the array's head, two tuples."""


@dataclass(frozen=True, slots=True)
class MatrixStep:
    """Multiply by a matrix: bring axes forward, then one matrix product.

    The state, whatever its axis order, is seen as `shape`, transposed by `order` and read as (2**k, rest); `matrix` is
    (2**k, 2**k). The axes stay where the product leaves them: the next step knows.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    matrix: ComplexArray


@dataclass(frozen=True, slots=True)
class DiagonalStep:
    """Multiply elementwise: the state seen as `shape` times `factors`, which broadcasts to it."""

    shape: tuple[int, ...]
    factors: ComplexArray


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled circuit: steps on 2**qubits amplitudes, and where they leave each qubit.

    `measured` are the measured qubits, ascending. The probabilities of their outcomes are the squared amplitudes seen
    as `final_shape`, summed over `summed` and transposed by `final_order`; bit k of an outcome is `measured[k]`.
    """

    qubits: int
    steps: tuple[MatrixStep | DiagonalStep, ...]
    measured: tuple[int, ...]
    final_shape: tuple[int, ...]
    summed: tuple[int, ...]
    final_order: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes: its arrays, and `BYTES_PER_STEP` for what holds each."""
        arrays = sum(s.matrix.nbytes if isinstance(s, MatrixStep) else s.factors.nbytes for s in self.steps)
        return arrays + BYTES_PER_STEP * len(self.steps)


@dataclass(slots=True)
class _Block:
    """Gates that will be one step. `qubits[k]` is bit k of the block's index."""

    diagonal: bool
    qubits: list[int]
    gates: list[Instruction] = field(default_factory=list)


def compile_circuit(circuit: Circuit) -> Program:
    """Return the compiled form of a circuit of at most 24 qubits."""
    n = circuit.qubits
    # Wider blocks mean fewer calls but more arithmetic: measured optimum by width of the state.
    widest = 4 if n <= 12 else 3
    order = list(range(n - 1, -1, -1))  # order[axis] = qubit; axis 0 is the most significant bit of the index
    steps: list[MatrixStep | DiagonalStep] = []
    for block in _blocks(circuit, widest):
        if block.diagonal:
            steps.append(_diagonal_step(block, order))
        else:
            step, order = _matrix_step(block, order)
            steps.append(step)
    measured = circuit.measured_qubits
    kept = [qubit for qubit in order if qubit in measured]
    return Program(
        qubits=n,
        steps=tuple(steps),
        measured=measured,
        final_shape=(2,) * n,
        summed=tuple(axis for axis, qubit in enumerate(order) if qubit not in measured),
        final_order=tuple(kept.index(qubit) for qubit in reversed(measured)),
    )


def _blocks(circuit: Circuit, widest: int) -> list[_Block]:
    """Gather gates into blocks. A gate goes into the last block on any of its qubits, or a later one, if it fits."""
    blocks: list[_Block] = []
    last = [-1] * circuit.qubits  # the last block that touches a qubit
    for gate in circuit.instructions:
        if gate.name == "id":
            continue
        diagonal = GATES[gate.name].diagonal
        earliest = max(last[qubit] for qubit in gate.qubits)
        # Blocks after `earliest` touch none of the gate's qubits, so the gate commutes with them and may join any.
        for number in range(max(earliest, 0), min(len(blocks), max(earliest, 0) + 8)):
            if _joins(blocks[number], gate, diagonal, widest):
                break
        else:
            number = len(blocks)
            blocks.append(_Block(diagonal, []))
        block = blocks[number]
        block.gates.append(gate)
        for qubit in gate.qubits:
            if qubit not in block.qubits:
                block.qubits.append(qubit)
            last[qubit] = max(last[qubit], number)
    return blocks


def _joins(block: _Block, gate: Instruction, diagonal: bool, widest: int) -> bool:
    new = sum(qubit not in block.qubits for qubit in gate.qubits)
    if block.diagonal:
        if diagonal:
            return len(block.qubits) + new <= MAX_DIAGONAL_QUBITS
        if len(block.qubits) + new > widest:
            return False
        block.diagonal = False  # a small diagonal block becomes part of a matrix
        return True
    return len(block.qubits) + new <= widest


def _matrix_step(block: _Block, order: list[int]) -> tuple[MatrixStep, list[int]]:
    k = len(block.qubits)
    matrix = np.eye(2**k, dtype=np.complex128).reshape((2,) * k + (2**k,))
    place = {qubit: bit for bit, qubit in enumerate(block.qubits)}
    for gate in block.gates:
        kind = GATES[gate.name]
        tensor = kind.build(*gate.params).reshape((2,) * (2 * kind.qubits))
        axes = [k - 1 - place[qubit] for qubit in reversed(gate.qubits)]
        matrix = np.tensordot(tensor, matrix, axes=(range(kind.qubits, 2 * kind.qubits), axes))
        matrix = np.moveaxis(matrix, range(kind.qubits), axes)
    front = list(reversed(block.qubits))
    new_order = front + [qubit for qubit in order if qubit not in place]
    permutation = [order.index(qubit) for qubit in new_order]
    shape, merged = _merge(permutation)
    return MatrixStep(shape, merged, np.ascontiguousarray(matrix.reshape(2**k, 2**k))), new_order


def _merge(permutation: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a transposition of two-element axes as one of fewer, longer axes: runs that stay together are one."""
    runs: list[list[int]] = []
    for axis in permutation:
        if runs and runs[-1][-1] + 1 == axis:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    by_start = sorted(runs)
    return tuple(2 ** len(run) for run in by_start), tuple(by_start.index(run) for run in runs)


def _diagonal_step(block: _Block, order: list[int]) -> DiagonalStep:
    """Build the factors over the block's qubits, in the order the state's axes have them."""
    n, qubits = len(order), [qubit for qubit in order if qubit in block.qubits]
    factors = np.ones((2,) * len(qubits), dtype=np.complex128)
    for gate in block.gates:
        kind = GATES[gate.name]
        diagonal = np.diagonal(kind.build(*gate.params)).reshape((2,) * kind.qubits)
        axes = [qubits.index(qubit) for qubit in reversed(gate.qubits)]
        if axes != sorted(axes):
            diagonal = diagonal.T
        factors *= diagonal.reshape([2 if axis in axes else 1 for axis in range(len(qubits))])
    # Axes between the block's own are merged, so that numpy broadcasts over few dimensions.
    shape: list[int] = []
    target: list[int] = []
    previous: bool | None = None
    for axis in range(n):
        inside = order[axis] in block.qubits
        if inside == previous:
            shape[-1] *= 2
            target[-1] *= 2 if inside else 1
        else:
            shape.append(2)
            target.append(2 if inside else 1)
        previous = inside
    return DiagonalStep(tuple(shape), np.ascontiguousarray(factors.reshape(target)))
