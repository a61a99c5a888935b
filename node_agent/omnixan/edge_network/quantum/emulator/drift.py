"""How a device changes between calibrations: a seeded model, not a measurement.

Each figure is its recorded value times exp(σ·X(t)), X a stationary Gaussian-like process of its own with mean 0 and
variance 1:

    X(t) = √(2/M) · Σ_m cos(2π·t/P_m + φ_m),   M = 6 periods P_m drawn log-uniformly from 4 to 96 hours, phases uniform

so that it is a closed form in t: no state, and equal seeds give equal devices. The spreads σ below are assumptions. A
device also has one common process for all its two-qubit gates and one for all its readouts: good and bad days.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

import numpy as np

from omnixan.edge_network.quantum.devices import Coupling, Device, Gate, Qubit

SPREAD_T = 0.20
"""σ of t1 and t2."""
SPREAD_ONE = 0.15
"""σ of single-qubit gate errors."""
SPREAD_TWO = 0.25
"""σ of two-qubit gate errors, each pair's own."""
SPREAD_COMMON = 0.20
"""σ of two-qubit gate errors and of readout errors, common to the device."""
SPREAD_READOUT = 0.20
"""σ of readout errors, each qubit's own."""
WORST = 0.5
"""No error grows beyond this."""
_PERIODS = 6
_SHORTEST, _LONGEST = 4.0, 96.0


def drifted(device: Device, seed: int, hours: float) -> Device:
    """Return the device `hours` after its recorded calibration, in the world that `seed` picks."""

    def factor(spread: float, *what: object) -> float:
        return math.exp(spread * _process(f"{device.device}/{seed}/{'/'.join(map(str, what))}", hours))

    common = {kind: factor(SPREAD_COMMON, "common", kind) for kind in ("cx", "readout")}

    def qubit(number: int, now: Qubit) -> Qubit:
        readout = common["readout"] * factor(SPREAD_READOUT, "readout", number)
        one = factor(SPREAD_ONE, "one", number)
        t1 = min(1.0, now.t1 * factor(SPREAD_T, "t1", number))
        return Qubit(
            t1=t1,
            t2=min(1.0, now.t2 * factor(SPREAD_T, "t2", number)),
            p01=min(WORST, now.p01 * readout),
            p10=min(WORST, now.p10 * readout),
            readout=now.readout,
            gates={name: _worse(gate, one) for name, gate in now.gates.items()},
        )

    def coupling(now: Coupling) -> Coupling:
        pair = tuple(sorted(now.qubits))
        return Coupling(qubits=now.qubits, cx=_worse(now.cx, common["cx"] * factor(SPREAD_TWO, "cx", *pair)))

    moment = datetime.fromisoformat(device.source.calibrated) + timedelta(hours=hours)
    return Device(
        device=device.device,
        source=device.source.model_copy(update={"calibrated": moment.isoformat()}),
        method=f"drift model: seed {seed}, {hours:g} h after the snapshot",
        shot_delay=device.shot_delay,
        qubits=tuple(qubit(number, now) for number, now in enumerate(device.qubits)),
        couplings=tuple(map(coupling, device.couplings)),
    )


def _worse(gate: Gate, factor: float) -> Gate:
    return Gate(error=min(max(WORST, gate.error), gate.error * factor), seconds=gate.seconds)


def _process(name: str, hours: float) -> float:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    random = np.random.Generator(np.random.PCG64(seed))
    periods = np.exp(random.uniform(math.log(_SHORTEST), math.log(_LONGEST), _PERIODS))
    phases = random.uniform(0.0, 2 * math.pi, _PERIODS)
    return float(math.sqrt(2 / _PERIODS) * np.cos(2 * math.pi * hours / periods + phases).sum())
