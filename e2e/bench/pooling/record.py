"""What a quantum worker asks of its pool while it runs jobs: `python -m e2e.bench.pooling.record` writes recorded.json anew.

The worker is the agent's own, with its protocol, in a thread of this process instead of a process of its own, so that its
pool can be one that writes down what is asked of it.
"""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

from e2e.bench.pooling import logs
from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling.buffer import Buffer
from omnixan.edge_network.quantum import frames, worker_loop
from omnixan.edge_network.quantum.openqasm import parse

RECORDED = Path(__file__).with_name("recorded.json")
SEED = 20261129
JOBS = 400
LAYERS = 3


class Recording(MemoryPooling):
    """A pool that writes down what comes and what goes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log: list[tuple[int, int]] = []
        self._numbers: dict[int, int] = {}
        made.append(self)

    def acquire(self, size: int | str, **options: Any) -> Buffer:
        """As the pool's."""
        buffer = super().acquire(size, **options)
        number = sum(1 for _, nbytes in self.log if nbytes)
        self._numbers[id(buffer)] = number
        self.log.append((number, buffer.nbytes))
        return buffer

    def release(self, buffer: Buffer) -> None:
        """As the pool's."""
        super().release(buffer)
        self.log.append((self._numbers.pop(id(buffer)), 0))


made: list[Recording] = []


def jobs() -> list[dict[str, Any]]:
    """Circuits of 4 to 16 qubits as they may come in: half of them were there before."""
    rng = random.Random(SEED)
    programs: list[str] = []
    found = []
    for number in range(JOBS):
        if not programs or rng.random() < 0.5:
            programs.append(_program(rng, rng.randint(4, 16)))
        text = rng.choice(programs[-20:])
        spec = {"primitive": {"sampler": {"shots": 256}}, "execution": {"seed": number}}
        circuit = parse(text)
        found.append({"id": number, "spec": spec, "digest": circuit.digest, "circuit": circuit.to_dict(), "log": None})
    return found


def _program(rng: random.Random, qubits: int) -> str:
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{qubits}] q;", f"bit[{qubits}] c;"]
    for _ in range(LAYERS):
        lines += [f"ry({rng.uniform(0, 3):.3f}) q[{qubit}];" for qubit in range(qubits)]
        lines += [f"cx q[{qubit}], q[{qubit + 1}];" for qubit in range(qubits - 1)]
    return "\n".join([*lines, "c = measure q;"]) + "\n"


def record() -> list[tuple[int, int]]:
    """Have the worker run the jobs; what was asked of its pool, as `logs` has it."""
    ours, theirs = socket.socketpair()
    with ours, theirs, patch.object(worker_loop, "MemoryPooling", Recording):
        worker = threading.Thread(target=worker_loop.serve, args=(theirs,), daemon=True)
        worker.start()
        pool = {"bytes": 1 << 30, "block": 64 << 20}
        ours.sendall(frames.encode({"qubits": 16, "aerThreads": 1, "pool": pool}))
        _answer(ours)
        for job in jobs():
            ours.sendall(frames.encode(job))
            answer = _answer(ours)
            if "result" not in answer:
                raise RuntimeError(f"job {job['id']}: {answer}")
        ours.shutdown(socket.SHUT_WR)
        worker.join(60)
    return made[-1].log


def _answer(connection: socket.socket) -> dict[str, Any]:
    while True:
        message = frames.receive(connection)
        if message is None:
            raise RuntimeError("the worker ended")
        if not message.keys() & {"firstShot", "progress"}:
            return message


if __name__ == "__main__":
    logs.write(RECORDED, record())
