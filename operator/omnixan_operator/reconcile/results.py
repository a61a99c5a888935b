"""A job's whole result: the ConfigMap that holds it, made when the job ends and made again when it is deleted."""

from __future__ import annotations

from omnixan.edge_network.api.meta import JOB_UID_LABEL
from omnixan.edge_network.api.quantumjob import QuantumJob, ResultRef
from omnixan_operator import kinds
from omnixan_operator.apiserver import AlreadyExistsError, NotFoundError
from omnixan_operator.desired.drift import contained
from omnixan_operator.desired.resultmap import KEY, canonical, digest, result_map, result_map_name
from omnixan_operator.kinds import Object
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile.context import Context
from omnixan_operator.store import controller_of
from omnixan_operator.trim import DIGEST

TAKEN_AGAIN = 300.0
"""Seconds after which a name that was taken is tried again."""


async def read(ctx: Context, namespace: str, run: str) -> Object | None:
    """The result of a run as its agent wrote it; the store does not keep it. None if the run is gone."""
    if (arrived := ctx.feed.arrivals.take(namespace, run)) is not None:
        return arrived
    try:
        obj = await ctx.api.get(kinds.QUANTUM_RUN, namespace, run)
    except NotFoundError:
        return None
    result: Object | None = obj.get("status", {}).get("result")
    return result


async def store(ctx: Context, job: QuantumJob, live: Object, result: Object) -> ResultRef | None:
    """Write the ConfigMap; None if its name belongs to somebody else."""
    text = canonical(result)
    wanted = result_map(job, text)
    try:
        await ctx.create(kinds.CONFIG_MAP, wanted)
    except AlreadyExistsError:
        found = await ctx.api.get(kinds.CONFIG_MAP, job.metadata.namespace, wanted["metadata"]["name"])
        if _leftover(found, job):
            await ctx.delete(kinds.CONFIG_MAP, found)
            await ctx.create(kinds.CONFIG_MAP, wanted)
            return ResultRef(name=wanted["metadata"]["name"], sha256=digest(text), bytes=len(text.encode()))
        if not _ours(found, job):
            message = f"ConfigMap {wanted['metadata']['name']} exists and belongs to another owner: it is left alone"
            ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.RESULT_NAME_TAKEN, message)
            return None
        if (found.get("data") or {}).get(KEY) != text:  # immutable, so it cannot be mended
            await ctx.delete(kinds.CONFIG_MAP, found)
            await ctx.apply(kinds.CONFIG_MAP, wanted)
        elif not contained(wanted, found):  # else it is there already: the answer to its creation was lost
            await ctx.apply_over(kinds.CONFIG_MAP, wanted, found)
    return ResultRef(name=wanted["metadata"]["name"], sha256=digest(text), bytes=len(text.encode()))


async def keep(ctx: Context, job: QuantumJob, live: Object) -> float | None:
    """Bring the ConfigMap of a job that is over back, if it is not as it was.

    Returns the seconds after which to look again where its name is taken: that it becomes free is not watched.
    """
    reference = job.status.result.ref if job.status.result is not None else None
    if reference is None or job.status.run is None:
        return None
    name = result_map_name(job.metadata.name)
    found = ctx.store.get(kinds.CONFIG_MAP, job.metadata.namespace, name)
    if found is not None and _ours(found, job) and found[DIGEST].get(KEY) == reference.sha256:
        return None
    run = job.status.run
    result = None
    if ctx.store.get(kinds.QUANTUM_RUN, run.namespace, run.name) is not None:
        result = await read(ctx, run.namespace, run.name)
    if result is None:
        message = f"ConfigMap {name} is gone and so is the run that it came from"
        ctx.recorder.warning(kinds.QUANTUM_JOB, live, Reason.RESULT_LOST, message)
        return None
    if await store(ctx, job, live, result) is None:
        return TAKEN_AGAIN
    ctx.recorder.normal(kinds.QUANTUM_JOB, live, Reason.CHILD_RESTORED, f"ConfigMap {name} was put right")
    return None


def _leftover(obj: Object, job: QuantumJob) -> bool:
    """Whether it is the result of a deleted job of the same name, which the garbage collector has not reached yet."""
    owner, labels = controller_of(obj), obj["metadata"].get("labels") or {}
    return (
        owner is not None
        and owner["kind"] == kinds.QUANTUM_JOB.name
        and owner["name"] == job.metadata.name
        and owner["uid"] != job.metadata.uid
        and labels.get(JOB_UID_LABEL) == owner["uid"]
    )


def _ours(obj: Object, job: QuantumJob) -> bool:
    owner = controller_of(obj)
    return owner is not None and owner["uid"] == job.metadata.uid
