"""Builds the status that the operator would write, for a job that ran here. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omnixan.edge_network.api.quantumjob import Failure, QuantumJobStatus
from omnixan.edge_network.api.result import Summary, Usage

GENERATION = 1


@dataclass
class Outcome:
    """What a local run found out; filled in step by step."""

    start_time: str
    completion_time: str = ""
    analysis: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    resumed_from: int | None = None
    summary: dict[str, Any] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    failure: Failure | None = None
    node: str = "local"
    backend: str = ""


def status(outcome: Outcome) -> dict[str, Any]:
    """`status` of the QuantumJob, as `kubectl get -o json` shows it, less what only a cluster has (run, result.ref)."""
    failure = outcome.failure
    raw: dict[str, Any] = {
        "observedGeneration": GENERATION,
        "phase": "Failed" if failure else "Complete",
        "startTime": outcome.start_time,
        "completionTime": outcome.completion_time,
        "analysis": outcome.analysis,
        "placement": {"policy": "local", "node": outcome.node, "reason": f"ran on this machine: {outcome.backend}"},
        "failure": failure.wire() if failure else None,
        "conditions": _conditions(outcome),
    }
    if outcome.usage is not None:
        raw["usage"] = Usage.model_validate(outcome.usage).wire()
    if outcome.resumed_from is not None:
        raw["resumedFromIteration"] = outcome.resumed_from
    if outcome.summary is not None:
        raw["result"] = {"summary": Summary.model_validate(outcome.summary).wire()}
    return QuantumJobStatus.model_validate({k: v for k, v in raw.items() if v is not None}).wire()


def _conditions(outcome: Outcome) -> list[dict[str, Any]]:
    failure = outcome.failure

    def condition(kind: str, is_true: bool, reason: str, message: str) -> dict[str, Any]:
        return {
            "type": kind,
            "status": "True" if is_true else "False",
            "reason": reason,
            "message": message,
            "lastTransitionTime": outcome.completion_time,
            "observedGeneration": GENERATION,
        }

    if failure is None:
        return [
            condition("Validated", True, "Analyzed", ""),
            condition("Complete", True, "Succeeded", "the job is complete"),
        ]
    validated = (
        [condition("Validated", True, "Analyzed", "")]
        if outcome.analysis is not None
        else [condition("Validated", False, failure.reason, failure.message)]
    )
    return [*validated, condition("Failed", True, failure.reason, failure.message)]
