"""The state of a circuit on its way between the process that computes and the one that keeps it.

As `training_log` for an algorithm's loop: `Kept` is what the keeper has of this circuit, `CircuitLog` the computing side. It
keeps one state at a time (`circuit_state`): complex128, its axes in the order the last step left them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from omnixan.edge_network.quantum.circuit_state import HEAD, pack, steps_of
from omnixan.edge_network.quantum.fusion import ComplexArray, MatrixStep, Program
from omnixan.edge_network.quantum.snapshots import Snapshots
from omnixan.edge_network.quantum.training_log import Kept, Resumed


def fingerprint(program: Program) -> str:
    """Return what two programs share only if they are the same steps, number for number: 64 hexadecimal digits."""
    found = hashlib.sha256(f"{program.qubits} {len(program.steps)}".encode())
    for step in program.steps:
        numbers = step.matrix if isinstance(step, MatrixStep) else step.factors
        axes = (step.shape, step.order) if isinstance(step, MatrixStep) else step.shape
        found.update(f"{type(step).__name__} {axes} {numbers.shape}".encode())
        found.update(np.ascontiguousarray(numbers).tobytes())
    return found.hexdigest()


class CircuitLog:
    """The computing side of one circuit's kept state.

    `deliver` takes a state every `seconds` at most, the first one so long after the begin, and returns when it is kept: a
    slow keeper makes them rarer and the circuit no slower. It is called in another thread.
    """

    def __init__(
        self, kept: Kept, seconds: float, on_resumed: Callable[[Resumed], None], deliver: Callable[[bytes], None]
    ) -> None:
        self._kept = kept
        self._seconds = seconds
        self._on_resumed = on_resumed
        self._deliver = deliver

    @contextmanager
    def follow(self, program: Program) -> Iterator[tuple[ComplexArray | None, int, Snapshots]]:
        """Give the state to begin from (None: |0…0>), the steps that it has behind it, and what sees the next ones."""
        state, steps = self._resume(program)

        def save(done: int, reached: ComplexArray) -> None:
            self._deliver(pack(done, reached.tobytes()))

        with Snapshots(save, program.qubits, interval=self._seconds, first=self._seconds) as snapshots:
            yield state, steps, snapshots

    def _resume(self, program: Program) -> tuple[ComplexArray | None, int]:
        name, record, problem = fingerprint(program), self._kept.records, ""
        state, steps = None, 0
        if self._kept.fingerprint not in ("", name):
            problem = "it was made of another program or version"
        elif record and (len(record) != HEAD + (16 << program.qubits) or steps_of(record) > len(program.steps)):
            problem = "it does not fit the program"
        elif record:
            state, steps = np.frombuffer(record, dtype=np.complex128, offset=HEAD).copy(), steps_of(record)
        self._on_resumed(Resumed(name, steps, len(record) if steps else 0, 0, problem))
        return state, steps
