"""A circuit whose states are saved on its way goes on from each of them to the same end, and never waits for a medium."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest

from omnixan.edge_network import PersistentMemory
from omnixan.edge_network.quantum import openqasm
from omnixan.edge_network.quantum.fusion import DiagonalStep, MatrixStep, Program, compile_circuit
from omnixan.edge_network.quantum.snapshots import Snapshots
from omnixan.edge_network.quantum.statevector import evolve

QUBITS = 9


@pytest.fixture(scope="module")
def program() -> Program:
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{QUBITS}] q;", f"bit[{QUBITS}] c;"]
    for layer in range(4):
        for qubit in range(QUBITS):
            lines.append(f"ry({0.3 + layer * 0.2 + qubit * 0.1:.2f}) q[{qubit}];")
            lines.append(f"cp({0.7 + qubit * 0.05:.2f}) q[{qubit}], q[{(qubit + 3) % QUBITS}];")
        lines += [f"cx q[{qubit}], q[{qubit + 1}];" for qubit in range(QUBITS - 1)]
        lines += [f"cp(0.{qubit + 1}) q[{qubit}], q[{(qubit + 4) % QUBITS}];" for qubit in range(QUBITS)]
    program = compile_circuit(openqasm.parse("\n".join([*lines, "c = measure q;"]) + "\n"))
    assert {type(step) for step in program.steps} == {MatrixStep, DiagonalStep} and len(program.steps) > 10
    return program


def after(program: Program, steps: int) -> np.ndarray:
    return evolve(dataclasses.replace(program, steps=program.steps[:steps]))


class Counted(Snapshots):
    """Lets a save know of every step that is done beside it."""

    def __init__(self, steps_of_a_save: int) -> None:
        super().__init__(self.keep, QUBITS)
        self.steps_of_a_save = steps_of_a_save
        self.steps = threading.Semaphore(0)
        self.kept: dict[int, np.ndarray] = {}

    def finished(self, steps: int, state: np.ndarray) -> None:
        super().finished(steps, state)
        self.steps.release()

    def keep(self, steps: int, state: np.ndarray) -> None:
        before = state.copy()
        for _ in range(self.steps_of_a_save):
            self.steps.acquire(timeout=0.2)  # after the last step nothing follows
        assert np.array_equal(before, state)
        self.kept[steps] = before


@pytest.mark.parametrize("steps_of_a_save", [1, 2, 5])
def test_every_saved_state_is_the_one_after_its_step_however_slow_the_medium(steps_of_a_save: int, program: Program) -> None:
    with Counted(steps_of_a_save) as snapshots:
        end = evolve(program, snapshots=snapshots)
    assert np.array_equal(end, after(program, len(program.steps)))
    assert snapshots.kept and snapshots.saved == len(snapshots.kept)
    for steps, state in snapshots.kept.items():
        assert np.array_equal(state, after(program, steps))


def test_a_circuit_goes_on_from_a_state_in_the_store_bit_for_bit(program: Program, tmp_path: Path) -> None:
    with PersistentMemory(tmp_path, "1Mi") as memory:

        def save(steps: int, state: np.ndarray) -> None:
            memory.save_state("circuit", state, meta={"steps": str(steps)})

        with Snapshots(save, QUBITS) as snapshots:
            whole = evolve(program, snapshots=snapshots)
    with PersistentMemory(tmp_path) as memory:
        (entry,) = memory.list()
        state = memory.load_state("circuit")
        assert state is not None
        assert np.array_equal(evolve(program, state.copy(), done=int(entry.meta["steps"])), whole)


def test_the_interval_makes_snapshots_rarer(program: Program) -> None:
    taken: list[int] = []
    with Snapshots(lambda steps, state: taken.append(steps), QUBITS, interval=3600) as snapshots:
        evolve(program, snapshots=snapshots)
        evolve(program, snapshots=snapshots)
    assert taken == [1]


def test_a_medium_that_fails_ends_the_circuit_with_its_error(program: Program) -> None:
    def save(steps: int, state: np.ndarray) -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"), Snapshots(save, QUBITS) as snapshots:
        evolve(program, snapshots=snapshots)


def test_without_snapshots_a_state_is_computed_in_its_own_buffer(program: Program) -> None:
    state = after(program, 2)
    assert evolve(program, state, done=2) is state
