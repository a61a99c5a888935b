"""QuantumJob: a tenant's wish. The namespace is the tenant."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.meta import (
    MAX_NAME,
    SET,
    Conditions,
    DecimalString,
    DnsLabel,
    DnsName,
    Model,
    ObjectMeta,
    Rule,
    Sha256,
    Tier,
    Time,
    list_map,
)
from omnixan.edge_network.api.result import Progress, Summary, Usage
from omnixan.edge_network.api.workload import MAX_SEED, Workload

MAX_REJECTED = 16
MAX_ATTEMPTS = 16


Probability = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^(0(\.[0-9]+)?|1(\.0+)?)$")]
"""A decimal string from 0 to 1."""


class ClusterRef(Model):
    """The EdgeCluster that is asked."""

    namespace: DnsLabel | None = None
    """Its namespace; absent: the job's own."""
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    """Its name. It may be applied later than the job, which then waits."""


class Requirements(Model):
    """What a node must offer."""

    min_qubits: Annotated[int, Field(ge=1, le=1000)] | None = None
    """At least this many qubits, also where the program takes fewer."""
    tiers: Annotated[list[Tier], Field(min_length=1, max_length=2), SET] | None = None
    """Only nodes of these tiers; absent: all."""
    min_success_probability: Probability | None = None
    """Only nodes where one shot is predicted to succeed at least so often; a simulator always does."""
    simulator_allowed: bool = True
    """Whether a simulator may run it too, not only a device or its emulator."""


class Execution(Model):
    """How the job runs."""

    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    """Of all randomness: equal seeds give equal results; absent: one is drawn from the job's uid."""
    timeout_seconds: Annotated[int, Field(ge=1, le=604800)] = 3600
    """Wall time of one attempt, from its start."""
    optimization_level: Annotated[int, Field(ge=0, le=3)] = 1
    """How hard the program is fitted to a device, from 0 (fast) to 3 (thorough); a simulator runs it as it is."""


class QuantumJobSpec(Workload):
    """The wish; it cannot be changed, a changed one is a new job."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *Workload.RULES,
        Rule("self == oldSelf", "spec cannot be changed: delete the job and create it again"),
    )
    cluster_ref: ClusterRef
    """Where it runs."""
    requirements: Requirements = Requirements()
    """What a node must offer."""
    execution: Execution = Execution()
    """How it runs."""


class Analysis(Model):
    """What the job takes, known before it is placed."""

    qubits: int
    """Width."""
    depth: int | None = None
    """Longest chain of gates and measurements; absent for algorithms."""
    two_qubit_gates: int | None = None
    """Gates on two qubits; absent for algorithms."""
    two_qubit_depth: int | None = None
    """Longest chain of controlled-NOTs, those of other two-qubit gates counted; absent for algorithms."""
    line_swaps: int | None = None
    """Qubit exchanges that routing takes on a line of that width: how hard it is to route; absent for algorithms."""
    measured: int | None = None
    """Measured qubits; absent for algorithms."""
    gates: Annotated[dict[str, int], Field(max_length=64)] | None = None
    """How many of each gate, in the simulator's basis; absent for algorithms."""
    sha256: Sha256 | None = None
    """Digest of the program's bytes; absent for algorithms."""


class Rejection(Model):
    """Why a node did not get the job."""

    node: DnsName
    """The node."""
    constraint: Annotated[str, Field(max_length=32)]
    """What it does not meet: ready, draining, tier, qubits, simulatorAllowed or minSuccessProbability."""
    actual: Annotated[str, Field(max_length=256)]
    """What it offers."""
    required: Annotated[str, Field(max_length=256)]
    """What the job needs."""


class Placement(Model):
    """Where the job runs, and why there."""

    policy: Annotated[str, Field(max_length=64)]
    """How nodes were ranked."""
    node: DnsName | None = None
    """The chosen node; absent while none fits."""
    reason: Annotated[str, Field(max_length=1024)]
    """In words."""
    predicted: Prediction | None = None
    """What is expected there."""
    rejected: Annotated[list[Rejection], Field(max_length=MAX_REJECTED), list_map("node")] | None = None
    """Nodes that do not fit, the first 16 by name."""
    rejected_count: int | None = None
    """All nodes that do not fit."""


class Prediction(Model):
    """What is expected of the chosen node."""

    success_probability: DecimalString
    """That one shot is not disturbed (ESP), from the analysis and the node's calibration; 1 on a simulator."""
    wait_seconds: DecimalString
    """Device time of the unfinished runs before it."""


class RunRef(Model):
    """The attempt that runs or ran last."""

    name: DnsName
    """The QuantumRun."""
    namespace: DnsLabel
    """Its namespace, the EdgeCluster's."""
    cluster_uid: Annotated[str, Field(max_length=64)]
    """The EdgeCluster it belongs to: one of the same name made later is another."""
    attempt: int
    """Counted from 1."""
    node: DnsName
    """Where."""
    state: Annotated[str, Field(max_length=32)]
    """Pending, Running, Succeeded or Failed."""
    seed: int
    """The seed in use."""
    progress: Progress | None = None
    """How far an algorithm's loop is."""


class Attempt(Model):
    """An attempt that is over and was followed by another."""

    attempt: int
    """Its number."""
    node: DnsName
    """Where."""
    category: Annotated[Category, Field(strict=False)]
    """Why it ended."""
    message: Annotated[str, Field(max_length=1024)]
    """In words."""


class ResultRef(Model):
    """The whole result."""

    name: DnsName
    """ConfigMap in the job's namespace, key result.json."""
    sha256: Sha256
    """Digest of that key's bytes."""
    bytes: int
    """Size of that key."""


class JobResult(Model):
    """What the job found."""

    summary: Summary
    """On one screen."""
    ref: ResultRef | None = None
    """Where the whole is; absent in a local run, which prints it."""


class Failure(Model):
    """Why the job failed."""

    category: Annotated[Category, Field(strict=False)]
    """For programs; decides whether it is tried again."""
    reason: Annotated[str, Field(max_length=128)]
    """One CamelCase word."""
    message: Annotated[str, Field(max_length=4096)]
    """For people: what is wrong, and what to do."""
    line: int | None = None
    """Line of the program, where known."""


class QuantumJobStatus(Model):
    """What is true; written by the operator alone."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.completionTime) || (has(self.completionTime) && self.completionTime == oldSelf.completionTime"
            " && self.phase == oldSelf.phase)",
            "a job that is over stays as it ended: completionTime and phase cannot be changed",
        ),
        Rule(
            "!has(oldSelf.completionTime) || !has(oldSelf.result) || (has(self.result) && self.result == oldSelf.result)",
            "the result of a job that is over cannot be changed",
        ),
    )
    observed_generation: int = -1
    """The metadata.generation this status belongs to."""
    phase: Annotated[str, Field(max_length=32)] | None = None
    """One word for printing: Pending, Running, Complete or Failed."""
    analysis: Analysis | None = None
    """What the job takes."""
    placement: Placement | None = None
    """Where it runs."""
    run: RunRef | None = None
    """The last attempt."""
    attempts: Annotated[list[Attempt], Field(max_length=MAX_ATTEMPTS), list_map("attempt")] | None = None
    """Attempts before the last."""
    usage: Usage | None = None
    """What the last attempt took."""
    result: JobResult | None = None
    """What was found."""
    failure: Failure | None = None
    """Why it failed."""
    start_time: Time | None = None
    """When the operator first placed it."""
    completion_time: Time | None = None
    """When it was Complete or Failed."""
    conditions: Conditions | None = None
    """Validated, Placed, Complete, Failed; Reconciling and Stalled only while true."""


class QuantumJob(Model):
    """A quantum program or algorithm to run once on an EdgeCluster."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"size(self.metadata.name) <= {MAX_NAME}",
            f"metadata.name must have at most {MAX_NAME} characters",
            lambda o: len(o.metadata.name) <= MAX_NAME,
        ),
    )
    metadata: ObjectMeta
    spec: QuantumJobSpec
    """The wish."""
    status: QuantumJobStatus = Field(default_factory=QuantumJobStatus)
    """What is true."""
