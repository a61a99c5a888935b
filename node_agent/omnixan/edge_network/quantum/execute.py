"""One job from spec to result, whatever the backend and wherever it runs: on a node or on a laptop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from omnixan.edge_network.api.result import MAX_RESULT_BYTES, TOP_OUTCOMES
from omnixan.edge_network.quantum import mitigation, sampler
from omnixan.edge_network.quantum.backend import Backend, Options, require_width
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.estimate import estimate
from omnixan.edge_network.quantum.training_log import Ledger

if TYPE_CHECKING:
    from omnixan.edge_network.quantum.circuit_log import CircuitLog

DEFAULT_SHOTS = 1024
_SIGNIFICANT = 6


def execute(
    spec: Mapping[str, Any],
    circuit: Circuit | None,
    *,
    backend: Backend,
    on_progress: Callable[[dict[str, Any]], None] = lambda progress: None,
    on_first_shot: Callable[[], None] = lambda: None,
    ledger: Ledger | None = None,
    circuit_log: CircuitLog | None = None,
) -> dict[str, Any]:
    """Run a job and return {"summary": {…}, "counts": {bitstring: number}, "usage": {"shots", "cpuSeconds"[, "qpuSeconds",
    "transpiled"]}}.

    `spec` is a QuantumJob's or QuantumRun's spec as in the manifest (camelCase) with `execution.seed` set; `circuit` is
    its parsed program, None for an algorithm. Equal spec and circuit give equal summary and counts; usage is beside
    them because CPU time varies. `on_progress` gets {iteration, of, best} of an algorithm's loop, `on_first_shot` is
    called when sampling of the final circuit starts. With a `ledger` an algorithm's loop goes on where its log ends, and
    hands out what it computes; usage is of all evaluations, those in the log too. With a `circuit_log` a program does the
    same by its state, where it runs on the numpy engine. ProgramError for whatever cannot be run here.
    """
    started = time.process_time() + backend.cpu_seconds()
    primitive = spec.get("primitive", {})
    shots = int(primitive.get("sampler", {}).get("shots", DEFAULT_SHOTS))
    seed = int(spec["execution"]["seed"])
    options = replace(options_of(spec), log=circuit_log)
    if circuit is not None and "estimator" in primitive:
        result, spent = _estimate(spec, circuit, seed, backend, on_first_shot, options)
    elif circuit is not None:
        result, spent = _sample(spec, circuit, shots, seed, backend, on_first_shot, options), shots
    else:
        result = _solve(spec, shots, seed, backend, on_progress, on_first_shot, ledger)
        if _mitigates(spec):
            result["summary"] |= _mitigated(False, 1.0)  # algorithms run on simulators
        spent = shots + int(result["summary"].get("training", {}).get("shots", 0))
    _check_size(result)
    used = time.process_time() + backend.cpu_seconds() - started
    result["usage"] = {"shots": spent, "cpuSeconds": round(used, 6)} | backend.take_usage()
    return result


def _sample(
    spec: Mapping[str, Any],
    circuit: Circuit,
    shots: int,
    seed: int,
    backend: Backend,
    on_first_shot: Callable[[], None],
    options: Options,
) -> dict[str, Any]:
    if not circuit.measurements:
        raise ProgramError(
            "INVALID_PROGRAM",
            "NothingMeasured",
            "the program measures nothing, so there is nothing to sample: declare a bit register and end with "
            "'c = measure q;', or ask for spec.primitive.estimator",
        )
    found = backend.shots(circuit, shots, seed, on_first_shot, options)
    outcomes, note = found.outcomes, {}
    if _mitigates(spec):
        mitigated = mitigation.undo(outcomes, found.readout)
        outcomes, note = mitigated.outcomes, _mitigated(bool(found.readout), mitigated.overhead)
    counts = sampler.counts(circuit, outcomes)
    return {"summary": summarize(counts, shots) | note, "counts": counts}


def _estimate(
    spec: Mapping[str, Any],
    circuit: Circuit,
    seed: int,
    backend: Backend,
    on_first_shot: Callable[[], None],
    options: Options,
) -> tuple[dict[str, Any], int]:
    found = estimate(
        spec["primitive"]["estimator"],
        circuit,
        seed=seed,
        mitigate=_mitigates(spec),
        backend=backend,
        on_first_shot=on_first_shot,
        options=options,
    )
    summary = {"shots": found.shots, "distinctOutcomes": 0, "top": [], "expectations": found.expectations}
    if found.overhead is not None:
        summary |= _mitigated(not backend.exact, found.overhead)
    return {"summary": summary, "counts": {}}, found.shots


def _mitigates(spec: Mapping[str, Any]) -> bool:
    return bool((spec.get("mitigation") or {}).get("readout"))


def _mitigated(needed: bool, overhead: float) -> dict[str, Any]:
    method = mitigation.METHOD if needed else "none"
    return {"mitigation": {"readout": method, "overhead": float(f"{overhead:.{_SIGNIFICANT}g}")}}


def options_of(spec: Mapping[str, Any]) -> Options:
    """Return how the circuits of a spec are to be run."""
    execution = spec["execution"]
    return Options(int(execution.get("optimizationLevel", 1)), execution.get("timeoutSeconds"))


def summarize(counts: Mapping[str, int], shots: int) -> dict[str, Any]:
    """Return {shots, distinctOutcomes, top}: the eight most frequent outcomes, ties in order of the bit string.

    Probabilities are rounded to 6 significant digits.
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP_OUTCOMES]
    return {
        "shots": shots,
        "distinctOutcomes": len(counts),
        "top": [
            {"bitstring": bits, "count": count, "probability": float(f"{count / shots:.{_SIGNIFICANT}g}")}
            for bits, count in ranked
        ],
    }


def _solve(
    spec: Mapping[str, Any],
    shots: int,
    seed: int,
    backend: Backend,
    on_progress: Callable[[dict[str, Any]], None],
    on_first_shot: Callable[[], None],
    ledger: Ledger | None,
) -> dict[str, Any]:
    if not backend.exact:
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "AlgorithmNeedsSimulator",
            f"the {backend.name} runs programs; an algorithm's loop runs on a simulator: allow one, or give a program",
        )
    algorithm = spec["algorithm"]["qaoa"]
    require_width(_variables(algorithm["problem"]), backend)
    from omnixan.edge_network.quantum.qaoa import LogMismatch, solve  # scipy comes with it

    wanted = spec.get("optimizer") or {}
    optimizer = {"name": wanted.get("name", "auto"), "maxIterations": int(wanted.get("maxIterations", 100))}
    train = partial(
        solve,
        algorithm["problem"],
        layers=int(algorithm.get("layers", 3)),
        shots=shots,
        seed=seed,
        optimizer=optimizer,
        exact=backend.exact,
        on_progress=on_progress,
    )
    if ledger is None:
        return train(on_first_shot=on_first_shot)
    log = ledger.begin(spec, training_shots(spec, backend), backend.exact)
    try:
        result = train(on_first_shot=on_first_shot, log=log, on_computed=ledger.computed)
    except LogMismatch as error:
        result = train(on_first_shot=on_first_shot, log=ledger.dropped(str(error)), on_computed=ledger.computed)
    ledger.finish()
    return result


def training_shots(spec: Mapping[str, Any], backend: Backend) -> int:
    """Return how many shots an evaluation of an algorithm's loop takes here; 0 for exact states and for a program."""
    if "algorithm" not in spec:
        return 0
    from omnixan.edge_network.quantum.qaoa import shots_each

    shots = int(spec.get("primitive", {}).get("sampler", {}).get("shots", DEFAULT_SHOTS))
    return shots_each({"name": (spec.get("optimizer") or {}).get("name", "auto")}, shots, backend.exact)


def _variables(problem: Mapping[str, Any]) -> int:
    """Return the number of binary variables of a problem as in the manifest."""
    if "knapsack" in problem:
        values: list[int] = problem["knapsack"]["values"]
        return len(values)
    if "maxcut" in problem:
        edges: list[list[int]] = problem["maxcut"]["edges"]
        return 1 + max(max(edge) for edge in edges)
    return int(problem["qubo"]["size"])


def _check_size(result: Mapping[str, Any]) -> None:
    size = len(json.dumps(result, separators=(",", ":")))
    if size > MAX_RESULT_BYTES:
        outcomes = len(result["counts"])
        fitting = outcomes * MAX_RESULT_BYTES // size
        raise ProgramError(
            "RESULT_TOO_LARGE",
            "ResultTooLarge",
            f"the result has {outcomes} distinct outcomes and {size} bytes; at most {MAX_RESULT_BYTES} are stored: "
            f"measure fewer qubits, or take at most {fitting} shots",
        )
