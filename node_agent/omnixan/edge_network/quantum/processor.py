"""`EdgeQuantumProcessor`: quantum algorithms from Python, without a cluster and with the results of one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from omnixan.edge_network.api.workload import MAX_SEED, Problem, Qaoa, Sampler
from omnixan.edge_network.quantum.instances import BUILT_IN
from omnixan.edge_network.quantum.qaoa.local_search import improve
from omnixan.edge_network.quantum.qaoa.problem import Landscape, from_spec, landscape
from omnixan.edge_network.quantum.qaoa.solver import solve

OPTIMIZERS = ("auto", "COBYLA", "L-BFGS-B")


@dataclass(frozen=True)
class Choice:
    """One bit string (variable 0 rightmost): the variables that are 1, its value, and whether it is allowed."""

    bitstring: str
    selected: tuple[int, ...]
    value: float
    feasible: bool
    approximation_ratio: float


@dataclass(frozen=True)
class QaoaResult:
    """What a QAOA run found.

    `best` is the best outcome of the quantum sample alone, `local_search` where classical local search gets from there
    (None if it was off), `uniform` the best of as many random strings. `probability` is the exact probability of `best`
    in one shot, `probability_ratio` how many times a random guess's that is: the share the algorithm has in it.
    `summary` and `counts` are the same as in a job's status.
    """

    node_id: str
    kind: str
    layers: int
    shots: int
    seed: int
    best: Choice
    probability: float
    probability_ratio: float
    uniform: Choice
    local_search: Choice | None
    optimum: float
    summary: Mapping[str, Any] = field(repr=False)
    counts: Mapping[str, int] = field(repr=False)

    def __repr__(self) -> str:
        lines = [
            f"QAOA of a {self.kind} problem on {self.node_id}: {self.layers} layers, {self.shots} shots, seed {self.seed}",
            f"  best sampled   {_described(self.best)}",
            f"                 probability {self.probability:.4g} a shot, {self.probability_ratio:.4g} times a random guess",
            f"  random guesses {_described(self.uniform)}",
        ]
        if self.local_search is not None:
            lines.append(f"  local search   {_described(self.local_search)}")
        return "\n".join([*lines, f"  optimum        {self.optimum:g} (exhaustive search)"])


class EdgeQuantumProcessor:
    """A simulated quantum processor at the edge; `node_id` only names it in results."""

    def __init__(self, node_id: str = "edge_01") -> None:
        self.node_id = node_id

    def execute_qaoa(
        self,
        problem: str | Mapping[str, Any] = "knapsack",
        layers: int = 3,
        local_optimization: bool = True,
        shots: int = 1024,
        seed: int | None = None,
        optimizer: Literal["auto", "COBYLA", "L-BFGS-B"] = "auto",
    ) -> QaoaResult:
        """Optimise a problem with QAOA.

        `problem` is "knapsack" for the built-in instance (P01 of the public FSU set KNAPSACK_01), a mapping of values,
        weights and capacity, or {"knapsack" | "maxcut" | "qubo": {...}} as in a QuantumJob. Equal arguments give equal
        results; `seed` None draws one, which the result names.

        ValueError names the field, the value and what is allowed.
        """
        spec = _problem(problem)
        _valid(Qaoa, {"problem": spec, "layers": layers}, {"layers": layers})
        _valid(Sampler, {"shots": shots}, {"shots": shots})
        if seed is None:
            seed = secrets.randbelow(MAX_SEED + 1)
        elif isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            raise ValueError(f"seed: {seed!r} is not allowed, it must be an integer from 0 to {MAX_SEED}, or None")
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: {optimizer!r} is not allowed, it must be one of {', '.join(OPTIMIZERS)}")
        result = solve(spec, layers, shots, seed, {"name": optimizer})
        summary = result["summary"]
        scene = landscape(from_spec(spec))
        best = int(summary["solution"]["bitstring"], 2)
        return QaoaResult(
            node_id=self.node_id,
            kind=scene.kind,
            layers=layers,
            shots=shots,
            seed=seed,
            best=_choice(scene, best),
            probability=summary["solution"]["probability"],
            probability_ratio=summary["probabilityRatio"],
            uniform=_choice(scene, int(summary["uniform"]["bitstring"], 2)),
            local_search=_choice(scene, improve(scene, best)) if local_optimization else None,
            optimum=summary["problem"]["optimum"],
            summary=summary,
            counts=result["counts"],
        )


def _problem(problem: object) -> dict[str, Any]:
    """Return the problem as in a manifest, validated by the API's own rules."""
    if isinstance(problem, str):
        if problem not in BUILT_IN:
            raise ValueError(
                f"problem: {problem!r} is not built in, give one of {', '.join(map(repr, BUILT_IN))} or a mapping"
            )
        return dict(BUILT_IN[problem])
    if not isinstance(problem, Mapping):
        raise ValueError(f"problem: {problem!r} is not allowed, give the name of a built-in instance or a mapping")
    short = {"values", "weights", "capacity"} & set(problem)
    spec = {"knapsack": dict(problem)} if short else dict(problem)
    found: Problem = _valid(Problem, spec, spec, "problem")
    dumped: dict[str, Any] = found.model_dump(by_alias=True, exclude_none=True)
    return dumped


def _valid(model: Any, data: Mapping[str, Any], shown: Mapping[str, Any], prefix: str = "") -> Any:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join([*([prefix] if prefix else []), *map(str, first["loc"])])
        given = first["input"] if first["loc"] else shown
        raise ValueError(f"{path}: {given!r} is not allowed: {first['msg']}") from None


def _choice(scene: Landscape, index: int) -> Choice:
    return Choice(
        bitstring=scene.bitstring(index),
        selected=tuple(scene.selected(index)),
        value=float(scene.value[index]),
        feasible=bool(scene.feasible[index]),
        approximation_ratio=scene.approximation_ratio(index),
    )


def _described(choice: Choice) -> str:
    allowed = "" if choice.feasible else ", infeasible"
    return f"{choice.bitstring} = {choice.value:g}{allowed} ({choice.approximation_ratio:.1%} of the optimum)"
