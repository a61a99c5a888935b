"""How long a circuit of 20 qubits on our own kernel stands still for a snapshot of its 16 MiB.

The kernel leaves each state where only the next step reads it: a snapshot is handed over, not copied (quantum/snapshots.py).
What the steps lose to a snapshot beside them (memory bandwidth, a processor) is told apart from that: the same step with and
without one, in turns. Aer gives no state out before a circuit has ended: there a snapshot is possible only between circuits.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np

from e2e.bench import figures
from e2e.bench.pmem.ground import MIB, Ground
from omnixan.edge_network.persistent_memory import Store
from omnixan.edge_network.quantum import openqasm
from omnixan.edge_network.quantum.fusion import Program, compile_circuit
from omnixan.edge_network.quantum.snapshots import ComplexArray, Snapshots
from omnixan.edge_network.quantum.statevector import evolve

QUBITS = 20
LAYERS = 6
AIM = 2.0
REPEATS = 7


def program() -> Program:
    """Rotations, controlled phases and a chain of controlled-nots: matrices and diagonals in turns."""
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{QUBITS}] q;", f"bit[{QUBITS}] c;"]
    for layer in range(LAYERS):
        lines += [f"ry({0.1 + 0.37 * layer + 0.21 * qubit:.2f}) q[{qubit}];" for qubit in range(QUBITS)]
        lines += [f"cp({0.3 + 0.1 * qubit:.2f}) q[{qubit}], q[{(qubit + 5) % QUBITS}];" for qubit in range(QUBITS)]
        lines += [f"cx q[{qubit}], q[{qubit + 1}];" for qubit in range(QUBITS - 1)]
    return compile_circuit(openqasm.parse("\n".join([*lines, "c = measure q;"]) + "\n"))


class Watched(Snapshots):
    """With a clock: milliseconds that passed here for each snapshot (and of the circuit's own thread: others' work on a busy
    machine does not prolong these), and that each step took.
    """

    def begin(self) -> None:
        """The circuit begins."""
        self.stalls: list[float] = []
        self.processor: list[float] = []
        self.steps: list[tuple[float, bool]] = []
        self._step_began = time.perf_counter_ns()
        self._spent = self._worked = 0

    def target(self, state: ComplexArray) -> ComplexArray:
        """As of `Snapshots`, with a clock."""
        begin, worked = time.perf_counter_ns(), time.thread_time_ns()
        found = super().target(state)
        self._worked += time.thread_time_ns() - worked
        self._spent += time.perf_counter_ns() - begin
        return found

    def finished(self, steps: int, state: ComplexArray) -> None:
        """As of `Snapshots`, with a clock."""
        begin, worked = time.perf_counter_ns(), time.thread_time_ns()
        busy, due_before = self._busy is not None, self._due
        super().finished(steps, state)
        self._worked += time.thread_time_ns() - worked
        end = time.perf_counter_ns()
        self._spent += end - begin
        if self._due != due_before:  # another one begins: what was spent since belongs to the one before
            self.stalls.append(self._spent / 1e6)
            self.processor.append(self._worked / 1e6)
            self._spent = self._worked = 0
        self.steps.append(((begin - self._step_began) / 1e6, busy))
        self._step_began = time.perf_counter_ns()


class Never(Watched):
    """The same, without ever taking a snapshot."""

    def finished(self, steps: int, state: ComplexArray) -> None:
        """Only the clock."""
        begin = time.perf_counter_ns()
        self.steps.append(((begin - self._step_began) / 1e6, False))
        self._step_began = time.perf_counter_ns()


def snapshots_of_a_circuit(ground: Ground, data: dict[str, Any]) -> list[dict[str, Any]]:
    """On the emulation of DAX and on the disk: p99 of the stall, and how much longer steps are beside a snapshot."""
    circuit = program()
    data |= {"qubits": QUBITS, "steps": len(circuit.steps), "snapshotBytes": 16 << QUBITS}
    stores = {"emulated DAX": ground.emulated(2 * 34 * MIB), "disk": ground.on_disk(2 * 34 * MIB)}
    evolve(circuit)
    rows = []
    for name, store in stores.items():
        found = _measure(circuit, store)
        data[name] = found
        what = (
            f"stall of a 20-qubit circuit by a snapshot of its 16 MiB ({name}), p99 of {found['stallMilliseconds']['count']}"
        )
        rows.append(figures.verdict(what, found["stallMilliseconds"]["p99"], AIM, "ms"))
    return rows


def _measure(circuit: Program, store: Store) -> dict[str, Any]:
    def save(steps: int, state: ComplexArray) -> None:
        store.put("circuit", state.view(np.uint8).data, meta={"steps": str(steps)})

    stalls: list[float] = []
    processor: list[float] = []
    beside: list[float] = []
    alone: list[float] = []
    control: list[float] = []
    for _ in range(REPEATS):
        plain, with_snapshots = _run(circuit, Never(save, QUBITS)), _run(circuit, Watched(save, QUBITS))
        again = _run(circuit, Never(save, QUBITS))
        processor += with_snapshots.processor[1:]
        stalls += with_snapshots.stalls[1:]  # the first one ends what was before any snapshot
        for (taken, busy), (without, _), (twice, _) in zip(with_snapshots.steps, plain.steps, again.steps, strict=True):
            control.append(abs(twice - without))
            if busy:
                beside.append(taken - min(without, twice))
                alone.append(without)
    return {
        "stallMilliseconds": figures.spread(stalls),
        "stallProcessorMilliseconds": figures.spread(processor),
        "stepMillisecondsWithout": figures.spread(alone),
        "stepLongerBesideASnapshotMilliseconds": figures.spread(beside),
        "controlStepsDifferByMilliseconds": figures.spread(control),
        "longerBesideASnapshotShare": round(median(beside) / median(alone), 3),
        "waitingForTheStoreInstead": figures.spread(_synchronous(save)),
    }


def _run(circuit: Program, snapshots: Watched) -> Watched:
    with snapshots:
        snapshots.begin()
        evolve(circuit, snapshots=snapshots)
    return snapshots


def _synchronous(save: Any) -> list[float]:
    """What each snapshot would take if the circuit waited for it: milliseconds."""
    state = np.ones(1 << QUBITS, dtype=np.complex128)
    taken = []
    for number in range(2 * REPEATS):
        begin = time.perf_counter()
        save(number, state)
        taken.append(1000 * (time.perf_counter() - begin))
    return taken
