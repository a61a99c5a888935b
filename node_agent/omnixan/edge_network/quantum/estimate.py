"""The estimator primitive: expectation values of observables after a program.

Where states are exact so are the values, and the standard error is 0. Elsewhere every group of strings that can be
measured together is measured with as many shots as the asked precision takes, and the standard error is estimated from
the shots themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omnixan.edge_network.api.workload import MAX_SEED
from omnixan.edge_network.quantum import mitigation, pauli
from omnixan.edge_network.quantum.backend import Backend, Options, require_width
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.errors import ProgramError

MAX_SHOTS = 1_000_000
DEFAULT_PRECISION = "0.015625"
_SIGNIFICANT = 10


@dataclass(frozen=True)
class Estimate:
    """The summary's part: values and standard errors by observable, in order, and what it took."""

    expectations: list[dict[str, Any]]
    shots: int
    overhead: float | None
    """Of mitigation; None without."""


def observables_of(estimator: Mapping[str, Any], qubits: int) -> list[pauli.Observable]:
    """The observables of spec.primitive.estimator; INVALID_PROGRAM if one has another width than the program."""
    found = []
    for number, observable in enumerate(estimator["observables"]):
        for place, term in enumerate(observable["terms"]):
            if len(term["pauli"]) != qubits:
                raise ProgramError(
                    "INVALID_PROGRAM",
                    "ObservableWidth",
                    f"spec.primitive.estimator.observables[{number}].terms[{place}].pauli has {len(term['pauli'])} "
                    f"letters, the program has {qubits} qubits: one of I, X, Y, Z for each, qubit 0 rightmost",
                )
        terms = [(term["pauli"], float(term.get("coefficient", "1"))) for term in observable["terms"]]
        found.append(pauli.Observable.of(terms))
    return found


def estimate(
    estimator: Mapping[str, Any],
    circuit: Circuit,
    *,
    seed: int,
    mitigate: bool,
    backend: Backend,
    on_first_shot: Callable[[], None],
    options: Options,
) -> Estimate:
    """Expectation values of the state before any measurement of the program itself.

    ProgramError: INVALID_PROGRAM for observables that do not fit, PAYLOAD_REJECTED if the precision takes more than a
    million shots.
    """
    require_width(circuit.qubits, backend)
    observables = observables_of(estimator, circuit.qubits)
    strings = [string for one in observables for string, _ in one.terms]
    values = backend.expectations(circuit, list(dict.fromkeys(strings)), on_first_shot, options)
    if values is not None:
        totals = [(sum(c * values[string] for string, c in one.terms), 0.0) for one in observables]
        return Estimate(_named(estimator, totals), 0, 1.0 if mitigate else None)
    precision = float(estimator.get("precision", DEFAULT_PRECISION))
    return _measure(estimator, observables, circuit, precision, seed, mitigate, backend, on_first_shot, options)


def _measure(
    estimator: Mapping[str, Any],
    observables: Sequence[pauli.Observable],
    circuit: Circuit,
    precision: float,
    seed: int,
    mitigate: bool,
    backend: Backend,
    on_first_shot: Callable[[], None],
    options: Options,
) -> Estimate:
    chosen = pauli.bases(observables)
    parts = pauli.parts(observables, chosen)
    shots = pauli.shots_needed(parts, precision)
    if sum(shots) > MAX_SHOTS:
        raise ProgramError(
            "PAYLOAD_REJECTED",
            "PrecisionTooFine",
            f"spec.primitive.estimator.precision {precision:g} takes {sum(shots)} shots for these observables; at most "
            f"{MAX_SHOTS} are allowed: ask for {precision * math.sqrt(sum(shots) / MAX_SHOTS):.2g} or coarser",
        )
    sums = [pauli.constant(one) for one in observables]
    variances = [0.0] * len(observables)
    overhead = 1.0
    for number, (basis, count) in enumerate(zip(chosen, shots, strict=True)):
        begun = on_first_shot if number == 0 else _nothing
        found = backend.shots(pauli.measured(circuit, basis), count, seed_of(seed, number), begun, options)
        weights = [(1.0, -1.0)] * len(basis.qubits)
        if mitigate and found.readout:
            weights = mitigation.weights(found.readout)
            overhead = max(overhead, mitigation.overhead(found.readout))
        outcomes = sorted(found.outcomes)
        for place, one in parts[number].items():
            values = pauli.values_of_outcomes(one, basis, outcomes, weights)
            mean, variance = pauli.mean_and_variance(values, found.outcomes, outcomes)
            sums[place] += mean
            variances[place] += variance
    totals = [(value, math.sqrt(variance)) for value, variance in zip(sums, variances, strict=True)]
    return Estimate(_named(estimator, totals), sum(shots), overhead if mitigate else None)


def seed_of(seed: int, number: int) -> int:
    """The seed of a job's circuit by its number: streams that no other job's seed has, as seed + number would."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) & MAX_SEED


def _named(estimator: Mapping[str, Any], totals: Sequence[tuple[float, float]]) -> list[dict[str, Any]]:
    return [
        ({"name": observable["name"]} if observable.get("name") else {})
        | {"value": _rounded(value), "standardError": _rounded(error)}
        for observable, (value, error) in zip(estimator["observables"], totals, strict=True)
    ]


def _rounded(value: float) -> float:
    """Engines differ in the last digits; equal jobs shall have equal summaries. (+ 0.0: there is no −0.)"""
    return float(f"{round(value, 12):.{_SIGNIFICANT}g}") + 0.0


def _nothing() -> None:
    """Only the first circuit's first shot is told."""
