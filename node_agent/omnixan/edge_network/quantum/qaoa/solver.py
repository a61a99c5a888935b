"""One QAOA job from problem to result: train, sample, and say what it is worth beside luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from omnixan.edge_network.quantum import sampler
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.execute import summarize
from omnixan.edge_network.quantum.qaoa.encoding import phases
from omnixan.edge_network.quantum.qaoa.engine import Ansatz, FloatArray
from omnixan.edge_network.quantum.qaoa.loop import Evaluation, Loop
from omnixan.edge_network.quantum.qaoa.objective import TailMean
from omnixan.edge_network.quantum.qaoa.problem import Landscape, Problem, from_spec, landscape
from omnixan.edge_network.quantum.qaoa.recipe import ALPHA, EXACT, PENALTIES, SHOTS, Recipe, Trained, train

DEFAULT_ITERATIONS = 100

# Purposes of the independent random streams of one seed.
_STARTS, _EVALUATION, _FINAL, _UNIFORM = range(4)


@dataclass(frozen=True)
class Training:
    """A finished training: the circuit's angles, its exact outcome probabilities, and what it cost."""

    recipe: Recipe
    trained: Trained
    probabilities: FloatArray
    evaluations: int


def solve(
    problem: Mapping[str, Any],
    layers: int,
    shots: int,
    seed: int,
    optimizer: Mapping[str, Any] | None = None,
    exact: bool = True,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    on_first_shot: Callable[[], None] | None = None,
    log: list[Evaluation] | None = None,
    on_computed: Callable[[Evaluation], None] = lambda evaluation: None,
) -> dict[str, Any]:
    """Return {"summary": ..., "counts": {bitstring: number}} of a QAOA job; summary as `api.result.Summary` has it.

    `problem` is `algorithm.qaoa.problem` of a manifest. `optimizer` is {"name": "auto" | "COBYLA" | "L-BFGS-B",
    "maxIterations": n}: COBYLA trains on samples of `shots` shots each, L-BFGS-B on exact states, auto takes L-BFGS-B
    where the backend is `exact`; n bounds the evaluations of each start. `on_progress` gets {iteration, of, best}
    after every evaluation, `on_first_shot` is called when the first shot is about to be taken.

    `log` is filled with every evaluation; a log that an interrupted call left resumes it with an identical result.
    `on_computed` gets every evaluation that was not in the log before.

    ProgramError CAPABILITY_MISMATCH if L-BFGS-B is asked for where states are not exact; ValueError for a wrong problem;
    LogMismatch, before anything is computed, for a log of another call.
    """
    recipe, budget = _settings(optimizer or {}, exact)
    task = from_spec(problem)
    scene = landscape(task)
    first_shot = on_first_shot or (lambda: None)
    if recipe.method == "COBYLA":
        first_shot()
    done = fit(task, scene, recipe, layers, shots, seed, budget, on_progress, [] if log is None else log, on_computed)
    if recipe.method != "COBYLA":
        first_shot()
    outcomes = sampler.sample(done.probabilities, shots, _derived(seed, _FINAL))
    return {
        "summary": _summary(scene, done, outcomes, layers, shots, seed, exact),
        "counts": _counts(scene, outcomes),
    }


def fit(
    task: Problem,
    scene: Landscape,
    recipe: Recipe,
    layers: int,
    shots: int,
    seed: int,
    budget: int,
    on_progress: Callable[[dict[str, Any]], None] | None,
    log: list[Evaluation],
    on_computed: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Training:
    """Train the angles by a recipe, with at most `budget` evaluations a start; `shots` matter to COBYLA only."""
    circuits = [Ansatz(diagonal, scene.variables) for diagonal in phases(task, scene, PENALTIES)]
    # A unit of the objective is one standard deviation of the benefit, so that tolerances fit every problem.
    scale = float(scene.benefit.std()) or 1.0
    tail = TailMean(scene.benefit / scale, ALPHA)

    def loss(probabilities: FloatArray) -> tuple[float, FloatArray]:
        value, derivative = tail.value_and_derivative(probabilities)
        return -value, -derivative

    def evaluate(number: int, phase: int, angles: FloatArray) -> tuple[float, FloatArray | None]:
        if recipe.method == "L-BFGS-B":
            return circuits[phase].value_and_gradient(angles, loss)
        drawn = sampler.sample(circuits[phase].probabilities(angles), shots, _derived(seed, _EVALUATION, number))
        shares = np.zeros(1 << scene.variables)
        shares[list(drawn)] = np.array(list(drawn.values())) / shots
        return loss(shares)[0], None

    unit = scale if scene.maximize else -scale
    most = recipe.most_evaluations(len(circuits), scene.variables, budget)

    def report(number: int, best: float) -> None:
        if on_progress is not None:
            on_progress({"iteration": number, "of": most, "best": _rounded(-best * unit)})

    loop = Loop(evaluate, log, report, on_computed)
    random = np.random.Generator(np.random.PCG64(_derived(seed, _STARTS)))
    trained = train(loop, recipe, len(circuits), scene.variables, layers, budget, random)
    probabilities = circuits[trained.phase].probabilities(trained.angles)
    in_units = Trained(trained.phase, trained.angles, -trained.value * unit)
    return Training(recipe, in_units, probabilities, loop.done)


def shots_each(optimizer: Mapping[str, Any], shots: int, exact: bool) -> int:
    """Return how many shots an evaluation takes: `shots`, or 0 where the training looks at exact states."""
    return shots if _settings(optimizer, exact)[0].method == "COBYLA" else 0


def _settings(optimizer: Mapping[str, Any], exact: bool) -> tuple[Recipe, int]:
    name, budget = optimizer.get("name", "auto"), int(optimizer.get("maxIterations", DEFAULT_ITERATIONS))
    if name not in ("auto", "COBYLA", "L-BFGS-B"):
        raise ValueError(f"optimizer.name: {name!r} is not allowed, it must be auto, COBYLA or L-BFGS-B")
    if budget < 1:
        raise ValueError(f"optimizer.maxIterations: {budget} is not allowed, it must be at least 1")
    if name == "L-BFGS-B" and not exact:
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "GradientUnavailable",
            "optimizer.name: L-BFGS-B needs exact gradients, which this backend does not have: use COBYLA or auto",
        )
    return (SHOTS if name == "COBYLA" or not exact else EXACT), budget


def _summary(
    scene: Landscape, done: Training, outcomes: dict[int, int], layers: int, shots: int, seed: int, exact: bool
) -> dict[str, Any]:
    size = 1 << scene.variables
    # Most frequent first, so that of equally good outcomes (a cut and its mirror image) the likeliest is reported.
    best = scene.best_of(sorted(outcomes, key=lambda index: (-outcomes[index], index)))
    probability = float(done.probabilities[best]) if exact else outcomes[best] / shots
    guesses = np.random.Generator(np.random.PCG64(_derived(seed, _UNIFORM))).integers(0, size, shots)
    lucky = scene.best_of(np.unique(guesses).tolist())
    shot_based = done.recipe.method == "COBYLA"
    return summarize(_counts(scene, outcomes), shots) | {
        "problem": {"kind": scene.kind, "variables": scene.variables, "optimum": _rounded(scene.optimum())},
        "solution": _solution(scene, best, probability),
        "uniform": _solution(scene, lucky, 1.0 / size),
        "probabilityRatio": _rounded(probability * size),
        "training": {
            "optimizer": done.recipe.method,
            "layers": layers,
            "evaluations": done.evaluations,
            "shots": done.evaluations * shots if shot_based else 0,
            "objective": _rounded(done.trained.value),
        },
    }


def _solution(scene: Landscape, index: int, probability: float) -> dict[str, Any]:
    return {
        "bitstring": scene.bitstring(index),
        "value": _rounded(float(scene.value[index])),
        "feasible": bool(scene.feasible[index]),
        "selected": scene.selected(index),
        "probability": _rounded(probability),
        "approximationRatio": _rounded(scene.approximation_ratio(index)),
    }


def _counts(scene: Landscape, outcomes: dict[int, int]) -> dict[str, int]:
    return {scene.bitstring(index): count for index, count in sorted(outcomes.items())}


def _derived(seed: int, *purpose: int) -> int:
    """Return a seed for one purpose, independent of those for others (numpy's SeedSequence)."""
    return int(np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint64)[0])


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")
