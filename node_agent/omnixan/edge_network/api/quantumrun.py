"""QuantumRun (internal): one attempt of a job on one node, as a Pod is to a Job.

Its name, `<job uid>-<attempt>`, is the fence: a second creation of the same attempt is refused by the API server.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from omnixan.edge_network.api.meta import WHOLE, DnsLabel, DnsName, MicroTime, Model, ObjectMeta, Rule, Sha256
from omnixan.edge_network.api.quantumjob import Failure
from omnixan.edge_network.api.result import Progress, Summary, Usage
from omnixan.edge_network.api.workload import MAX_SEED, InlineProgram, Workload

TERMINAL_STATES = frozenset({"Succeeded", "Failed"})


class JobRef(Model):
    """The job this is an attempt of."""

    namespace: DnsLabel
    """Its namespace."""
    name: DnsName
    """Its name."""
    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """Its uid: a job of the same name made later is another."""


class RunExecution(Model):
    """How it runs, resolved."""

    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    """Of all randomness."""
    timeout_seconds: Annotated[int, Field(ge=1, le=604800)]
    """Wall time, from the start."""
    optimization_level: Annotated[int, Field(ge=0, le=3)] = 1
    """How hard the program is fitted to a device, from 0 (fast) to 3 (thorough); a simulator runs it as it is."""


class RunProgram(Model):
    """A quantum circuit, resolved."""

    inline: InlineProgram
    """The text."""
    sha256: Sha256 | None = None
    """SHA-256 of the text's UTF-8 bytes in lower-case hex; a program that differs is refused."""


class QuantumRunSpec(Workload):
    """What the node shall do; immutable."""

    RULES: ClassVar[tuple[Rule, ...]] = (*Workload.RULES, Rule("self == oldSelf", "spec is immutable"))
    program: RunProgram | None = None  # type: ignore[assignment]  # narrower, and frozen: nothing can be put there
    """A circuit to run as it is, with its text: an agent reads no ConfigMap."""
    node_name: DnsName
    """The node whose agent runs it (a field selector)."""
    attempt: Annotated[int, Field(ge=1)]
    """Counted from 1."""
    job_ref: JobRef
    """The job."""
    execution: RunExecution
    """How."""


class RunResult(Model):
    """The whole result."""

    summary: Summary
    """On one screen."""
    counts: Annotated[dict[str, int], Field(max_length=1_000_000, json_schema_extra=WHOLE)]
    """Shots by bit string, bit 0 rightmost."""


class QuantumRunStatus(Model):
    """What happened; written by the node's agent alone."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.state) || !(oldSelf.state in ['Succeeded', 'Failed'])"
            " || (has(self.state) && self.state == oldSelf.state)",
            "a run that is over stays as it ended",
        ),
    )
    state: Literal["Running", "Succeeded", "Failed"] | None = None
    """Absent until the agent takes it."""
    restarts: Annotated[int, Field(ge=0)] | None = None
    """How often it was begun again because its agent ended."""
    resumed_from_iteration: Annotated[int, Field(ge=1)] | None = None
    """So many evaluations of an algorithm's loop, or steps of a circuit, were taken from what an agent that ended had kept,
    and not run again."""
    progress: Progress | None = None
    """How far an algorithm's loop is."""
    start_time: MicroTime | None = None
    """When the worker began."""
    first_shot_time: MicroTime | None = None
    """When sampling began."""
    completion_time: MicroTime | None = None
    """When it ended."""
    usage: Usage | None = None
    """What it took."""
    result: RunResult | None = None
    """What was found."""
    error: Failure | None = None
    """Why it failed."""


class QuantumRun(Model):
    """One attempt of a QuantumJob on one node (internal)."""

    metadata: ObjectMeta
    spec: QuantumRunSpec
    """What the node shall do."""
    status: QuantumRunStatus = Field(default_factory=QuantumRunStatus)
    """What happened."""

    @property
    def over(self) -> bool:
        """Whether it has ended, either way."""
        return self.status.state in TERMINAL_STATES


def run_name(job_uid: str, attempt: int) -> str:
    """Name of the QuantumRun of one attempt of a job."""
    return f"{job_uid}-{attempt}"


def seed_of(job_uid: str) -> int:
    """The seed of a job that names none: drawn from its uid, so that every attempt has the same."""
    return int.from_bytes(hashlib.sha256(job_uid.encode()).digest()[:4]) & MAX_SEED


def workload_of(spec: Workload) -> dict[str, Any]:
    """The shared part of a job's or run's spec, as it stands in the manifest."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(Workload.model_fields))
