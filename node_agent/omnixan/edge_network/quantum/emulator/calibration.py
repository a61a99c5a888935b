"""A device's calibration as the EdgeNode's status has it: medians, and what a program of each width may hope for."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from omnixan.edge_network.quantum.devices import Device

_SIGNIFICANT = 6


def report(device: Device) -> dict[str, Any]:
    """Return `status.calibration` of an EdgeNode; fractions and seconds as decimal strings."""
    qubits, readout = device.qubits, statistics.median(qubit.readout_error for qubit in device.qubits)
    two = device.median_error()
    return {
        "id": device.id,
        "device": device.device,
        "method": device.method,
        "time": _utc(device.source.calibrated),
        "qubits": device.width,
        "twoQubitFidelity": _text(1 - two),
        "readoutFidelity": _text(1 - readout),
        "singleQubitError": _text(statistics.median(qubit.gates[device.pulse].error for qubit in qubits)),
        "twoQubitError": _text(two),
        "readoutError": _text(readout),
        "t1": _text(statistics.median(qubit.t1 for qubit in qubits)),
        "t2": _text(statistics.median(qubit.t2 for qubit in qubits)),
        "singleQubitSeconds": _text(statistics.median(qubit.gates[device.pulse].seconds for qubit in qubits)),
        "twoQubitSeconds": _text(statistics.median(coupling.cx.seconds for coupling in device.couplings)),
        "readoutSeconds": _text(statistics.median(qubit.readout for qubit in qubits)),
        "shotDelaySeconds": _text(device.shot_delay),
        "regions": [_region(device, size) for size in range(1, device.width + 1)],
    }


def best_region(device: Device, size: int) -> tuple[int, ...]:
    """Return `size` connected qubits with small errors, found greedily from every qubit in turn.

    The cost of a group is the sum of its qubits' readout errors and of the errors of a spanning tree of couplings, which
    is what a chain of `size` qubits has to use at least.
    """
    candidates = (_grown(device, start, size) for start in range(device.width))
    return min(candidates)[1]


def _grown(device: Device, start: int, size: int) -> tuple[float, tuple[int, ...]]:
    chosen, cost = [start], device.qubits[start].readout_error
    while len(chosen) < size:
        step, new = min(
            (device.coupling_error(inside, outside) + device.qubits[outside].readout_error, outside)
            for inside in chosen
            for outside in device.neighbours[inside].difference(chosen)
        )
        chosen.append(new)
        cost += step
    return cost, tuple(sorted(chosen))


def _region(device: Device, size: int) -> dict[str, Any]:
    region = best_region(device, size)
    inside = set(region)
    errors = [device.coupling_error(a, b) for a in region for b in device.neighbours[a] if a < b and b in inside]
    qubits = [device.qubits[number] for number in region]
    return {
        "qubits": size,
        "twoQubitError": _text(statistics.fmean(errors) if errors else 0.0),
        "readoutError": _text(statistics.fmean(qubit.readout_error for qubit in qubits)),
        "t1": _text(statistics.harmonic_mean([qubit.t1 for qubit in qubits])),
        "t2": _text(statistics.harmonic_mean([qubit.t2 for qubit in qubits])),
        "distance": _text(mean_distance(device, region)),
    }


def mean_distance(device: Device, region: Iterable[int]) -> float:
    """Return the mean number of couplings on the shortest way between two qubits of a connected group, inside it."""
    inside = set(region)
    lengths = [d for start in inside for d in _distances(device, start, inside).values() if d]
    return statistics.fmean(lengths) if lengths else 0.0


def _distances(device: Device, start: int, inside: set[int]) -> Mapping[int, int]:
    found, front = {start: 0}, [start]
    for here in front:
        for there in sorted(device.neighbours[here] & inside - found.keys()):
            found[there] = found[here] + 1
            front.append(there)
    return found


def _utc(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(number: float) -> str:
    return f"{number:.{_SIGNIFICANT}g}"
