"""Circuits and devices for the emulator's tests."""

from __future__ import annotations

from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.devices import Coupling, Device, Gate, Qubit, Source


def ghz(qubits: int) -> Circuit:
    gates = (Instruction("h", (0,)), *(Instruction("cx", (i, i + 1)) for i in range(qubits - 1)))
    return Circuit(qubits, qubits, gates, tuple(Measurement(i, i) for i in range(qubits)))


def line(width: int, *, two: float = 0.01, one: float = 0.0, p10: float = 0.0, p01: float = 0.0, t1: float = 1.0) -> Device:
    """A device whose qubits stand in a line and are all alike."""
    qubit = Qubit(t1=t1, t2=t1, p01=p01, p10=p10, readout=1e-6, gates={"sx": Gate(error=one, seconds=1e-8)})
    rz = qubit.model_copy(update={"gates": qubit.gates | {"rz": Gate(error=0, seconds=0), "x": qubit.gates["sx"]}})
    pairs = [(i, i + 1) for i in range(width - 1)] + [(i + 1, i) for i in range(width - 1)]
    return Device(
        device="line",
        source=Source(package="none", version="0", path="none", backend="none", calibrated="2026-01-01T00:00:00+00:00"),
        shot_delay=1e-4,
        qubits=(rz,) * width,
        couplings=tuple(Coupling(qubits=pair, cx=Gate(error=two, seconds=1e-7)) for pair in pairs),
    )
