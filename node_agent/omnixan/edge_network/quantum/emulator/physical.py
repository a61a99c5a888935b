"""A circuit as it runs on a device: gates on the device's qubits, their times, and the chance that nothing goes wrong.

Times follow from scheduling as late as possible: a qubit rests in its ground state until its first gate, all readouts
begin together when the last gate is over, and in between a qubit that waits decays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from omnixan.edge_network.quantum.devices import Device, Gate


class Step(NamedTuple):
    """A gate on qubits of the device."""

    name: str
    qubits: tuple[int, ...]
    params: tuple[float, ...] = ()


class Idle(NamedTuple):
    """A qubit that waits for so many seconds between two of its gates, or for the readout."""

    qubit: int
    seconds: float


@dataclass(frozen=True)
class Physical:
    """A circuit in a device's own gates. `measured[k]` is the device's qubit that gives bit k of an outcome."""

    device: Device
    steps: tuple[Step, ...]
    measured: tuple[int, ...]

    @cached_property
    def active(self) -> tuple[int, ...]:
        """The qubits that are used at all, ascending."""
        return tuple(sorted({qubit for step in self.steps for qubit in step.qubits} | set(self.measured)))

    @cached_property
    def two_qubit_gates(self) -> int:
        """How many gates act on two qubits."""
        return sum(len(step.qubits) == 2 for step in self.steps)

    @cached_property
    def depth(self) -> int:
        """Longest chain of gates and measurements."""
        level = dict.fromkeys(self.active, 0)
        for step in self.steps:
            layer = 1 + max(level[qubit] for qubit in step.qubits)
            level.update(dict.fromkeys(step.qubits, layer))
        for qubit in self.measured:
            level[qubit] += 1
        return max(level.values())

    def gate(self, step: Step) -> Gate:
        """The calibrated gate of a step; KeyError if the device has none there."""
        if len(step.qubits) == 2:
            return self.device.by_pair[step.qubits[0], step.qubits[1]]
        return self.device.qubits[step.qubits[0]].gates[step.name]

    @cached_property
    def timeline(self) -> tuple[tuple[Step | Idle, ...], float]:
        """Steps and waits in an order in which they can be applied, and the seconds until the readouts begin."""
        left = dict.fromkeys(self.active, 0.0)  # seconds from here to the readout, going backwards
        seen: set[int] = set(self.measured)
        backwards: list[Step | Idle] = []
        for step in reversed(self.steps):
            latest = max(left[qubit] for qubit in step.qubits)
            for qubit in step.qubits:
                if qubit in seen and latest > left[qubit]:
                    backwards.append(Idle(qubit, latest - left[qubit]))
                seen.add(qubit)
                left[qubit] = latest + self.gate(step).seconds
            backwards.append(step)
        return tuple(reversed(backwards)), max(left.values(), default=0.0)

    def idles(self) -> Iterator[Idle]:
        """All waits."""
        return (item for item in self.timeline[0] if isinstance(item, Idle))

    def seconds(self) -> float:
        """Duration of one shot: gates and readout, without the pause after it."""
        readout = max((self.device.qubits[qubit].readout for qubit in self.measured), default=0.0)
        return self.timeline[1] + readout

    def occupancy(self, shots: int) -> float:
        """Seconds that the device is busy with so many shots."""
        return shots * (self.seconds() + self.device.shot_delay)

    def success_probability(self) -> float:
        """Estimated success probability (ESP) of one shot: the product of (1 − error) of all gates and readouts, and of the
        entanglement fidelity of all waits. Crosstalk, leakage and correlations are not in it.
        """
        device = self.device
        gates = sum(math.log1p(-min(self.gate(step).error, 1 - 1e-12)) for step in self.steps)
        readouts = sum(math.log1p(-device.qubits[qubit].readout_error) for qubit in self.measured)
        waits = sum(
            math.log(idle_fidelity(idle.seconds, device.qubits[idle.qubit].t1, device.qubits[idle.qubit].t2))
            for idle in self.idles()
        )
        return math.exp(gates + readouts + waits)


def idle_fidelity(seconds: float, t1: float, t2: float) -> float:
    """Entanglement fidelity of relaxation and dephasing for so long: (1 + exp(−t/T1) + 2·exp(−t/T2)) / 4.

    It is the weight of the identity in the channel's Pauli transfer matrix diag(1, e₂, e₂, e₁), tr/4.
    """
    return (1 + math.exp(-seconds / t1) + 2 * math.exp(-seconds / t2)) / 4
