"""QuantumJob: a tenant's wish. The namespace is the tenant."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.alias_generators import to_camel

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
MAX_BACKOFF = 16
MAX_ATTEMPTS = 32
"""Ended attempts that status lists: all that count against backoffLimit, and the last ones that do not."""
MUTABLE = ("priority", "suspend", "cancel", "ttlSecondsAfterFinished")
"""Fields of spec that may change after creation."""


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


def _unchanged(*names: str) -> str:
    """CEL: these fields are as they were, absent ones included."""
    return " && ".join(f"has(self.{n}) == has(oldSelf.{n}) && (!has(self.{n}) || self.{n} == oldSelf.{n})" for n in names)


class QuantumJobSpec(Workload):
    """The wish. What is computed cannot be changed, a changed one is a new job; when and whether it runs can."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *Workload.RULES,
        Rule(
            _unchanged(*map(to_camel, Workload.model_fields), "clusterRef", "requirements", "execution", "backoffLimit"),
            f"spec cannot be changed, but for {', '.join(MUTABLE)}: delete the job and create it again",
        ),
        Rule("!oldSelf.cancel || self.cancel", "a job that was cancelled stays so: create it again", None, ".cancel"),
    )
    cluster_ref: ClusterRef
    """Where it runs."""
    requirements: Requirements = Requirements()
    """What a node must offer."""
    execution: Execution = Execution()
    """How it runs."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Of this namespace's waiting jobs, the highest is dispatched first. Namespaces share fairly whatever theirs are."""
    suspend: bool = False
    """Whether it shall not run now: a run under way is ended and made again when this is taken back."""
    cancel: bool = False
    """Ends the job for good; cannot be taken back."""
    backoff_limit: Annotated[int, Field(ge=0, le=MAX_BACKOFF)] = 3
    """How many further attempts are made after ones that ended for a reason that may not come again."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """The job, and its result with it, is deleted so many seconds after its end; absent: never."""


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
    """Pending, Running, Succeeded, Failed, or Deleted when it was taken back before its end."""
    seed: int
    """The seed in use."""
    progress: Progress | None = None
    """How far an algorithm's loop is."""


class Attempt(Model):
    """An attempt that ended without a result, for a reason that may not come again."""

    attempt: int
    """Its number."""
    node: DnsName
    """Where."""
    category: Annotated[Category, Field(strict=False)]
    """Why it ended."""
    message: Annotated[str, Field(max_length=1024)]
    """In words."""
    start_time: Time | None = None
    """When its node began it, where known."""
    end_time: Time | None = None
    """When it ended, or was given up; the next attempt waits from here."""


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
            f" && self.phase == oldSelf.phase && {_unchanged('failure', 'run', 'attempts')})",
            "a job that is over stays as it ended: completionTime, phase, run, attempts and failure cannot be changed",
        ),
        Rule(
            "!has(oldSelf.completionTime) || !has(oldSelf.conditions) || oldSelf.conditions.all(o,"
            " !(o.type in ['Complete', 'Failed']) || (has(self.conditions) && self.conditions.exists(c,"
            " c.type == o.type && c.status == o.status)))",
            "a job that is over stays as it ended: its conditions Complete and Failed cannot be changed",
        ),
        Rule(
            f"!has(oldSelf.completionTime) || ({_unchanged('result')})",
            "the result of a job that is over cannot be changed",
        ),
        # What an operator sends that was the leader once and has slept since: election alone does not stop it.
        Rule(
            "!has(oldSelf.run) || (has(self.run) && (self.run.attempt > oldSelf.run.attempt"
            " || (self.run.attempt == oldSelf.run.attempt && self.run.name == oldSelf.run.name"
            " && self.run.node == oldSelf.run.node)))",
            "an assignment cannot move backwards: run may change its name and node only together with a higher attempt",
        ),
        Rule(
            "!has(oldSelf.analysis) || !has(oldSelf.analysis.sha256) || (has(self.analysis)"
            " && has(self.analysis.sha256) && self.analysis.sha256 == oldSelf.analysis.sha256)",
            "the program that was analysed cannot become another one",
        ),
    )
    observed_generation: int = -1
    """The metadata.generation this status belongs to."""
    phase: Annotated[str, Field(max_length=32)] | None = None
    """One word for printing: Pending, Running, Suspended, Complete, Failed or Cancelled."""
    analysis: Analysis | None = None
    """What the job takes."""
    placement: Placement | None = None
    """Where it runs."""
    run: RunRef | None = None
    """The last attempt."""
    attempts: Annotated[list[Attempt], Field(max_length=MAX_ATTEMPTS), list_map("attempt")] | None = None
    """Attempts that ended without a result, and why; those that spec.suspend ended are dropped first if they are many."""
    usage: Usage | None = None
    """What the last attempt took."""
    resumed_from_iteration: Annotated[int, Field(ge=1)] | None = None
    """So many iterations of the last attempt's loop, or steps of its circuit (gates that were joined count once), were taken
    from what was kept when its agent had ended, and not run again."""
    result: JobResult | None = None
    """What was found."""
    failure: Failure | None = None
    """Why it failed."""
    start_time: Time | None = None
    """When the operator first placed it."""
    completion_time: Time | None = None
    """When it was Complete or Failed."""
    conditions: Conditions | None = None
    """Validated, Placed, Complete, Failed; Reconciling, Stalled, Suspended and Detached only while true."""


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
