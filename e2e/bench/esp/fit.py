"""`python -m e2e.bench.esp.fit`: fit the constants of decide/esp.py, and print them.

Circuits of the five families on all recorded devices, drawn with seeds that no benchmark uses, are transpiled at level 1.
ROUTING, DISTANCE, CRITICAL and WAITING minimise the mean squared difference between the operator's closed form and the
agent's ESP. VISIBLE then minimises that to the success measured with the noisy simulation, on circuits of up to 8 qubits.
"""

from __future__ import annotations

import math
import random
from typing import Any

from e2e.bench.esp.circuits import FAMILIES
from omnixan.edge_network.api.quantumjob import Analysis
from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.analysis import analyze
from omnixan.edge_network.quantum.emulator.calibration import report
from omnixan.edge_network.quantum.emulator.process import Machine
from omnixan.edge_network.quantum.emulator.transpiling import Transpiler
from omnixan_operator.decide.esp import Load, Quality, load_of, log_success, quality_of

SEED = 1001
PER_FAMILY = 15
WIDEST = 14
PER_FAMILY_MEASURED = 3
WIDEST_MEASURED = 8
SHOTS = 4096
STARTS = ((1.0, 1.0, 0.5, 0.5), (0.7, 2.0, 0.5, 0.7))


def training_set() -> list[tuple[Load, Quality, float]]:
    """Load, quality and transpiled ESP of every circuit on every device."""
    draw = random.Random(SEED)
    rows = []
    for name in devices.names():
        device = devices.load(name)
        quality, transpiler = quality_of(report(device)), Transpiler(device)
        assert quality is not None
        for family in FAMILIES:
            for _ in range(PER_FAMILY):
                circuit = family(draw.randint(2, min(device.width, WIDEST)), draw).circuit
                load = load_of(Analysis.model_validate(analyze(circuit)))
                assert load is not None
                rows.append((load, quality, transpiler.fit(circuit, 1).success_probability()))
    return rows


def measured_set() -> list[tuple[Load, Quality, float]]:
    """Load, quality and measured success of narrow circuits on every device."""
    draw = random.Random(SEED + 1)
    rows = []
    for name in devices.names():
        device = devices.load(name)
        quality, machine = quality_of(report(device)), Machine(device)
        assert quality is not None
        for family in FAMILIES:
            for _ in range(PER_FAMILY_MEASURED):
                sample = family(draw.randint(2, min(device.width, WIDEST_MEASURED)), draw)
                load = load_of(Analysis.model_validate(analyze(sample.circuit)))
                assert load is not None
                outcomes = machine.run(machine.fit(sample.circuit, SHOTS, 1, None), SHOTS, SEED)
                rows.append((load, quality, sum(outcomes.get(right, 0) for right in sample.right) / SHOTS))
    return rows


def main() -> None:
    """Fit and print."""
    from scipy.optimize import minimize, minimize_scalar

    rows = training_set()

    def cost(constants: Any) -> float:
        given = tuple(map(float, constants))
        assert len(given) == 4
        return sum((math.exp(log_success(load, quality, given)) - esp) ** 2 for load, quality, esp in rows) / len(rows)

    found = min((minimize(cost, start, method="Nelder-Mead") for start in STARTS), key=lambda result: result.fun)
    print(f"{len(rows)} circuits x devices, root mean square difference {found.fun**0.5:.4f}")
    for name, value in zip(("ROUTING", "DISTANCE", "CRITICAL", "WAITING"), found.x, strict=True):
        print(f"{name} = {value:.2f}")
    routing, distance, critical, waiting = map(float, found.x)
    logs = [
        (log_success(load, quality, (routing, distance, critical, waiting)), share)
        for load, quality, share in measured_set()
    ]
    seen = minimize_scalar(
        lambda v: sum((math.exp(v * log) - share) ** 2 for log, share in logs), bounds=(0.5, 1.5), method="bounded"
    )
    print(f"VISIBLE = {seen.x:.2f} ({len(logs)} measured circuits x devices)")


if __name__ == "__main__":
    main()
