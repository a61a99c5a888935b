"""The success probability to expect of a job on a device, in closed form: analysis × calibration × routing. No Qiskit.

    ESP = (1 − ε₁)^pulses · (1 − ε₂)^cnots · (1 − ε_r)^measured · F(idle)^width,     success = ESP^VISIBLE

ε₂, ε_r, T1, T2 are those of the best connected region as wide as the program (`calibration.regions`), since that is where
a good transpiler puts it. Routing is in the number of controlled-NOTs:

    cnots = own + 3 · swaps,     swaps = ROUTING · lineSwaps · (d / d_line)^DISTANCE

lineSwaps is what the program takes on a line of qubits (analysis), d the mean distance of two qubits in the region and
d_line = (width + 1) / 3 that on a line. Qubits wait while others are worked on:

    idle = WAITING · max(0, t₂ · (depth + 3 · CRITICAL · swaps) − 2 · t₂ · cnots / width)

with F(t) = (1 + exp(−t/T1) + 2·exp(−t/T2)) / 4, the entanglement fidelity of waiting. Success is that a shot shows an
outcome that it would show without noise. Some errors a readout cannot see (phases before a measurement): VISIBLE is the
share that it does. Crosstalk and leakage are not in it.

The constants in capitals are fitted: `python -m e2e.bench.esp.fit` takes circuits of five families on all recorded
devices, transpiles them and minimises the squared error against the agent's ESP, and that of VISIBLE against measured
success; docs/esp.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.api.quantumjob import Analysis

ROUTING = 1.13
DISTANCE = 4.04
CRITICAL = 0.94
WAITING = 0.52
VISIBLE = 0.87

#: Controlled-NOTs that a two-qubit gate takes where it is not one.
CONTROLLED_NOTS = {"swap": 3} | dict.fromkeys(
    ("cs", "csdg", "csx", "cp", "crx", "cry", "crz", "cu", "iswap", "rxx", "ryy", "rzz", "rzx"), 2
)
#: Pulses of single-qubit gates; those left out are a change of frame and take none.
PULSES = {"x": 1, "y": 1, "h": 1, "sx": 1, "sxdg": 1, "rx": 2, "ry": 2, "u": 2, "ch": 4, "crx": 2, "cry": 2, "cu": 4}


@dataclass(frozen=True)
class Load:
    """What a program asks of a device."""

    width: int
    measured: int
    pulses: int
    cnots: int
    depth: int
    """Longest chain of controlled-NOTs."""
    line_swaps: int


@dataclass(frozen=True)
class Part:
    """A device's figures for programs of one width; seconds."""

    two_qubit_error: float
    readout_error: float
    t1: float
    t2: float
    distance: float


@dataclass(frozen=True)
class Quality:
    """A device's calibration as numbers."""

    id: str
    parts: Mapping[int, Part]
    """By width."""
    whole: Part
    """Medians of the device, for a width without a part."""
    single_qubit_error: float
    two_qubit_seconds: float
    readout_seconds: float
    shot_delay_seconds: float

    def shot_seconds(self, depth: int = 0) -> float:
        """Time of the device for one shot of that depth in controlled-NOTs."""
        return depth * self.two_qubit_seconds + self.readout_seconds + self.shot_delay_seconds


def load_of(analysis: Analysis) -> Load | None:
    """What the analysed program asks of a device; None for an algorithm, or where the analysis does not tell."""
    if analysis.gates is None or analysis.two_qubit_gates is None:
        return None
    gates = analysis.gates
    extra = sum(times * (CONTROLLED_NOTS[name] - 1) for name, times in gates.items() if name in CONTROLLED_NOTS)
    cnots = analysis.two_qubit_gates + extra
    pulses = sum(times * PULSES.get(name, 0) for name, times in gates.items())
    return Load(
        width=analysis.qubits,
        measured=analysis.measured or analysis.qubits,  # 0: an estimator measures what its observables act on
        # Between two gates on a pair a qubit's own gates are merged into one of two pulses.
        pulses=min(pulses, 2 * (2 * cnots + analysis.qubits)),
        cnots=cnots,
        depth=cnots if analysis.two_qubit_depth is None else analysis.two_qubit_depth,
        line_swaps=analysis.line_swaps or 0,
    )


def quality_of(calibration: Mapping[str, Any]) -> Quality | None:
    """An EdgeNode's status.calibration as numbers; None if it is not what the schema promises."""
    try:
        whole = Part(
            _share(calibration["twoQubitError"]),
            _share(calibration["readoutError"]),
            _seconds(calibration["t1"]),
            _seconds(calibration["t2"]),
            max(1.0, float(calibration["qubits"]) / 4),
        )
        parts = {
            int(region["qubits"]): Part(
                _share(region["twoQubitError"]),
                _share(region["readoutError"]),
                _seconds(region["t1"]),
                _seconds(region["t2"]),
                max(0.0, float(region["distance"])),
            )
            for region in calibration.get("regions") or ()
        }
        return Quality(
            id=str(calibration["id"]),
            parts=parts,
            whole=whole,
            single_qubit_error=_share(calibration["singleQubitError"]),
            two_qubit_seconds=_seconds(calibration["twoQubitSeconds"]),
            readout_seconds=_seconds(calibration["readoutSeconds"]),
            shot_delay_seconds=_seconds(calibration["shotDelaySeconds"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def success_probability(load: Load, quality: Quality) -> float:
    """Predicted success probability of one shot."""
    return math.exp(VISIBLE * log_success(load, quality, (ROUTING, DISTANCE, CRITICAL, WAITING)))


def log_success(load: Load, quality: Quality, constants: tuple[float, float, float, float]) -> float:
    """Logarithm of the ESP, with the constants (ROUTING, DISTANCE, CRITICAL, WAITING) given: what the fit varies."""
    routing, distance, critical, waiting = constants
    part = quality.parts.get(load.width, quality.whole)
    swaps = 0.0
    if load.line_swaps and part.distance > 0:
        swaps = routing * load.line_swaps * (part.distance / ((load.width + 1) / 3)) ** distance
    cnots = load.cnots + 3 * swaps
    span = quality.two_qubit_seconds * (load.depth + 3 * critical * swaps)
    idle = waiting * max(0.0, span - 2 * quality.two_qubit_seconds * cnots / load.width)
    kept = (1 + math.exp(-idle / part.t1) + 2 * math.exp(-idle / part.t2)) / 4
    return (
        load.pulses * _log_kept(quality.single_qubit_error)
        + cnots * _log_kept(part.two_qubit_error)
        + load.measured * _log_kept(part.readout_error)
        + load.width * math.log(kept)
    )


def _log_kept(error: float) -> float:
    """log(1 − error); a certain error is taken as nearly certain, so that there is one."""
    return math.log1p(-min(error, 1 - 1e-12))


def _share(text: Any) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError(f"{text} is no probability")
    return number


def _seconds(text: Any) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{text} is no duration")
    return number
