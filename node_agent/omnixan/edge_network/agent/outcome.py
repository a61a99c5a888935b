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


MAX_RESTARTS = 5
"""A run whose agent ended so often while it ran is given up: it may be the reason."""


@dataclass
class Record:
    """When things happened to a run, in seconds since the epoch (None: not yet), and how often it was begun again."""

    start: float
    first_shot: float | None = None
    completion: float | None = None
    restarts: int = 0
    resumed_from: int | None = None
    """Evaluations that were taken from the log of an agent that ended."""
    shots: int = 0
    """All that are known to have run so far, those of agents that ended too."""

    def wire(self) -> Status:
        """Return it as the status has it."""
        named = {"startTime": self.start, "firstShotTime": self.first_shot, "completionTime": self.completion}
        times = {name: micro_time(value) for name, value in named.items() if value is not None}
        more: Status = {"restarts": self.restarts} if self.restarts else {}
        if self.resumed_from:
            more["resumedFromIteration"] = self.resumed_from
        if self.shots:
            more["usage"] = {"shots": self.shots}
        return times | more


def running(record: Record, progress: Mapping[str, Any] | None) -> Status:
    """Return the status of a run that is being executed."""
    return {"state": "Running", **record.wire(), **({"progress": dict(progress)} if progress else {})}


def succeeded(record: Record, result: Mapping[str, Any], usage: Mapping[str, Any]) -> Status:
    """Return the status of a run that has its result."""
    return {"state": "Succeeded", **record.wire(), "usage": dict(usage), "result": dict(result)}


def failed(record: Record, category: Category, reason: str, message: str, line: int | None = None) -> Status:
    """Return the status of a run that failed."""
    error: Status = {"category": category.value, "reason": reason, "message": message[:4000]}
    if line is not None:
        error["line"] = line
    return {"state": "Failed", **record.wire(), "error": error}


def timed_out(record: Record, seconds: int) -> Status:
    """Return the status of a run that took longer than its spec allows."""
    message = (
        f"the run was stopped after {seconds} s, the limit in spec.execution.timeoutSeconds: raise it, or make the "
        "program smaller (fewer qubits, gates, shots or iterations)"
    )
    return failed(record, Category.TIMEOUT, "Timeout", message)


def given_up(record: Record) -> Status:
    """Return the status of a run whose agents keep ending."""
    message = (
        f"the agent ended {record.restarts} times while it ran this, perhaps because of it (memory?); it is not begun "
        "again here: make the program smaller, or give the agent more memory"
    )
    return failed(record, Category.AGENT_RESTARTED, "TooManyRestarts", message)
