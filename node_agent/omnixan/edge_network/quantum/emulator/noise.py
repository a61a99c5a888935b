"""The device's noise on top of a circuit in its own gates. Needs Qiskit Aer; only the emulator's process imports it.

- gate: the relaxation of its qubits for its duration, then depolarising noise, so strong that both together have the
  recorded average infidelity ε. With F_r = 1 − ε_r the relaxation's average fidelity and d the dimension, p in
  (1 − p)·F_r + p/d = 1 − ε. Where relaxation alone exceeds ε (the record contradicts itself), noise is depolarising alone.
- wait: relaxation for as long as it takes.
- above 10 qubits, where trajectories are simulated one a shot, relaxation is Pauli-twirled: X and Y with
  (1 − exp(−t/T1))/4 each, Z with (1 − exp(−t/T2))/2 less one of them. Its fidelities are those of relaxation; that
  states decay towards 0 is lost.
- readout: bits are flipped by p(1|0) and p(0|1) of each qubit, independently (`readout.py`).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from omnixan.edge_network.quantum.devices import Device
from omnixan.edge_network.quantum.emulator.physical import Idle, Physical, Step


class Noise:
    """The noise channels of one device; those of gates are made once, exact and twirled."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._gates: dict[tuple[str, tuple[int, ...], bool], Any] = {}

    def circuit(self, physical: Physical, *, twirled: bool) -> Any:
        """Return a Qiskit circuit on the active qubits alone, with every channel in its place, not yet measured."""
        from qiskit import QuantumCircuit

        place = {qubit: index for index, qubit in enumerate(physical.active)}
        circuit = QuantumCircuit(len(place))
        for item in physical.timeline[0]:
            if isinstance(item, Idle):
                qubit = self.device.qubits[item.qubit]
                wait = _relaxation(qubit.t1, qubit.t2, item.seconds, twirled)
                circuit.append(wait.to_instruction(), [place[item.qubit]])
                continue
            where = [place[qubit] for qubit in item.qubits]
            _apply(circuit, item, where)
            channel = self._gate(physical, item, twirled)
            if channel is not None:
                circuit.append(channel, where)
        return circuit

    def _gate(self, physical: Physical, step: Step, twirled: bool) -> Any | None:
        key = step.name, step.qubits, twirled
        if key not in self._gates:
            figures = physical.gate(step)
            error = gate_error(self.device, step.qubits, figures.error, figures.seconds, twirled=twirled)
            self._gates[key] = None if error is None else error.to_instruction()
        return self._gates[key]


def gate_error(
    device: Device, qubits: tuple[int, ...], infidelity: float, seconds: float, *, twirled: bool = False
) -> Any | None:
    """Return the channel after a gate of that average infidelity and duration; None for a perfect one."""
    from qiskit.quantum_info import average_gate_fidelity
    from qiskit_aer.noise import depolarizing_error

    if infidelity <= 0:
        return None
    width = len(qubits)
    floor = 1 / 2**width  # average fidelity of a fully depolarised state
    if seconds > 0:
        first, *others = (_relaxation(device.qubits[q].t1, device.qubits[q].t2, seconds, twirled) for q in qubits)
        relaxation = first
        for more in others:
            relaxation = more.tensor(relaxation)
        fidelity = float(average_gate_fidelity(relaxation.to_quantumchannel()))
        if 1 - fidelity <= infidelity:
            strength = min(1.0, (fidelity - (1 - infidelity)) / (fidelity - floor))
            return relaxation.compose(depolarizing_error(strength, width))
    return depolarizing_error(min(1.0, infidelity / (1 - floor)), width)


@lru_cache(maxsize=4096)
def _relaxation(t1: float, t2: float, seconds: float, twirled: bool) -> Any:
    from qiskit_aer.noise import pauli_error, thermal_relaxation_error

    if not twirled:
        return thermal_relaxation_error(t1, t2, seconds)
    flip = -math.expm1(-seconds / t1) / 4
    phase = max(0.0, -math.expm1(-seconds / t2) / 2 - flip)
    return pauli_error([("X", flip), ("Y", flip), ("Z", phase), ("I", 1 - 2 * flip - phase)])


def _apply(circuit: Any, step: Step, where: list[int]) -> None:
    from qiskit.circuit.library import U1Gate, U2Gate, U3Gate

    legacy = {"u1": U1Gate, "u2": U2Gate, "u3": U3Gate}
    if step.name in legacy:
        circuit.append(legacy[step.name](*step.params), where)
    else:
        getattr(circuit, step.name)(*step.params, *where)
