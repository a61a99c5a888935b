"""A job that is over: its result is kept, and the job is deleted when its time to live has passed."""

from __future__ import annotations

from datetime import datetime

from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan_operator import kinds
from omnixan_operator.kinds import Object
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile import results
from omnixan_operator.reconcile.context import Context
from omnixan_operator.status import quantumjob as status
from omnixan_operator.status.same import same


async def reconcile(ctx: Context, live: Object, job: QuantumJob) -> float | None:
    """Delete it, or keep it true; returns the seconds until it is to be deleted."""
    left = _time_to_live(ctx, job)
    if left is not None and left <= 0:
        message = f"deleted {job.spec.ttl_seconds_after_finished} s after its end (spec.ttlSecondsAfterFinished)"
        # This very version: a time to live that was prolonged a moment ago counts.
        await ctx.delete(kinds.QUANTUM_JOB, live, unchanged=True)
        ctx.recorder.normal(kinds.QUANTUM_JOB, live, Reason.EXPIRED, message)
        return None
    wanted = status.still_over(job, ctx.now())
    if not same(wanted, job.status):
        await ctx.write_status(kinds.QUANTUM_JOB, live, wanted.wire())
    again = await results.keep(ctx, job, live)
    return min((seconds for seconds in (left, again) if seconds is not None), default=None)


def _time_to_live(ctx: Context, job: QuantumJob) -> float | None:
    if job.spec.ttl_seconds_after_finished is None or job.status.completion_time is None:
        return None
    ended = datetime.fromisoformat(job.status.completion_time)
    return job.spec.ttl_seconds_after_finished - (ctx.now() - ended).total_seconds()
