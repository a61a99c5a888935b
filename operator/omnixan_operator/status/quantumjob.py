"""The status of a QuantumJob out of its next step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from omnixan.edge_network.api.meta import Condition
from omnixan.edge_network.api.quantumjob import (
    Analysis,
    Attempt,
    Failure,
    JobResult,
    Placement,
    QuantumJob,
    QuantumJobStatus,
    RunRef,
)
from omnixan.edge_network.api.quantumrun import run_name
from omnixan.edge_network.api.result import Usage
from omnixan_operator.decide.joblife import Await, Fail, Finish, Follow, Hold, RunSeen, Silence, Start, Wait
from omnixan_operator.decide.placement import POLICY
from omnixan_operator.reasons import Reason
from omnixan_operator.status.conditions import Now, find, holds, merge, stamp

_NOT_COMPLETE = Now("Complete", "False", Reason.WAITING, "the job is not over")
_NOT_FAILED = Now("Failed", "False", Reason.WAITING, "nothing has failed")


def waiting(job: QuantumJob, step: Await | Wait, moment: datetime) -> QuantumJobStatus:
    """It waits for the analyzer, an EdgeCluster or a node."""
    attempts: Sequence[Attempt] = job.status.attempts or ()
    if isinstance(step, Await):
        analysis, placement = None, None
        missing = step.reason is Reason.PROGRAM_NOT_FOUND
        validated = Now("Validated", "False" if missing else "Unknown", step.reason, step.message)
        placed = Now("Placed", "Unknown", step.reason, "a job is placed once it is known what it takes")
    else:
        analysis, placement, attempts = step.analysis or job.status.analysis, step.placement, step.attempts
        validated = _validated(analysis)
        placed = Now("Placed", "False", step.reason, step.message)
    reconciling = Now("Reconciling", "True", step.reason, step.message)
    return _status(
        job,
        moment,
        [validated, placed, _NOT_COMPLETE, _NOT_FAILED, reconciling],
        analysis=analysis,
        placement=placement,
        run=_given_up(job.status.run),
        attempts=attempts,
    )


def held(job: QuantumJob, step: Hold, moment: datetime) -> QuantumJobStatus:
    """It shall not run now. To GitOps tools it is still on its way, as a suspended Job of Kubernetes' own is."""
    message = "spec.suspend is true: nothing runs until it is taken back"
    was = find(job.status.conditions, "Validated")
    validated = Now("Validated", "Unknown", Reason.SUSPENDED, message)
    if was is not None:
        validated = Now("Validated", was.status, was.reason, was.message)
    if job.status.analysis is not None:
        validated = _validated(job.status.analysis)
    return _status(
        job,
        moment,
        [
            validated,
            Now("Placed", "False", Reason.SUSPENDED, message),
            _NOT_COMPLETE,
            _NOT_FAILED,
            Now("Reconciling", "True", Reason.SUSPENDED, message),
            Now("Suspended", "True", Reason.SUSPENDED, message),
        ],
        run=_given_up(job.status.run),
        attempts=step.attempts,
    )


def started(job: QuantumJob, step: Start, seed: int, moment: datetime) -> QuantumJobStatus:
    """A run was made."""
    run = RunSeen(
        run_name(job.metadata.uid, step.attempt),
        step.cluster.metadata.namespace,
        step.attempt,
        step.node,
        step.cluster.metadata.uid,
    )
    return _under_way(job, run, seed, moment, step.analysis, step.placement, step.attempts)


def followed(job: QuantumJob, step: Follow, analysis: Analysis | None, seed: int, moment: datetime) -> QuantumJobStatus:
    """Its run waits or runs. `analysis` serves where the status has none: the run is older than the status."""
    return _under_way(
        job,
        step.run,
        seed,
        moment,
        job.status.analysis or analysis,
        _placement(job, step.run),
        job.status.attempts or (),
        step.silence,
    )


def finished(
    job: QuantumJob, step: Finish, result: JobResult, analysis: Analysis | None, seed: int, moment: datetime
) -> QuantumJobStatus:
    """It has its result."""
    analysis = job.status.analysis or analysis
    placement = _placement(job, step.run)
    message = "the result is in status.result"
    if result.ref is None:
        message = "the summary is in status.result; the whole result could not be stored: see the job's events"
    return _status(
        job,
        moment,
        [
            _validated(analysis),
            Now("Placed", "True", Reason.PLACED, placement.reason),
            Now("Complete", "True", Reason.SUCCEEDED, message),
            _NOT_FAILED,
        ],
        analysis=analysis,
        placement=placement,
        run=_run(step.run, seed),
        usage=step.run.usage,
        resumed_from=step.run.resumed_from,
        attempts=job.status.attempts or (),
        result=result,
        over=True,
    )


def failed(job: QuantumJob, step: Fail, analysis: Analysis | None, seed: int, moment: datetime) -> QuantumJobStatus:
    """It ended without a result."""
    failure, last = step.failure, job.status
    analysis = last.analysis or analysis
    validated = _validated(analysis)
    if step.rejected:
        validated = Now("Validated", "False", failure.reason, failure.message)
    was = find(last.conditions, "Placed")
    placed = Now("Placed", "False", failure.reason, "the job was not placed")
    placement, run = last.placement, _given_up(last.run)
    if step.run is not None:
        placement = _placement(job, step.run)
        placed = Now("Placed", "True", Reason.PLACED, placement.reason)
        run = _run(step.run, seed) if step.run.over else _given_up(_run(step.run, seed))
    elif was is not None and holds(last.conditions, "Placed"):
        placed = Now("Placed", "True", was.reason, was.message)
    return _status(
        job,
        moment,
        [
            validated,
            placed,
            Now("Complete", "False", failure.reason, "the job failed"),
            Now("Failed", "True", failure.reason, failure.message),
            Now("Stalled", "True", failure.reason, failure.message),
        ],
        analysis=analysis,
        placement=placement,
        run=run,
        usage=step.run.usage if step.run is not None else None,
        resumed_from=step.run.resumed_from if step.run is not None else None,
        attempts=step.attempts,
        failure=failure,
        over=True,
    )


def still_over(job: QuantumJob, moment: datetime) -> QuantumJobStatus:
    """As it ended, for the spec as it is now: some of its fields may change after the end, and mean nothing then."""
    last = job.status
    same = [Now(c.type, c.status, c.reason, c.message) for c in last.conditions or () if c.type != "Paused"]
    conditions = merge(last.conditions, same, job.metadata.generation, moment)
    return last.model_copy(update={"observed_generation": job.metadata.generation, "conditions": conditions})


def stalled(job_status: QuantumJobStatus, generation: int, message: str, moment: datetime) -> QuantumJobStatus:
    """The job's spec cannot be read: it is left alone until it can."""
    conditions = merge(job_status.conditions, [Now("Stalled", "True", Reason.INVALID_SPEC, message)], generation, moment)
    return job_status.model_copy(
        update={"observed_generation": generation, "phase": phase(conditions), "conditions": conditions}
    )


def paused(job: QuantumJob, moment: datetime) -> QuantumJobStatus:
    """As it was, with the condition Paused."""
    last = job.status
    kept = [Now(c.type, c.status, c.reason, c.message) for c in last.conditions or () if c.type != "Paused"]
    pause = Now("Paused", "True", Reason.PAUSED, "nothing is done for this job until the annotation is removed")
    conditions = merge(last.conditions, [*kept, pause], job.metadata.generation, moment)
    return last.model_copy(
        update={
            "observed_generation": job.metadata.generation,
            "phase": phase(conditions),
            "conditions": conditions,
        }
    )


def phase(conditions: Sequence[Condition]) -> str:
    """One word for printing."""
    if holds(conditions, "Complete"):
        return "Complete"
    failed = find(conditions, "Failed")
    if failed is not None and failed.status == "True":
        return "Cancelled" if failed.reason == Reason.CANCELLED else "Failed"
    if holds(conditions, "Suspended"):
        return "Suspended"
    reconciling = find(conditions, "Reconciling")
    return "Running" if reconciling is not None and reconciling.reason == Reason.RUNNING else "Pending"


def _under_way(
    job: QuantumJob,
    run: RunSeen,
    seed: int,
    moment: datetime,
    analysis: Analysis | None,
    placement: Placement,
    attempts: Sequence[Attempt],
    silence: Silence | None = None,
) -> QuantumJobStatus:
    running = run.state == "Running"
    reason = Reason.RUNNING if running else Reason.QUEUED
    message = f"attempt {run.attempt} {'runs' if running else 'waits'} on {run.node}"
    detached = []
    if silence is not None:
        detached.append(Now("Detached", "True", Reason.DETACHED, _detached(run, silence)))
    return _status(
        job,
        moment,
        [
            _validated(analysis),
            Now("Placed", "True", Reason.PLACED, placement.reason),
            _NOT_COMPLETE,
            _NOT_FAILED,
            Now("Reconciling", "True", reason, message),
            *detached,
        ],
        analysis=analysis,
        placement=placement,
        run=_run(run, seed),
        resumed_from=run.resumed_from,
        attempts=attempts,
    )


def _detached(run: RunSeen, silence: Silence) -> str:
    return (
        f"node {run.node} does not answer; it may be cut off and still at work, so attempt {run.attempt} is given up only "
        f"when that lasts for its pool's autonomyDuration of {silence.autonomy}"
    )


def _validated(analysis: Analysis | None) -> Now:
    if analysis is None:
        return Now("Validated", "Unknown", Reason.ANALYZING, "the job was started before its analysis was written down")
    return Now("Validated", "True", Reason.ANALYZED, f"the job takes {analysis.qubits} qubits")


def _placement(job: QuantumJob, run: RunSeen) -> Placement:
    last = job.status.placement
    if last is not None and last.node == run.node:
        return last
    return Placement(policy=POLICY, node=run.node, reason=f"the run on {run.node} was there before this status")


def _given_up(run: RunRef | None) -> RunRef | None:
    """The last run as it stays in status until another is made: its attempt must never be forgotten."""
    return run.model_copy(update={"state": "Deleted", "progress": None}) if run is not None else None


def _run(run: RunSeen, seed: int) -> RunRef:
    return RunRef(
        name=run.name,
        namespace=run.namespace,
        cluster_uid=run.cluster_uid,
        attempt=run.attempt,
        node=run.node,
        state=run.state,
        seed=seed,
        progress=None if run.over else run.progress,
    )


def _status(
    job: QuantumJob,
    moment: datetime,
    current: list[Now],
    *,
    analysis: Analysis | None = None,
    placement: Placement | None = None,
    run: RunRef | None = None,
    usage: Usage | None = None,
    resumed_from: int | None = None,
    attempts: Sequence[Attempt] = (),
    result: JobResult | None = None,
    failure: Failure | None = None,
    over: bool = False,
) -> QuantumJobStatus:
    last, generation = job.status, job.metadata.generation
    conditions = merge(last.conditions, current, generation, moment)
    return QuantumJobStatus(
        observed_generation=generation,
        phase=phase(conditions),
        analysis=analysis or last.analysis,
        placement=placement,
        run=run,
        attempts=list(attempts) or None,
        usage=usage,
        resumed_from_iteration=resumed_from,
        result=result,
        failure=failure,
        start_time=last.start_time or (stamp(moment) if run is not None else None),
        completion_time=stamp(moment) if over else None,
        conditions=conditions,
    )
