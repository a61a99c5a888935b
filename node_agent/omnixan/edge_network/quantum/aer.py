"""Qiskit Aer in a process of its own, for states wider than the numpy engine's.

Aer holds Python's global lock while it computes and has threads of its own, so it is neither imported into nor forked
from any other process of the agent: it is started afresh when the first wide circuit comes, and stays. It gives back
the outcome probabilities' sample, drawn by the same sampler as everywhere else.

The child (`python -m …aer FD THREADS PARENT`) speaks frames: {"circuit", "shots", "seed"} → {"firstShot": true},
{"outcomes": [[index, count], …], "cpuSeconds"} | {"error": message}; with "paulis" instead of shots and seed it is
{"values": {string: value}, "cpuSeconds"}.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from omnixan.edge_network.quantum import frames, limits, sampler
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.gates import matrix
from omnixan.edge_network.quantum.spawned import Spawned

MAX_ANSWER = 64 * 1024 * 1024


class AerProcess:
    """Blocking client of one Aer process, which starts at the first call and again after a crash."""

    def __init__(self, threads: int = 1) -> None:
        self.cpu_seconds = 0.0
        self._spawned = Spawned(__spec__.name, threads)

    def sample(self, circuit: Circuit, shots: int, seed: int, on_first_shot: Callable[[], None]) -> dict[int, int]:
        """Return counts by outcome index (as `sampler.sample`); BACKEND_ERROR if the process fails or dies."""
        answer = self._ask({"circuit": circuit.to_dict(), "shots": shots, "seed": seed}, circuit, on_first_shot)
        return {int(index): int(count) for index, count in answer["outcomes"]}

    def expectations(self, circuit: Circuit, paulis: Sequence[str], on_first_shot: Callable[[], None]) -> dict[str, float]:
        """Return the exact expectation value of each Pauli string; errors as `sample`."""
        answer = self._ask({"circuit": circuit.to_dict(), "paulis": list(paulis)}, circuit, on_first_shot)
        return {pauli: float(answer["values"][pauli]) for pauli in paulis}

    def _ask(self, request: dict[str, Any], circuit: Circuit, on_first_shot: Callable[[], None]) -> dict[str, Any]:
        connection, _ = self._spawned.connect()
        try:
            connection.sendall(frames.encode(request))
            while (answer := frames.receive(connection, MAX_ANSWER)) is not None:
                if "firstShot" in answer:
                    on_first_shot()
                elif "error" in answer:
                    raise ProgramError("BACKEND_ERROR", "AerFailed", f"Aer could not run the circuit: {answer['error']}")
                else:
                    self.cpu_seconds += float(answer["cpuSeconds"])
                    return answer
        except (OSError, frames.FrameError) as error:
            self.close()
            raise ProgramError("BACKEND_ERROR", "AerDied", f"the connection to the Aer process broke: {error}") from error
        code = self._spawned.ended()
        raise ProgramError(
            "BACKEND_ERROR",
            "AerDied",
            f"the Aer process ended with status {code} while it ran {circuit.qubits} qubits, usually for want of "
            f"memory (the state alone takes {2**circuit.qubits * 16 // 2**20} MiB)",
        )

    def close(self) -> None:
        """End the process."""
        self._spawned.close()


def _gates(simulator: Any, circuit: Circuit) -> Any:
    """Return the circuit for Aer, without measurements."""
    from qiskit import QuantumCircuit

    native = set(simulator.operation_names)
    target = QuantumCircuit(circuit.qubits)
    for name, qubits, params in circuit.instructions:
        if name in native:
            getattr(target, name)(*params, *qubits)
        else:
            target.unitary(matrix(name, params), qubits)
    return target


def _data(simulator: Any, target: Any) -> Any:
    result = simulator.run(target, shots=1).result()
    if not result.success:
        raise RuntimeError(f"{result.status}")
    return result.data()


def _probabilities(simulator: Any, circuit: Circuit) -> Any:
    """Return the probabilities of the measured qubits' outcomes, shape (2**k,)."""
    target = _gates(simulator, circuit)
    target.save_probabilities(list(circuit.measured_qubits))
    return _data(simulator, target)["probabilities"]


def _expectations(simulator: Any, circuit: Circuit, paulis: Sequence[str]) -> dict[str, float]:
    """Return the exact expectation value of each Pauli string."""
    from qiskit.quantum_info import Pauli

    target = _gates(simulator, circuit)
    for pauli in paulis:
        target.save_expectation_value(Pauli(pauli), range(circuit.qubits), label=pauli)
    data = _data(simulator, target)
    return {pauli: float(data[pauli]) for pauli in paulis}


def main() -> None:
    """Serve on the descriptor given as the first argument, with as many threads as the second says.

    The third is the parent's pid: one that was killed while this process started would else not be missed.
    """
    limits.die_with_parent(int(sys.argv[3]))
    connection = socket.socket(fileno=int(sys.argv[1]))

    from qiskit_aer import AerSimulator

    simulator = AerSimulator(method="statevector", max_parallel_threads=int(sys.argv[2]))
    while (request := frames.receive(connection)) is not None:
        started = time.process_time()
        try:
            circuit = Circuit.from_dict(request["circuit"])
            answer: dict[str, Any]
            if "paulis" in request:
                answer = {"values": _expectations(simulator, circuit, request["paulis"])}
                connection.sendall(frames.encode({"firstShot": True}))
            else:
                probabilities = _probabilities(simulator, circuit)
                connection.sendall(frames.encode({"firstShot": True}))
                outcomes = sampler.sample(probabilities, int(request["shots"]), int(request["seed"]))
                answer = {"outcomes": list(outcomes.items())}
            answer["cpuSeconds"] = time.process_time() - started
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        connection.sendall(frames.encode(answer, MAX_ANSWER))


if __name__ == "__main__":
    main()
