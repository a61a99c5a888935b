"""Sweep: a QuantumRun whose job is gone is deleted, which also cancels it."""

from __future__ import annotations

from omnixan_operator import kinds
from omnixan_operator.keys import Key, job_key_of
from omnixan_operator.reconcile.context import Context
from omnixan_operator.store import alive


async def reconcile(ctx: Context, key: Key) -> float | None:
    """Delete the run if the API server, too, knows no job of its uid."""
    run = ctx.store.get(kinds.QUANTUM_RUN, key.namespace, key.name)
    if run is None or not alive(run) or _has_job(ctx, run["spec"]["jobRef"]["uid"], job_key_of(run)):
        return None
    job = job_key_of(run)
    await ctx.refresh(kinds.QUANTUM_JOB, job.namespace, job.name)
    if not _has_job(ctx, run["spec"]["jobRef"]["uid"], job):
        await ctx.delete(kinds.QUANTUM_RUN, run)
    return None


def _has_job(ctx: Context, uid: str, key: Key) -> bool:
    return ctx.store.has(kinds.QUANTUM_JOB, key.namespace, key.name, uid)
