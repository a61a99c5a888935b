"""The emulator's process: Qiskit and Aer in one, fitted circuits out to their noisy counts.

The child (`python -m …process FD THREADS PARENT`) speaks frames. First the device, then any number of requests:

    → {"device": {…}}
    → {"digest", "circuit", "shots", "seed", "level", "longest"}  longest: seconds the device may be busy, null for no bound
    ← {"begins": {transpiled, occupancy, readout}}         the circuit is fitted and simulation begins
    ← {"outcomes": [[index, count], …], "cpuSeconds"} | {"refused": {category, reason, message}} | {"error": message}
"""

from __future__ import annotations

import socket
import sys
import time
from typing import Any

from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.quantum import frames, limits, sampler
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.devices import Device
from omnixan.edge_network.quantum.emulator import cost, readout
from omnixan.edge_network.quantum.emulator.noise import Noise
from omnixan.edge_network.quantum.emulator.physical import Physical
from omnixan.edge_network.quantum.emulator.readout import ReadoutError
from omnixan.edge_network.quantum.emulator.transpiling import Transpiler
from omnixan.edge_network.quantum.errors import ProgramError

MAX_ANSWER = 64 * 1024 * 1024
CACHED_GATES = 200_000
PARSED = "parsed"
_FLIPS = 1
"""Stream of a seed that readout errors are drawn from, apart from that of the trajectories."""


class Machine:
    """One emulated device inside this process: fits, checks, simulates."""

    def __init__(self, device: Device, threads: int = 1) -> None:
        from qiskit_aer import AerSimulator

        self.transpiler = Transpiler(device)
        self._circuits: CircuitCache[Circuit] = CircuitCache(CACHED_GATES)
        self._noise = Noise(device)
        self._simulators = {
            method: AerSimulator(method=method, max_parallel_threads=threads)
            for method in ("density_matrix", "statevector", "matrix_product_state")
        }

    def circuit(self, digest: str, data: object) -> Circuit:
        """Return a request's circuit; one with this digest that was seen before is the same object."""
        circuit = self._circuits.get(digest, PARSED)
        if circuit is None:
            circuit = Circuit.from_dict(data)
            self._circuits.put(digest, PARSED, circuit, len(circuit.instructions))
        return circuit

    def fit(self, circuit: Circuit, shots: int, level: int, longest: float | None) -> Physical:
        """Return the circuit in the device's gates; CAPABILITY_MISMATCH if it would take too long."""
        physical = self.transpiler.fit(circuit, level)
        check_device_time(physical, shots, longest)
        plan = cost.plan(physical, shots)
        seconds = plan.seconds
        if plan.trial and seconds > cost.MAX_SECONDS:
            seconds = self._tried(physical, plan.method, shots)
        check_cost(physical, shots, seconds)
        return physical

    def run(self, physical: Physical, shots: int, seed: int) -> dict[int, int]:
        """Return noisy counts by outcome index, readout errors included. Equal arguments give equal counts."""
        method = cost.plan(physical, shots).method
        errors = readout_errors(physical)
        if method != "density_matrix":
            return readout.flipped(self._trajectories(physical, method, shots, seed), errors, seed + _FLIPS)
        noisy = self._noise.circuit(physical, twirled=False)
        noisy.save_probabilities(_places(physical))
        ideal = self._result(method, noisy, 1, seed).data()["probabilities"]
        return sampler.sample(readout.confused(ideal, errors), shots, seed)

    def _tried(self, physical: Physical, method: str, shots: int) -> float:
        """Return the CPU seconds that so many trajectories will take, from those of a few more than one."""
        self._trajectories(physical, method, 1, 0)  # what is made once is not counted
        marks = [time.process_time()]
        for few in (1, 1 + cost.TRIAL_SHOTS):
            self._trajectories(physical, method, few, 0)
            marks.append(time.process_time())
        once, more = marks[1] - marks[0], marks[2] - marks[1]
        return once + max(0.0, more - once) / cost.TRIAL_SHOTS * shots

    def _trajectories(self, physical: Physical, method: str, shots: int, seed: int) -> dict[int, int]:
        from qiskit import ClassicalRegister

        where = _places(physical)
        noisy = self._noise.circuit(physical, twirled=True)
        noisy.add_register(ClassicalRegister(len(where)))
        noisy.measure(where, range(len(where)))
        counted = self._result(method, noisy, shots, seed).get_counts()
        return {int(bits, 2): int(count) for bits, count in counted.items()}

    def _result(self, method: str, circuit: Any, shots: int, seed: int) -> Any:
        result = self._simulators[method].run(circuit, shots=shots, seed_simulator=seed).result()
        if not result.success:
            raise RuntimeError(f"{result.status}")
        return result


def _places(physical: Physical) -> list[int]:
    """Return where each measured qubit stands among the active ones."""
    place = {qubit: index for index, qubit in enumerate(physical.active)}
    return [place[qubit] for qubit in physical.measured]


def readout_errors(physical: Physical) -> list[ReadoutError]:
    """Return the readout error of every bit of an outcome."""
    qubits = [physical.device.qubits[qubit] for qubit in physical.measured]
    return [ReadoutError(qubit.p10, qubit.p01) for qubit in qubits]


def check_device_time(physical: Physical, shots: int, longest: float | None) -> None:
    """Raise CAPABILITY_MISMATCH if the device would be busy for longer than the job may take."""
    busy = physical.occupancy(shots)
    if longest is not None and busy > longest:
        fitting = int(shots * longest / busy)
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "DeviceTimeTooLong",
            f"{shots} shots take {busy:.1f} s of the device, more than spec.execution.timeoutSeconds allows "
            f"({longest:g} s): take at most {fitting} shots, or raise the timeout",
        )


def check_cost(physical: Physical, shots: int, seconds: float) -> None:
    """Raise CAPABILITY_MISMATCH if the simulation is estimated to take too long."""
    if seconds > cost.MAX_SECONDS:
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "TooCostlyToEmulate",
            f"{shots} noisy shots of {len(physical.active)} qubits with {physical.two_qubit_gates} two-qubit gates "
            f"would take the emulator about {seconds:.0f} s of CPU, and at most {cost.MAX_SECONDS:.0f} s are "
            "spent: take fewer shots, fewer gates or fewer qubits",
        )


def facts(physical: Physical, shots: int) -> dict[str, Any]:
    """Return what is known of a run before it begins: {transpiled, occupancy, readout}."""
    return {
        "transpiled": {
            "successProbability": float(f"{physical.success_probability():.6g}"),
            "depth": physical.depth,
            "twoQubitGates": physical.two_qubit_gates,
            "seconds": float(f"{physical.seconds():.6g}"),
        },
        "occupancy": physical.occupancy(shots),
        "readout": [[error.p10, error.p01] for error in readout_errors(physical)],
    }


def main() -> None:
    """Serve on the descriptor given as the first argument (second: threads, third: the parent's pid)."""
    limits.die_with_parent(int(sys.argv[3]))
    connection = socket.socket(fileno=int(sys.argv[1]))
    first = frames.receive(connection)
    if first is None:
        return
    machine = Machine(Device.model_validate(first["device"]), int(sys.argv[2]))
    while (request := frames.receive(connection)) is not None:
        connection.sendall(frames.encode(_answer(machine, request, connection), MAX_ANSWER))


def _answer(machine: Machine, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
    started = time.process_time()
    try:
        circuit, shots = machine.circuit(request["digest"], request["circuit"]), int(request["shots"])
        physical = machine.fit(circuit, shots, int(request["level"]), request["longest"])
        connection.sendall(frames.encode({"begins": facts(physical, shots)}))
        outcomes = machine.run(physical, shots, int(request["seed"]))
        return {"outcomes": list(outcomes.items()), "cpuSeconds": time.process_time() - started}
    except ProgramError as error:
        return {"refused": error.to_dict()}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
