"""How far the estimated success probability is from the measured one, on recorded devices.

Success is the share of 4,096 noisy shots of the emulator that show an outcome which the circuit shows without noise; it
is known in closed form for all five families. Predicted: by the operator, from analysis and calibration. Transpiled: by
the agent, from the gates that run.
"""

from __future__ import annotations

import random
from statistics import fmean
from typing import Any

from e2e.bench import figures
from e2e.bench.esp.circuits import FAMILIES
from omnixan.edge_network.api.quantumjob import Analysis
from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.analysis import analyze
from omnixan.edge_network.quantum.emulator.calibration import report
from omnixan.edge_network.quantum.emulator.process import Machine
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan_operator.decide.esp import load_of, quality_of, success_probability

SEEDS = (1, 2, 3, 4, 5)
SHOTS = 4096
WIDEST = 8
AIM = 0.05


def _measure(seed: int, machines: dict[str, Machine]) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    rows = []
    for name, machine in machines.items():
        device = devices.load(name)
        quality = quality_of(report(device))
        assert quality is not None
        for family in FAMILIES:
            sample = family(draw.randint(2, min(device.width, WIDEST)), draw)
            load = load_of(Analysis.model_validate(analyze(sample.circuit)))
            assert load is not None
            try:
                physical = machine.fit(sample.circuit, SHOTS, 1, None)
            except ProgramError as refused:  # too costly to measure: told, and left out
                print(f"left out: {name} {sample.family}: {refused}", flush=True)
                continue
            outcomes = machine.run(physical, SHOTS, seed)
            rows.append(
                {
                    "seed": seed,
                    "device": name,
                    "family": sample.family,
                    "qubits": sample.circuit.qubits,
                    "twoQubitGates": physical.two_qubit_gates,
                    "predicted": round(success_probability(load, quality), 4),
                    "transpiled": round(physical.success_probability(), 4),
                    "measured": sum(outcomes.get(right, 0) for right in sample.right) / SHOTS,
                }
            )
    return rows


def _errors(rows: list[dict[str, Any]], estimate: str) -> dict[str, Any]:
    differences = [row[estimate] - row["measured"] for row in rows]
    return {
        "meanAbsolute": round(fmean(map(abs, differences)), 4),
        "bias": round(fmean(differences), 4),
        "within0.1": round(fmean(abs(d) <= 0.1 for d in differences), 3),
        "worst": round(max(map(abs, differences)), 4),
    }


def run() -> None:
    """Measure and write docs/figures/esp.*."""
    machines = {name: Machine(devices.load(name)) for name in devices.names()}
    rows = [row for seed in SEEDS for row in _measure(seed, machines)]
    summary: dict[str, Any] = {}
    for estimate in ("predicted", "transpiled"):
        per_seed = [_errors([r for r in rows if r["seed"] == seed], estimate)["meanAbsolute"] for seed in SEEDS]
        groups = {
            key: {value: _errors([r for r in rows if r[key] == value], estimate) for value in sorted({r[key] for r in rows})}
            for key in ("family", "device")
        }
        summary[estimate] = _errors(rows, estimate) | {"bySeed": per_seed} | groups
    verdicts = [
        figures.verdict(
            f"{estimate} against measured success, mean absolute error, {len(rows)} circuits × devices",
            summary[estimate]["meanAbsolute"],
            AIM,
            "",
        )
        for estimate in ("predicted", "transpiled")
    ]
    figures.write("esp", {"shots": SHOTS, "summary": summary, "runs": rows}, verdicts)
