"""A job's life: from what is seen of it to the one next step.

new → analysed → queued → dispatched (run made) → followed → finished | failed
                   ↑                                 │
                   └── backoff, suspension ──────────┘  when the attempt ended for a reason that may not come again

An attempt's end is written down before anything follows from it: what is not in status cannot be explained, nor be
counted, and a run of an attempt that was given up is deleted only when status says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.edgecluster import MAX_QUBITS, EdgeCluster
from omnixan.edge_network.api.quantumjob import Analysis, Attempt, Failure, Placement, QuantumJob, RunRef
from omnixan.edge_network.api.result import Progress, Usage
from omnixan_operator.decide import attempts
from omnixan_operator.decide.esp import load_of
from omnixan_operator.decide.placement import Choice, Need, Offer, may_queue, place
from omnixan_operator.decide.program import misfit
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
    start_time: str | None = None
    resumed_from: int | None = None
    """Iterations that were taken from its log when its agent had ended."""

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
class Silence:
    """The heartbeat of the node that has the job's run is lost."""

    autonomy: str
    """Its pool's autonomyDuration, counted from there."""
    left: float
    """Seconds of it that are left."""

    @property
    def over(self) -> bool:
        """Whether the node was silent for too long."""
        return self.left <= 0


@dataclass(frozen=True)
class Observed:
    """What is seen of a job's surroundings."""

    analysis: Analysis | Failure | NotYet
    now: datetime
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
    silence: Silence | None = None
    """Whether the node of `run` is cut off."""
    turn: bool = False
    """Whether the job may take the next free place in a node's queue."""


@dataclass(frozen=True)
class Await:
    """Wait for the analysis."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Wait:
    """Wait for an EdgeCluster, its permission, a fitting node or the end of a delay."""

    reason: Reason
    message: str
    analysis: Analysis | None = None
    placement: Placement | None = None
    attempts: tuple[Attempt, ...] = ()
    until: datetime | None = None
    """When to look again; None: when something changes."""
    need: Need | None = None
    """What a job that is QUEUED needs of a node."""


@dataclass(frozen=True)
class Hold:
    """Do nothing until spec.suspend is taken back."""

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
    silence: Silence | None = None


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
    attempts: tuple[Attempt, ...] = ()


Step: TypeAlias = Await | Wait | Hold | Start | Follow | Finish | Fail


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
    run = seen.run
    before = tuple(job.status.attempts or ())
    if run is not None and run.state == "Succeeded":
        return Finish(run)
    if run is not None and run.over and not _error(run).category.retriable:
        return Fail(_error(run), run, attempts=before)
    if job.spec.cancel:
        return Fail(_CANCELLED, run, attempts=before)
    if run is not None or assigned(job) is not None:
        if _cluster_is_gone(job, seen):
            return Fail(_cluster_deleted(job), run, attempts=before)
        end = _ended(job, seen)
        if end is None:
            assert run is not None  # an assignment without a run has ended: its run was lost
            return Follow(run, seen.silence)
        before = attempts.kept((*before, end))
        failure = attempts.exhausted(before, job.spec.backoff_limit)
        if failure is not None:
            return Fail(failure, run, attempts=before)
    if job.spec.suspend:
        return Hold(before)
    due = attempts.due(before)
    if due is not None and (attempts.lies_ahead(due, seen.now) or len(before) > len(job.status.attempts or ())):
        last = before[-1]
        message = f"attempt {last.attempt} on {last.node} ended: {last.message}; the next one is made at {due:%H:%M:%S} UTC"
        return Wait(Reason.BACKOFF, message, attempts=before, until=due)
    return _begin(job, seen, before)


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


def _begin(job: QuantumJob, seen: Observed, before: tuple[Attempt, ...]) -> Step:
    analysis, cluster = seen.analysis, seen.cluster
    if isinstance(analysis, Failure):
        return Fail(analysis, rejected=True, attempts=before)
    if isinstance(analysis, NotYet):
        return Await(analysis.reason, analysis.message)
    if (failure := misfit(job.spec, analysis)) is not None:
        return Fail(failure, rejected=True, attempts=before)
    need = need_of(job, analysis)
    if need.qubits > MAX_QUBITS:
        return Fail(_too_wide(analysis, need.qubits), rejected=True, attempts=before)
    if cluster is None:
        return Wait(Reason.CLUSTER_NOT_FOUND, f"{_reference(job)} does not exist", analysis, attempts=before)
    if not seen.tenant:
        message = (
            f"{_reference(job)} takes no jobs of namespace {job.metadata.namespace}: "
            "its spec.tenants.namespaceSelector must select the namespace's labels"
        )
        return Wait(Reason.TENANT_NOT_ALLOWED, message, analysis, attempts=before)
    queued = "the job waits for its turn: namespaces get free places in the nodes' queues one after another"
    if not seen.turn and may_queue(need, seen.offers):  # most looks end here, and need not find the best node
        return Wait(Reason.QUEUED, queued, analysis, attempts=before, need=need)
    choice = _place(need, seen.offers, attempts.failed_on(before))
    if choice.node is None and choice.reason is Reason.QUEUED:
        return Wait(Reason.QUEUED, queued, analysis, attempts=before, need=need)
    if choice.node is None:
        return Wait(choice.reason, choice.message, analysis, choice.placement, before)
    last = job.status.run.attempt if job.status.run is not None else 0
    attempt = 1 + max([last, *(one.attempt for one in before)])
    return Start(choice.node, attempt, analysis, choice.placement, cluster, before)


def _place(need: Need, offers: tuple[Offer, ...], avoid: frozenset[str]) -> Choice:
    """A node on which no attempt failed, if one fits."""
    if avoid:
        choice = place(need, tuple(offer for offer in offers if offer.node not in avoid))
        if choice.node is not None:
            return choice
    return place(need, offers)


def _reference(job: QuantumJob) -> str:
    reference = job.spec.cluster_ref
    return f"EdgeCluster {reference.namespace or job.metadata.namespace}/{reference.name}"


def _error(run: RunSeen) -> Failure:
    return run.error or Failure(
        category=Category.BACKEND_ERROR,
        reason="Unknown",
        message="the agent reported a failure without a reason",
    )


def _cluster_is_gone(job: QuantumJob, seen: Observed) -> bool:
    """Whether the EdgeCluster of the attempt is no more; one of its name made later is another."""
    recorded = assigned(job)
    uid = seen.run.cluster_uid if seen.run is not None else recorded.cluster_uid if recorded is not None else ""
    return seen.cluster is None or seen.cluster.metadata.uid != uid


def _ended(job: QuantumJob, seen: Observed) -> Attempt | None:
    """How the attempt under way ended; None if it goes on."""
    run = seen.run
    if run is None:
        recorded = assigned(job)
        assert recorded is not None
        message = "the QuantumRun was deleted before it was over"
        return attempts.ended(recorded.attempt, recorded.node, Category.RUN_LOST, message, None, seen.now)
    if run.over:
        category, message = _error(run).category, _error(run).message
    elif seen.node_gone:
        category, message = Category.NODE_UNREACHABLE, f"node {run.node} no longer belongs to {_reference(job)}"
    elif seen.silence is not None and seen.silence.over:
        category = Category.NODE_UNREACHABLE
        message = f"node {run.node} did not answer for longer than its pool's autonomyDuration of {seen.silence.autonomy}"
    elif job.spec.suspend:
        category, message = Category.SUSPENDED, "spec.suspend is true"
    else:
        return None
    return attempts.ended(run.attempt, run.node, category, message, run.start_time, seen.now)


_CANCELLED = Failure(category=Category.CANCELLED, reason=Reason.CANCELLED, message="spec.cancel is true")


def _cluster_deleted(job: QuantumJob) -> Failure:
    return Failure(
        category=Category.CLUSTER_DELETED,
        reason=Reason.CLUSTER_DELETED,
        message=f"{_reference(job)} was deleted while the job was on it; create the job again to run it elsewhere",
    )


def _too_wide(analysis: Analysis, qubits: int) -> Failure:
    what = "the program takes" if analysis.qubits == qubits else "spec.requirements.minQubits asks for"
    return Failure(
        category=Category.CAPABILITY_MISMATCH,
        reason=Reason.TOO_MANY_QUBITS,
        message=f"{what} {qubits} qubits; the widest backend has {MAX_QUBITS}",
    )
