"""From a circuit to a device's own gates and couplings. Needs Qiskit; only the emulator's process imports it.

Pass managers are built once a device and optimization level: building one costs about a hundred times what it takes to
use it. What was fitted before is not fitted again. Layout and routing are seeded with a constant, so that equal circuits
are fitted equally.
"""

from __future__ import annotations

from typing import Any

from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.devices import Device
from omnixan.edge_network.quantum.emulator.physical import Physical, Step
from omnixan.edge_network.quantum.gates import matrix

SEED = 20_260_101
LEVELS = (0, 1, 2, 3)

CACHE_BYTES = 32 * 1024 * 1024
_BYTES_PER_STEP = 400


class Transpiler:
    """Fits circuits to one device; pass managers are kept by level, and fitted circuits within `CACHE_BYTES`."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._target = target_of(device)
        self._managers: dict[int, Any] = {}
        self.fitted: CircuitCache[Physical] = CircuitCache(CACHE_BYTES)

    def fit(self, circuit: Circuit, level: int) -> Physical:
        """Return the circuit in the device's gates; bit k of an outcome is `circuit.measured_qubits[k]`."""
        target = f"{self.device.id}/{level}"
        found = self.fitted.get(circuit.digest, target)
        if found is None:
            found = self._fit(circuit, level)
            self.fitted.put(circuit.digest, target, found, _BYTES_PER_STEP * (len(found.steps) + len(found.measured)))
        return found

    def _fit(self, circuit: Circuit, level: int) -> Physical:
        from qiskit.transpiler import generate_preset_pass_manager

        if level not in self._managers:
            self._managers[level] = generate_preset_pass_manager(
                optimization_level=level, target=self._target, seed_transpiler=SEED
            )
        fitted = self._managers[level].run(to_qiskit(circuit))
        return physical(self.device, fitted, len(circuit.measured_qubits))


def to_qiskit(circuit: Circuit) -> Any:
    """Return the circuit as Qiskit has it, measured_qubits[k] into classical bit k."""
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import get_standard_gate_name_mapping

    standard = get_standard_gate_name_mapping()
    target = QuantumCircuit(circuit.qubits, len(circuit.measured_qubits))
    for name, qubits, params in circuit.instructions:
        if name in standard:
            getattr(target, name)(*params, *qubits)
        else:
            target.unitary(matrix(name, params), qubits)
    for bit, qubit in enumerate(circuit.measured_qubits):
        target.measure(qubit, bit)
    return target


def physical(device: Device, fitted: Any, bits: int) -> Physical:
    """Return a transpiled Qiskit circuit as gates on the device's qubits."""
    number = {qubit: index for index, qubit in enumerate(fitted.qubits)}
    bit_of = {clbit: index for index, clbit in enumerate(fitted.clbits)}
    measured = [-1] * bits
    steps = []
    for instruction in fitted.data:
        name = instruction.operation.name
        qubits = tuple(number[qubit] for qubit in instruction.qubits)
        if name == "measure":
            measured[bit_of[instruction.clbits[0]]] = qubits[0]
        elif name not in ("barrier", "id", "delay"):
            steps.append(Step(name, qubits, tuple(float(p) for p in instruction.operation.params)))
    return Physical(device, tuple(steps), tuple(measured))


def target_of(device: Device) -> Any:
    """Return the device as Qiskit's transpiler knows it: gates with their errors and durations, and readouts."""
    from qiskit.circuit import Measure, Parameter
    from qiskit.circuit.library import CXGate, RZGate, SXGate, U1Gate, U2Gate, U3Gate, XGate
    from qiskit.transpiler import InstructionProperties, QubitProperties, Target

    angles = [Parameter(name) for name in "abc"]
    gates = {
        "rz": RZGate(angles[0]),
        "sx": SXGate(),
        "x": XGate(),
        "u1": U1Gate(angles[0]),
        "u2": U2Gate(*angles[:2]),
        "u3": U3Gate(*angles),
    }
    properties = [QubitProperties(t1=qubit.t1, t2=qubit.t2) for qubit in device.qubits]
    target = Target(num_qubits=device.width, qubit_properties=properties)
    for name in device.basis:
        if name in gates:
            figures = {
                (index,): InstructionProperties(duration=qubit.gates[name].seconds, error=qubit.gates[name].error)
                for index, qubit in enumerate(device.qubits)
                if name in qubit.gates
            }
            target.add_instruction(gates[name], figures)
    pairs = {pair: InstructionProperties(duration=gate.seconds, error=gate.error) for pair, gate in device.by_pair.items()}
    target.add_instruction(CXGate(), pairs)
    readouts = {
        (index,): InstructionProperties(duration=qubit.readout, error=qubit.readout_error)
        for index, qubit in enumerate(device.qubits)
    }
    target.add_instruction(Measure(), readouts)
    return target
