"""What the agent writes into a run's status. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omnixan.edge_network.api.categories import Category

Status = dict[str, Any]


def micro_time(seconds: float) -> str:
    """Return seconds since the epoch as a Kubernetes MicroTime: UTC, six decimals, Z."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Times:
    """When things happened, in seconds since the epoch; None: not yet."""

    start: float
    first_shot: float | None = None
    completion: float | None = None

    def wire(self) -> Status:
        """Return the times as the status has them."""
        named = {"startTime": self.start, "firstShotTime": self.first_shot, "completionTime": self.completion}
        return {name: micro_time(value) for name, value in named.items() if value is not None}


def running(times: Times, progress: Mapping[str, Any] | None) -> Status:
    """Return the status of a run that is being executed."""
    return {"state": "Running", **times.wire(), **({"progress": dict(progress)} if progress else {})}


def succeeded(times: Times, result: Mapping[str, Any], usage: Mapping[str, Any]) -> Status:
    """Return the status of a run that has its result."""
    return {"state": "Succeeded", **times.wire(), "usage": dict(usage), "result": dict(result)}


def failed(times: Times, category: Category, reason: str, message: str, line: int | None = None) -> Status:
    """Return the status of a run that failed."""
    error: Status = {"category": category.value, "reason": reason, "message": message[:4000]}
    if line is not None:
        error["line"] = line
    return {"state": "Failed", **times.wire(), "error": error}


def timed_out(times: Times, seconds: int) -> Status:
    """Return the status of a run that took longer than its spec allows."""
    message = (
        f"the run was stopped after {seconds} s, the limit in spec.execution.timeoutSeconds: raise it, or make the "
        "program smaller (fewer qubits, gates, shots or iterations)"
    )
    return failed(times, Category.TIMEOUT, "Timeout", message)
