"""A QuantumJob, from its creation to its result: observe, decide the next step, take it, write the status once."""

from __future__ import annotations

from datetime import datetime

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import CLAIM_LABEL
from omnixan.edge_network.api.quantumjob import Analysis, Failure, JobResult, QuantumJob, QuantumJobStatus
from omnixan.edge_network.api.quantumrun import QuantumRun
from omnixan_operator import kinds
from omnixan_operator.apiserver import AlreadyExistsError
from omnixan_operator.decide import joblife, program, tenancy
from omnixan_operator.decide.joblife import (
    Await,
    Fail,
    Finish,
    Follow,
    NotYet,
    Observed,
    RunSeen,
    Start,
    Step,
    Wait,
)
from omnixan_operator.desired.common import claim_mark
from omnixan_operator.desired.quantumrun import quantum_run, seed
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Object
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile import results
from omnixan_operator.reconcile.context import Context, alive, parse, paused
from omnixan_operator.reconcile.offers import offers
from omnixan_operator.status import quantumjob as status
from omnixan_operator.store import (
    RUNS_BY_JOB,
    controller_of,
    name_of,
    namespace_of,
)

PATIENCE = 1.0
"""Seconds that a program may be in the analyzer before its job's status says so: most take a fraction of it."""
RECHECK = 0.2


async def reconcile(ctx: Context, key: Key) -> float | None:
    """One step of the job's life."""
    live = ctx.store.get(kinds.QUANTUM_JOB, key.namespace, key.name)
    if live is None or not alive(live):
        return None
    job = parse(QuantumJob, live)
    if isinstance(job, str):
        await _stall(ctx, live, job)
        return None
    if paused(live):
        await _write(ctx, live, job, status.paused(job, ctx.now()))
        return None
    await _discard_lost_runs(ctx, job)
    if job.status.completion_time is not None:
        await results.keep(ctx, job, live)
        return None
    seen = _observe(ctx, job)
    step = joblife.next_step(job, seen)
    if _gives_up(job, step) and await _was_behind(ctx, job, seen):
        return RECHECK
    return await _take(ctx, live, job, seen, step)


async def _take(ctx: Context, live: Object, job: QuantumJob, seen: Observed, step: Step) -> float | None:
    analysis = seen.analysis if isinstance(seen.analysis, Analysis) else None
    match step:
        case Await():
            asked = ctx.analyzer.asked_for(_digest(job))
            if step.reason is Reason.ANALYZING and asked < PATIENCE:
                return PATIENCE - asked
            await _write(ctx, live, job, status.waiting(job, step, ctx.now()))
        case Wait():
            if await _write(ctx, live, job, status.waiting(job, step, ctx.now())):
                ctx.recorder.warning(kinds.QUANTUM_JOB, live, step.reason, step.message)
        case Start():
            return await _start(ctx, live, job, step)
        case Follow():
            await _write(ctx, live, job, status.followed(job, step, analysis, seed(job), ctx.now()))
        case Finish():
            return await _finish(ctx, live, job, step, analysis)
        case Fail():
            failure = step.failure
            await _write(ctx, live, job, status.failed(job, step, analysis, seed(job), ctx.now()))
            ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.FAILED, f"{failure.category}: {failure.message}")
    return None


async def _start(ctx: Context, live: Object, job: QuantumJob, step: Start) -> float | None:
    """Make the run, then say so: the agent has it before the status is written."""
    manifest = quantum_run(job, step.cluster, step.node, step.attempt)
    name, namespace = name_of(manifest), namespace_of(manifest)
    ctx.placing[name] = (namespace, step.node)
    try:
        await ctx.create(kinds.QUANTUM_RUN, manifest)
    except AlreadyExistsError:  # made before a restart, or the answer was lost: go on from what is there
        await ctx.refresh(kinds.QUANTUM_RUN, namespace, name)
        return RECHECK
    finally:
        del ctx.placing[name]
    if job.status.start_time is None:
        created = job.metadata.creation_timestamp
        ctx.metrics.placement_seconds.observe(_seconds_since(ctx, created))
    await _write(ctx, live, job, status.started(job, step, seed(job), ctx.now()))
    for attempt in step.attempts[len(job.status.attempts or ()) :]:
        message = f"attempt {attempt.attempt} on {attempt.node}: {attempt.message}; attempt {step.attempt} was made"
        ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.RUN_LOST, message)
    return None


def _seconds_since(ctx: Context, timestamp: str) -> float:
    return max(0.0, (ctx.now() - datetime.fromisoformat(timestamp)).total_seconds())


async def _finish(ctx: Context, live: Object, job: QuantumJob, step: Finish, analysis: Analysis | None) -> float | None:
    """The whole result into the ConfigMap, its summary into the status."""
    result = await results.read(ctx, step.run.namespace, step.run.name)
    if result is None:
        await ctx.refresh(kinds.QUANTUM_RUN, step.run.namespace, step.run.name)
        return RECHECK
    reference = await results.store(ctx, job, live, result)
    outcome = JobResult.model_validate({"summary": result["summary"], "ref": reference})
    await _write(ctx, live, job, status.finished(job, step, outcome, analysis, seed(job), ctx.now()))
    return None


async def _write(ctx: Context, live: Object, job: QuantumJob, wanted: QuantumJobStatus) -> bool:
    """Write the status if it differs; whether it did."""
    if wanted == job.status:
        return False
    await ctx.write_status(kinds.QUANTUM_JOB, live, wanted.wire())
    return True


async def _stall(ctx: Context, live: Object, message: str) -> None:
    last = parse(QuantumJobStatus, live.get("status") or {})
    before = QuantumJobStatus() if isinstance(last, str) else last
    wanted = status.stalled(before, live["metadata"].get("generation", 0), message, ctx.now())
    if wanted != before:
        await ctx.write_status(kinds.QUANTUM_JOB, live, wanted.wire())
        ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.INVALID_SPEC, message)


async def _discard_lost_runs(ctx: Context, job: QuantumJob) -> None:
    """Runs of attempts that were given up: a late result of theirs must find no run."""
    given_up = {attempt.attempt for attempt in job.status.attempts or ()}
    for run in ctx.store.find(RUNS_BY_JOB, job.metadata.uid):
        if run["spec"]["attempt"] in given_up and alive(run):
            await ctx.delete(kinds.QUANTUM_RUN, run)


def _gives_up(job: QuantumJob, step: Step) -> bool:
    """Whether the step declares a run or an EdgeCluster lost, which must not rest on an old view of things."""
    if isinstance(step, Fail):
        return step.failure.reason in (Reason.CLUSTER_DELETED, Reason.ATTEMPTS_EXHAUSTED)
    return isinstance(step, Await | Wait | Start) and len(step.attempts) > len(job.status.attempts or ())


async def _was_behind(ctx: Context, job: QuantumJob, seen: Observed) -> bool:
    """Whether the API server knows better than the store: watches of different kinds are not in step."""
    namespace, name = _cluster_of(job)
    behind = await ctx.refresh(kinds.EDGE_CLUSTER, namespace, name)
    run = seen.run or job.status.run
    if run is not None:
        behind = await ctx.refresh(kinds.QUANTUM_RUN, run.namespace, run.name) or behind
    return behind


def _observe(ctx: Context, job: QuantumJob) -> Observed:
    namespace, name = _cluster_of(job)
    found = ctx.store.get(kinds.EDGE_CLUSTER, namespace, name)
    cluster = parse(EdgeCluster, found) if found is not None and alive(found) else None
    if isinstance(cluster, str):
        cluster = None
    tenant = ctx.store.get(kinds.NAMESPACE, "", job.metadata.namespace)
    labels = tenant["metadata"].get("labels") if tenant is not None else None
    runs = [run for obj in ctx.store.find(RUNS_BY_JOB, job.metadata.uid) if (run := _run(obj)) is not None]
    run = joblife.newest(runs, job.status.attempts or ())
    return Observed(
        analysis=_analysis(ctx, job),
        cluster=cluster,
        tenant=cluster is None or tenancy.takes(cluster, job.metadata.namespace, labels),
        offers=tuple(offers(ctx, cluster)) if cluster is not None else (),
        run=run,
        node_gone=run is not None and cluster is not None and _node_gone(ctx, cluster, run.node),
    )


def _cluster_of(job: QuantumJob) -> tuple[str, str]:
    reference = job.spec.cluster_ref
    return reference.namespace or job.metadata.namespace, reference.name


def _digest(job: QuantumJob) -> str:
    inline = job.spec.program.inline if job.spec.program is not None else None
    return program.digest(inline.data) if inline is not None else ""


def _analysis(ctx: Context, job: QuantumJob) -> Analysis | Failure | NotYet:
    known = job.status.analysis or program.without_parser(job.spec)
    if known is not None:
        return known
    assert job.spec.program is not None
    if job.spec.program.inline is None:
        return NotYet(Reason.ANALYZING, "programs in ConfigMaps are not read yet")
    key = Key(kinds.QUANTUM_JOB.name, job.metadata.namespace, job.metadata.name)
    return ctx.analyzer.ask(_digest(job), job.spec.program.inline.data, key)


def _run(obj: Object) -> RunSeen | None:
    run = parse(QuantumRun, obj)
    owner = controller_of(obj)
    if isinstance(run, str) or owner is None or not alive(obj):
        return None
    return RunSeen(
        name=run.metadata.name,
        namespace=run.metadata.namespace,
        attempt=run.spec.attempt,
        node=run.spec.node_name,
        cluster_uid=owner["uid"],
        state=run.status.state or "Pending",
        error=run.status.error,
        progress=run.status.progress,
        usage=run.status.usage,
    )


def _node_gone(ctx: Context, cluster: EdgeCluster, node: str) -> bool:
    """Whether the node has neither an EdgeNode nor a claim: an EdgeNode alone may be deleted, and comes back."""
    if ctx.store.get(kinds.EDGE_NODE, cluster.metadata.namespace, node) is not None:
        return False
    obj = ctx.store.get(kinds.NODE, "", node)
    claim = (obj["metadata"].get("labels") or {}).get(CLAIM_LABEL, "") if obj is not None else ""
    return not claim.endswith("." + claim_mark(cluster.metadata.uid))
