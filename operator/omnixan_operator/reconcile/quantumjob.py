"""A QuantumJob, from its creation to its result: observe, decide the next step, take it, write the status once."""

from __future__ import annotations

from dataclasses import replace
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
    Hold,
    NotYet,
    Observed,
    RunSeen,
    Start,
    Step,
    Wait,
)
from omnixan_operator.desired.common import claim_mark
from omnixan_operator.desired.quantumrun import quantum_run, seed
from omnixan_operator.keys import Key, key_of
from omnixan_operator.kinds import Object
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile import afterwards, dispatch, placing, programs, results, silence
from omnixan_operator.reconcile.context import Context, Unwritten, parse, parse_cluster, paused
from omnixan_operator.status import conditions
from omnixan_operator.status import quantumjob as status
from omnixan_operator.status.same import same
from omnixan_operator.store import (
    RUNS_BY_JOB,
    alive,
    condition,
    controller_of,
    name_of,
    namespace_of,
    run_is_open,
)
from omnixan_operator.triggers import RUNNING_DELAY

PATIENCE = 1.0
"""Seconds that a program may be in the analyzer before its job's status says so: most take a fraction of it."""
RECHECK = 0.2


async def reconcile(ctx: Context, key: Key) -> float | None:
    """One step of the job's life."""
    live = ctx.store.get(kinds.QUANTUM_JOB, key.namespace, key.name)
    if live is None or not alive(live):
        dispatch.leave(ctx, key)
        return None
    job = parse(QuantumJob, live)
    if isinstance(job, str):
        dispatch.leave(ctx, key)
        await _stall(ctx, live, job)
        return None
    job = _as_meant(ctx, key, job)
    if paused(live) or job.status.completion_time is not None:
        dispatch.leave(ctx, key, job)
    if paused(live):
        await _write(ctx, live, job, status.paused(job, ctx.now()))
        return None
    await _discard_runs(ctx, job)
    if job.status.completion_time is not None:
        return await afterwards.reconcile(ctx, live, job)
    text = await _text(ctx, job)
    begin = ctx.monotonic(), ctx.processor()
    seen = _observe(ctx, live, job, text)
    step = joblife.next_step(job, seen)
    if isinstance(step, Wait) and step.reason is Reason.QUEUED:
        return await _queue(ctx, live, job, seen, step, text, begin)
    dispatch.leave(ctx, key, job)
    if _gives_up(job, step) and await _was_behind(ctx, job, seen):
        return RECHECK
    return await _take(ctx, live, job, seen, step, text)


async def _queue(
    ctx: Context, live: Object, job: QuantumJob, seen: Observed, step: Wait, text: str | NotYet, begin: tuple[float, float]
) -> float | None:
    """Wait for a free place in a node's queue, or take it if it is this job's turn."""
    key = key_of(kinds.QUANTUM_JOB, live)
    assert seen.cluster is not None and step.need is not None
    waited = dispatch.enter(ctx, key, job, seen.cluster, step.need)
    if dispatch.takes_turn(ctx, key, seen.cluster, seen.offers):
        try:
            taken = joblife.next_step(job, replace(seen, turn=True))
            ctx.metrics.placement_decision_seconds.observe(ctx.monotonic() - begin[0])
            ctx.metrics.placement_decision_cpu_seconds.observe(ctx.processor() - begin[1])
            return await _take(ctx, live, job, seen, taken, text)
        finally:
            dispatch.turn_is_over(ctx, key, seen.cluster)
    if waited < PATIENCE:  # most get their turn at once, and then nobody needs to know that they waited
        return PATIENCE - waited
    await _write(ctx, live, job, status.waiting(job, step, ctx.now()))
    return None


async def _take(ctx: Context, live: Object, job: QuantumJob, seen: Observed, step: Step, text: str | NotYet) -> float | None:
    analysis = seen.analysis if isinstance(seen.analysis, Analysis) else None
    match step:
        case Await():
            return await _await(ctx, live, job, step, text)
        case Wait():
            if await _write(ctx, live, job, status.waiting(job, step, ctx.now())):
                ctx.recorder.warning(kinds.QUANTUM_JOB, live, step.reason, step.message)
            return max(0.0, (step.until - ctx.now()).total_seconds()) if step.until is not None else None
        case Hold():
            if await _write(ctx, live, job, status.held(job, step, ctx.now())):
                ctx.recorder.normal(kinds.QUANTUM_JOB, live, Reason.SUSPENDED, "spec.suspend is true")
        case Start():
            return await _start(ctx, live, job, step, text)
        case Follow():
            if step.silence is None and (left := _until_due(ctx, key_of(kinds.QUANTUM_JOB, live))) > 0:
                return left
            if await _write(ctx, live, job, status.followed(job, step, analysis, seed(job), ctx.now())) and step.silence:
                message = f"{step.run.node} does not answer"
                ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.DETACHED, message)
            return step.silence.left if step.silence is not None else None
        case Finish():
            return await _finish(ctx, live, job, step, analysis)
        case Fail():
            failure = step.failure
            await _write(ctx, live, job, status.failed(job, step, analysis, seed(job), ctx.now()))
            ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.FAILED, f"{failure.category}: {failure.message}")
    return None


async def _await(ctx: Context, live: Object, job: QuantumJob, step: Await, text: str | NotYet) -> float | None:
    """Say that it waits for its analysis, once that takes long; a program that is missing is looked for again."""
    if isinstance(text, NotYet):
        if await _write(ctx, live, job, status.waiting(job, step, ctx.now())):
            ctx.recorder.warning(kinds.QUANTUM_JOB, live, step.reason, step.message)
        return _look_again(ctx, live, "Validated")
    asked = ctx.analyzer.asked_for(program.digest(text))
    if step.reason is Reason.ANALYZING and asked < PATIENCE:
        return PATIENCE - asked
    await _write(ctx, live, job, status.waiting(job, step, ctx.now()))
    return None


def _look_again(ctx: Context, live: Object, aspect: str) -> float:
    """Seconds until the ConfigMap is read again, by how long the condition has said that something is wrong with it."""
    since = condition(live, aspect)
    missing = since.get("reason") in (Reason.PROGRAM_NOT_FOUND, Reason.PROGRAM_CHANGED)
    return program.look_again(_seconds_since(ctx, since["lastTransitionTime"]) if missing else 0.0)


async def _start(ctx: Context, live: Object, job: QuantumJob, step: Start, text: str | NotYet) -> float | None:
    """Make the run, then say so: the agent has it before the status is written."""
    text = await _pinned(ctx, job, step.analysis, text)
    if isinstance(text, NotYet):
        wait = Wait(text.reason, text.message, step.analysis, attempts=step.attempts)
        if await _write(ctx, live, job, status.waiting(job, wait, ctx.now())):
            ctx.recorder.warning(kinds.QUANTUM_JOB, live, wait.reason, wait.message)
        return _look_again(ctx, live, "Placed")
    manifest = quantum_run(job, step.cluster, step.node, step.attempt, text)
    with placing.on_its_way(ctx, step.cluster, manifest):
        try:
            await ctx.create(kinds.QUANTUM_RUN, manifest)
        except AlreadyExistsError:  # made before a restart, or the answer was lost: go on from what is there
            await ctx.refresh(kinds.QUANTUM_RUN, namespace_of(manifest), name_of(manifest))
            return RECHECK
    if job.status.start_time is None:
        created = job.metadata.creation_timestamp
        ctx.metrics.placement_seconds.observe(_seconds_since(ctx, created))
    # A short run is over soon: then its start and its end are one write.
    meant = status.started(job, step, seed(job), ctx.now())
    due = ctx.monotonic() + RUNNING_DELAY
    ctx.unwritten[key_of(kinds.QUANTUM_JOB, live)] = Unwritten(job.metadata.uid, meant, due)
    return RUNNING_DELAY


def _until_due(ctx: Context, key: Key) -> float:
    """Seconds until the job's status is to be written; 0 if none is being kept back."""
    entry = ctx.unwritten.get(key)
    return max(0.0, entry.due - ctx.monotonic()) if entry is not None else 0.0


def _as_meant(ctx: Context, key: Key, job: QuantumJob) -> QuantumJob:
    """The job with the status that is about to be written, if there is one."""
    entry = ctx.unwritten.get(key)
    if entry is None:
        return job
    meant = entry.status
    behind = job.status.run is None or meant.run is None or job.status.run.attempt < meant.run.attempt
    if entry.uid == job.metadata.uid and behind and job.status.completion_time is None:
        return job.model_copy(update={"status": meant})
    del ctx.unwritten[key]
    return job


async def _text(ctx: Context, job: QuantumJob) -> str | NotYet:
    """The program's text if it must be analysed; a job that is analysed or has a run needs it no more, or not yet."""
    if job.status.analysis is not None or joblife.assigned(job) is not None or job.spec.cancel or job.spec.suspend:
        return ""
    return await programs.text_of(ctx, job)


async def _pinned(ctx: Context, job: QuantumJob, analysis: Analysis, text: str | NotYet) -> str | NotYet:
    """The text of the program that was analysed: what its ConfigMap has by now may be another one."""
    text = text or await programs.text_of(ctx, job)
    if isinstance(text, NotYet) or analysis.sha256 in (None, program.digest(text)):
        return text
    message = (
        f"{program.place_of(job.spec)} has another program by now, of SHA-256 {program.digest(text)}; "
        f"analysed was {analysis.sha256}: put it back, or create the job again"
    )
    return NotYet(Reason.PROGRAM_CHANGED, message)


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
    written: QuantumJobStatus | str = job.status
    if key_of(kinds.QUANTUM_JOB, live) in ctx.unwritten:
        written = parse(QuantumJobStatus, live.get("status") or {})
        if not isinstance(written, str):
            seen = conditions.since_written(wanted.conditions or (), written.conditions)
            wanted = wanted.model_copy(update={"conditions": seen})
    if not isinstance(written, str) and same(wanted, written):
        return False
    await ctx.write_status(kinds.QUANTUM_JOB, live, wanted.wire())
    return True


async def _stall(ctx: Context, live: Object, message: str) -> None:
    last = parse(QuantumJobStatus, live.get("status") or {})
    before = QuantumJobStatus() if isinstance(last, str) else last
    wanted = status.stalled(before, live["metadata"].get("generation", 0), message, ctx.now())
    if not same(wanted, before):
        await ctx.write_status(kinds.QUANTUM_JOB, live, wanted.wire())
        ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.INVALID_SPEC, message)


async def _discard_runs(ctx: Context, job: QuantumJob) -> None:
    """Runs of attempts that were given up, and unfinished ones of a job that is over: nothing may come of them."""
    given_up = {attempt.attempt for attempt in job.status.attempts or ()}
    over = job.status.completion_time is not None
    for obj in ctx.store.find(RUNS_BY_JOB, job.metadata.uid):
        unwanted = obj["spec"]["attempt"] in given_up or (over and run_is_open(obj))
        if unwanted and alive(obj):
            await ctx.delete(kinds.QUANTUM_RUN, obj)


def _gives_up(job: QuantumJob, step: Step) -> bool:
    """Whether the step declares a run or an EdgeCluster lost, which must not rest on an old view of things."""
    if isinstance(step, Fail) and step.failure.reason in (Reason.CLUSTER_DELETED, Reason.CANCELLED):
        return True
    return isinstance(step, Wait | Hold | Fail) and len(step.attempts) > len(job.status.attempts or ())


async def _was_behind(ctx: Context, job: QuantumJob, seen: Observed) -> bool:
    """Whether the API server knows better than the store: watches of different kinds are not in step."""
    namespace, name = _cluster_of(job)
    behind = await ctx.refresh(kinds.EDGE_CLUSTER, namespace, name)
    run = seen.run or job.status.run
    if run is not None:
        behind = await ctx.refresh(kinds.QUANTUM_RUN, run.namespace, run.name) or behind
        if seen.silence is not None:
            behind = await ctx.refresh(kinds.LEASE, run.namespace, run.node) or behind
    return behind


def _observe(ctx: Context, live: Object, job: QuantumJob, text: str | NotYet) -> Observed:
    namespace, name = _cluster_of(job)
    found = ctx.store.get(kinds.EDGE_CLUSTER, namespace, name)
    cluster = parse_cluster(found) if found is not None and alive(found) else None
    if isinstance(cluster, str):
        cluster = None
    tenant = ctx.store.get(kinds.NAMESPACE, "", job.metadata.namespace)
    labels = tenant["metadata"].get("labels") if tenant is not None else None
    runs = [run for obj in ctx.store.find(RUNS_BY_JOB, job.metadata.uid) if (run := _run(obj)) is not None]
    run = joblife.newest(runs, job.status.attempts or ())
    analysis = _analysis(ctx, job, text)
    node_gone = run is not None and cluster is not None and _node_gone(ctx, cluster, run.node)
    mute = silence.of(ctx, cluster, run, live) if run is not None and cluster is not None else None
    stays = run is not None and run.state != "Failed" and not node_gone and mute is None
    look = cluster is not None and isinstance(analysis, Analysis) and not stays  # at every node: only if it may be placed
    return Observed(
        analysis=analysis,
        now=ctx.now(),
        cluster=cluster,
        tenant=cluster is None or tenancy.takes(cluster, job.metadata.namespace, labels),
        offers=ctx.offers.of(cluster.metadata.uid) if look and cluster is not None else (),
        run=run,
        node_gone=node_gone,
        silence=mute,
    )


def _cluster_of(job: QuantumJob) -> tuple[str, str]:
    reference = job.spec.cluster_ref
    return reference.namespace or job.metadata.namespace, reference.name


def _analysis(ctx: Context, job: QuantumJob, text: str | NotYet) -> Analysis | Failure | NotYet:
    if job.status.analysis is not None:
        return job.status.analysis
    if isinstance(text, NotYet):
        return text
    if not text and job.spec.program is not None:
        return NotYet(Reason.ANALYZING, "its program is not looked at now")
    known = program.without_parser(job.spec, text)
    if known is not None:
        return known
    key = Key(kinds.QUANTUM_JOB.name, job.metadata.namespace, job.metadata.name)
    return ctx.analyzer.ask(program.digest(text), text, key)


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
        start_time=run.status.start_time,
        resumed_from=run.status.resumed_from_iteration,
    )


def _node_gone(ctx: Context, cluster: EdgeCluster, node: str) -> bool:
    """Whether the node has neither an EdgeNode nor a claim: an EdgeNode alone may be deleted, and comes back."""
    if ctx.store.get(kinds.EDGE_NODE, cluster.metadata.namespace, node) is not None:
        return False
    obj = ctx.store.get(kinds.NODE, "", node)
    claim = (obj["metadata"].get("labels") or {}).get(CLAIM_LABEL, "") if obj is not None else ""
    return not claim.endswith("." + claim_mark(cluster.metadata.uid))
