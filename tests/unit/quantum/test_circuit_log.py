"""A circuit goes on from any state that was kept of it, and gives the very counts that it would have given undisturbed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnixan.edge_network.quantum import openqasm, statevector
from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.circuit_log import CircuitLog, fingerprint
from omnixan.edge_network.quantum.circuit_state import HEAD, pack, steps_of
from omnixan.edge_network.quantum.execute import execute
from omnixan.edge_network.quantum.fusion import MatrixStep, Program
from omnixan.edge_network.quantum.training_log import Kept, Pace, Resumed
from omnixan.edge_network.quantum.worker import Worker

QUBITS = 5
SPEC = {"primitive": {"sampler": {"shots": 300}}, "execution": {"seed": 11}}


def circuit_of(text: str, qubits: int = QUBITS) -> Circuit:
    head = f'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[{qubits}] q;\nbit[{qubits}] c;\n'
    return openqasm.parse(f"{head}{text}\nc = measure q;\n")


def deep(layers: int, qubits: int = QUBITS) -> Circuit:
    gates = []
    for layer in range(layers):
        gates += [f"ry({0.3 + layer * 0.2 + qubit * 0.1:.2f}) q[{qubit}];" for qubit in range(qubits)]
        gates += [f"cp(0.{qubit + 1}) q[{qubit}], q[{(qubit + 2) % qubits}];" for qubit in range(qubits)]
    return circuit_of("\n".join(gates), qubits)


class Keeping:
    """Keeps what a log delivers, and hears what became of what was kept."""

    def __init__(self) -> None:
        self.states: list[bytes] = []
        self.heard: list[Resumed] = []

    def log(self, kept: Kept | None = None) -> CircuitLog:
        return CircuitLog(kept or Kept(), 0.0, self.heard.append, self.states.append)


def reached(program: Program, steps: int) -> bytes:
    state = statevector.evolve(dataclasses.replace(program, steps=program.steps[:steps]))
    return pack(steps, state.tobytes())


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_from_the_state_after_any_step_the_counts_are_those_of_an_undisturbed_run(data: st.DataObject) -> None:
    circuit = deep(data.draw(st.integers(1, 8)))
    program = statevector.compiled(circuit)
    steps = data.draw(st.integers(1, len(program.steps)))
    keeping = Keeping()
    log = keeping.log(Kept(fingerprint(program), reached(program, steps)))
    found = execute(SPEC, circuit, backend=SimulatorBackend(QUBITS), circuit_log=log)
    calm = execute(SPEC, circuit, backend=SimulatorBackend(QUBITS))
    assert (found["summary"], found["counts"]) == (calm["summary"], calm["counts"])
    assert keeping.heard == [Resumed(fingerprint(program), steps, HEAD + (16 << QUBITS), 0, "")]


def test_what_is_kept_on_the_way_is_what_the_steps_come_to() -> None:
    program, keeping = statevector.compiled(deep(6)), Keeping()
    assert np.array_equal(statevector.probabilities(program, None, keeping.log()), statevector.probabilities(program))
    assert keeping.states and all(1 <= steps_of(state) <= len(program.steps) for state in keeping.states)
    for state in keeping.states:
        assert state == reached(program, steps_of(state))
    assert keeping.heard == [Resumed(fingerprint(program), 0, 0, 0, "")]


def test_exact_expectations_go_on_too() -> None:
    spec = {"primitive": {"estimator": {"observables": [{"terms": [{"pauli": "ZZXYI"}]}]}}, "execution": {"seed": 1}}
    circuit, keeping, backend = deep(5), Keeping(), SimulatorBackend(QUBITS)
    calm = execute(spec, circuit, backend=backend, circuit_log=keeping.log())
    name, last = keeping.heard[0].fingerprint, keeping.states[-1]
    again = execute(spec, circuit, backend=backend, circuit_log=keeping.log(Kept(name, last)))
    assert again["summary"] == calm["summary"] and keeping.heard[1].evaluations == steps_of(last)


def other_angle(program: Program) -> Program:
    first = program.steps[0]
    assert isinstance(first, MatrixStep)
    return dataclasses.replace(program, steps=(dataclasses.replace(first, matrix=first.matrix * 1j), *program.steps[1:]))


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        (lambda p: Kept(fingerprint(other_angle(p)), reached(p, 2)), "it was made of another program or version"),
        (lambda p: Kept("", b""), ""),
        (lambda p: Kept(fingerprint(p), reached(p, 2)[:-1]), "it does not fit the program"),
        (lambda p: Kept(fingerprint(p), pack(len(p.steps) + 1, reached(p, 2)[HEAD:])), "it does not fit the program"),
        (lambda p: Kept(fingerprint(p), b"x"), "it does not fit the program"),
    ],
    ids=["of another angle", "of nothing", "cut short", "beyond the end", "a byte"],
)
def test_what_is_not_of_this_circuit_is_dropped_and_it_begins_anew(kept: Callable[[Program], Kept], problem: str) -> None:
    program, keeping = statevector.compiled(deep(3)), Keeping()
    found = statevector.probabilities(program, None, keeping.log(kept(program)))
    assert np.array_equal(found, statevector.probabilities(program))
    assert keeping.heard == [Resumed(fingerprint(program), 0, 0, 0, problem)]


async def test_a_worker_hands_states_over_and_takes_one_up(sandbox) -> None:
    class Keeper:
        def __init__(self, kept: Kept) -> None:
            self.kept, self.pace = kept, Pace(None, 0.0)
            self.heard: list[Resumed] = []
            self.states: list[bytes] = []

        def resumed(self, resumed: Resumed) -> None:
            self.heard.append(resumed)

        async def keep(self, records: bytes, shots: int, wait: bool) -> None:
            assert wait and shots == 0
            self.states.append(records)

    circuit = deep(40, 8)
    running = Worker(sandbox, 8)
    await running.start()
    try:
        first = Keeper(Kept())
        calm = await running.run(SPEC, circuit, keeper=first)
        second = Keeper(Kept(first.heard[0].fingerprint, first.states[-1]))
        again = await running.run(SPEC, circuit, keeper=second)
    finally:
        await running.close()
    assert (again["summary"], again["counts"]) == (calm["summary"], calm["counts"])
    assert second.heard[0].evaluations == steps_of(first.states[-1]) > 0


def test_of_a_circuit_over_16_qubits_nothing_is_kept() -> None:
    keeping = Keeping()
    execute(SPEC, deep(1, 17), backend=SimulatorBackend(17), circuit_log=keeping.log())
    assert not keeping.states and not keeping.heard, "the simulator of wide circuits shows no state on the way"
