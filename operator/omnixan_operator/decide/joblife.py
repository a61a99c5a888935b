"""A job's life: from what is seen of it to the one next step.

new → analysed → placed → (run made) → followed → finished | failed
                   ↑                       │
                   └── another attempt ────┘  when the run disappeared while its EdgeCluster lives
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.edgecluster import MAX_QUBITS, EdgeCluster
from omnixan.edge_network.api.quantumjob import MAX_ATTEMPTS, Analysis, Attempt, Failure, Placement, QuantumJob, RunRef
from omnixan.edge_network.api.result import Progress, Usage
from omnixan_operator.decide.esp import load_of
from omnixan_operator.decide.placement import Need, Offer, place
from omnixan_operator.reasons import Reason


@dataclass(frozen=True)
class RunSeen:
    """A QuantumRun of the job, as far as the job looks at it."""

    name: str
    namespace: str
    attempt: int
    node: str
    cluster_uid: str
    state: str = "Pending"
    error: Failure | None = None
    progress: Progress | None = None
    usage: Usage | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended, either way."""
        return self.state in ("Succeeded", "Failed")


@dataclass(frozen=True)
class NotYet:
    """The analysis is not there yet."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Observed:
    """What is seen of a job's surroundings."""

    analysis: Analysis | Failure | NotYet
    cluster: EdgeCluster | None = None
    """The EdgeCluster of spec.clusterRef, if it is alive."""
    tenant: bool = True
    """Whether the EdgeCluster takes jobs of the job's namespace."""
    offers: tuple[Offer, ...] = ()
    """The EdgeCluster's nodes."""
    run: RunSeen | None = None
    """The job's newest run, those in status.attempts left out."""
    node_gone: bool = False
    """Whether the node of `run` no longer belongs to the EdgeCluster."""


@dataclass(frozen=True)
class Await:
    """Wait for the analysis."""

    reason: Reason
    message: str
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Wait:
    """Wait for an EdgeCluster, its permission or a fitting node."""

    reason: Reason
    message: str
    analysis: Analysis
    placement: Placement | None = None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Start:
    """Make a run on a node."""

    node: str
    attempt: int
    analysis: Analysis
    placement: Placement
    cluster: EdgeCluster
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Follow:
    """Show how far the run is."""

    run: RunSeen


@dataclass(frozen=True)
class Finish:
    """Take the result over."""

    run: RunSeen


@dataclass(frozen=True)
class Fail:
    """The job is over without a result."""

    failure: Failure
    run: RunSeen | None = None
    rejected: bool = False
    """Whether it failed before any run: the program or problem itself is what failed."""


Step: TypeAlias = Await | Wait | Start | Follow | Finish | Fail


def newest(runs: Iterable[RunSeen], given_up: Iterable[Attempt]) -> RunSeen | None:
    """The run of the highest attempt that has not been given up."""
    over = {attempt.attempt for attempt in given_up}
    return max((run for run in runs if run.attempt not in over), key=lambda run: run.attempt, default=None)


def assigned(job: QuantumJob) -> RunRef | None:
    """The run in the job's status, unless it was given up."""
    run = job.status.run
    over = {attempt.attempt for attempt in job.status.attempts or ()}
    return run if run is not None and run.attempt not in over else None


def next_step(job: QuantumJob, seen: Observed) -> Step:
    """What to do for a job that is not over."""
    given_up = tuple(job.status.attempts or ())
    run, recorded = seen.run, assigned(job)
    if run is not None and run.over:
        return _ended(run)
    if run is not None or recorded is not None:
        uid = run.cluster_uid if run is not None else recorded.cluster_uid if recorded is not None else ""
        if seen.cluster is None or seen.cluster.metadata.uid != uid:
            return Fail(_cluster_deleted(job), run)
        if run is not None and not seen.node_gone:
            return Follow(run)
        given_up = (*given_up, _lost(job, seen))
        if len(given_up) >= MAX_ATTEMPTS:
            return Fail(_exhausted(given_up[-1]))
    return _begin(job, seen, given_up)


def need_of(job: QuantumJob, analysis: Analysis) -> Need:
    """What the job needs of a node."""
    requirements = job.spec.requirements
    floor = requirements.min_success_probability
    return Need(
        qubits=max(analysis.qubits, requirements.min_qubits or 0),
        tiers=tuple(requirements.tiers or ()),
        load=load_of(analysis),
        min_success=None if floor is None else float(floor),
        simulator_allowed=requirements.simulator_allowed,
    )


def _begin(job: QuantumJob, seen: Observed, given_up: tuple[Attempt, ...]) -> Step:
    analysis, cluster = seen.analysis, seen.cluster
    if isinstance(analysis, Failure):
        return Fail(analysis, rejected=True)
    if isinstance(analysis, NotYet):
        return Await(analysis.reason, analysis.message, given_up)
    need = need_of(job, analysis)
    if need.qubits > MAX_QUBITS:
        return Fail(_too_wide(analysis, need.qubits), rejected=True)
    if cluster is None:
        return Wait(Reason.CLUSTER_NOT_FOUND, f"{_reference(job)} does not exist", analysis, attempts=given_up)
    if not seen.tenant:
        message = (
            f"{_reference(job)} takes no jobs of namespace {job.metadata.namespace}: "
            "its spec.tenants.namespaceSelector must select the namespace's labels"
        )
        return Wait(Reason.TENANT_NOT_ALLOWED, message, analysis, attempts=given_up)
    choice = place(need, seen.offers)
    if choice.node is None:
        return Wait(choice.reason, choice.message, analysis, choice.placement, given_up)
    attempt = 1 + max((one.attempt for one in given_up), default=0)
    return Start(choice.node, attempt, analysis, choice.placement, cluster, given_up)


def _reference(job: QuantumJob) -> str:
    reference = job.spec.cluster_ref
    return f"EdgeCluster {reference.namespace or job.metadata.namespace}/{reference.name}"


def _ended(run: RunSeen) -> Step:
    if run.state == "Succeeded":
        return Finish(run)
    failure = run.error or Failure(
        category=Category.BACKEND_ERROR,
        reason="Unknown",
        message="the agent reported a failure without a reason",
    )
    return Fail(failure, run)


def _lost(job: QuantumJob, seen: Observed) -> Attempt:
    run, recorded = seen.run, assigned(job)
    number = run.attempt if run is not None else recorded.attempt if recorded is not None else 1
    node = run.node if run is not None else recorded.node if recorded is not None else ""
    if seen.node_gone:
        category, message = Category.NODE_UNREACHABLE, f"node {node} no longer belongs to {_reference(job)}"
    else:
        category, message = Category.RUN_LOST, "the QuantumRun was deleted before it was over"
    return Attempt(attempt=number, node=node, category=category, message=message)


def _cluster_deleted(job: QuantumJob) -> Failure:
    return Failure(
        category=Category.CLUSTER_DELETED,
        reason=Reason.CLUSTER_DELETED,
        message=f"{_reference(job)} was deleted while the job was on it; create the job again to run it elsewhere",
    )


def _exhausted(last: Attempt) -> Failure:
    return Failure(
        category=last.category,
        reason=Reason.ATTEMPTS_EXHAUSTED,
        message=f"{MAX_ATTEMPTS} runs were lost, the last one because {last.message}; status.attempts lists them",
    )


def _too_wide(analysis: Analysis, qubits: int) -> Failure:
    what = "the program takes" if analysis.qubits == qubits else "spec.requirements.minQubits asks for"
    return Failure(
        category=Category.CAPABILITY_MISMATCH,
        reason=Reason.TOO_MANY_QUBITS,
        message=f"{what} {qubits} qubits; the widest backend has {MAX_QUBITS}",
    )
