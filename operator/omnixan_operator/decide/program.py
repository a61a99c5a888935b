"""What can be said about a job's size without parsing anything."""

from __future__ import annotations

import hashlib

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumjob import Analysis, Failure, QuantumJobSpec
from omnixan.edge_network.api.workload import MAX_PROGRAM_BYTES, wrong_format
from omnixan_operator.reasons import Reason

FIRST_LOOK, LAST_LOOK = 2.0, 60.0
"""Seconds after which a program that was not there is looked for again: at first, and at most."""


def digest(text: str) -> str:
    """SHA-256 of a program's UTF-8 bytes, in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def without_parser(spec: QuantumJobSpec, text: str) -> Analysis | Failure | None:
    """The analysis of an algorithm (its width has a closed form), a refusal, or None: the program must be parsed.

    `text` is the program's. A string's length in the schema counts characters, and a ConfigMap's value has no limit of
    ours, so bytes are counted here; the digest is of bytes too.
    """
    if spec.algorithm is not None:
        return Analysis(qubits=spec.algorithm.qaoa.problem.variables)
    assert spec.program is not None
    where, data = place_of(spec), text.encode()
    if len(data) > MAX_PROGRAM_BYTES:
        return _refused(Reason.PROGRAM_TOO_LARGE, f"{where} has {len(data)} bytes; at most {MAX_PROGRAM_BYTES} are allowed")
    actual, wanted = hashlib.sha256(data).hexdigest(), spec.program.sha256
    if wanted is not None and wanted != actual:
        return _refused(
            Reason.DIGEST_MISMATCH,
            f"the SHA-256 of {where} is {actual}, but spec.program.sha256 says {wanted}: "
            "the program was changed, or the digest is of another one",
        )
    inline, reference = spec.program.inline, spec.program.config_map_ref
    source, field = (inline, "inline") if inline is not None else (reference, "configMapRef")
    assert source is not None
    wrong = wrong_format(source.format, text)
    if wrong is not None:
        return _invalid(Reason.FORMAT_MISMATCH, f"spec.program.{field}.{wrong}")
    return None


def place_of(spec: QuantumJobSpec) -> str:
    """Where the program's text stands, in words."""
    reference = spec.program.config_map_ref if spec.program is not None else None
    if reference is None:
        return "spec.program.inline.data"
    return f"key {reference.key} of ConfigMap {reference.name} (spec.program.configMapRef)"


def look_again(missing_for: float) -> float:
    """Seconds until a program that has been missing for so long is looked for again: the longer, the longer."""
    return min(max(missing_for / 2, FIRST_LOOK), LAST_LOOK)


def misfit(spec: QuantumJobSpec, analysis: Analysis) -> Failure | None:
    """What of the way the program is read out does not fit it, now that its width is known."""
    estimator = spec.primitive.estimator
    if estimator is None:
        if analysis.measured != 0:
            return None
        return _invalid(
            Reason.NOTHING_MEASURED,
            "the program measures nothing, so there is nothing to sample: declare a bit register and end with "
            "'c = measure q;', or ask for spec.primitive.estimator",
        )
    for number, observable in enumerate(estimator.observables):
        for place, term in enumerate(observable.terms):
            if len(term.pauli) != analysis.qubits:
                return _invalid(
                    Reason.OBSERVABLE_WIDTH,
                    f"spec.primitive.estimator.observables[{number}].terms[{place}].pauli has {len(term.pauli)} letters, "
                    f"the program has {analysis.qubits} qubits: one of I, X, Y, Z for each, qubit 0 rightmost",
                )
    return None


def _invalid(reason: Reason, message: str) -> Failure:
    return Failure(category=Category.INVALID_PROGRAM, reason=reason, message=message)


def _refused(reason: Reason, message: str) -> Failure:
    return Failure(category=Category.PAYLOAD_REJECTED, reason=reason, message=message)
