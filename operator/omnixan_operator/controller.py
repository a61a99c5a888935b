"""The workers: take a key, reconcile it, put it back if it failed. No error of one key stops another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from omnixan_operator import kinds
from omnixan_operator.apiserver import ApiError, ConflictError, InvalidError, NotFoundError, TooManyRequestsError
from omnixan_operator.keys import CLAIMS, DISPATCH, Key
from omnixan_operator.reconcile import claims, dispatch, edgecluster, edgenode, quantumjob, runs
from omnixan_operator.reconcile.context import Context

logger = logging.getLogger(__name__)

Reconciler = Callable[[Context, Key], Awaitable[float | None]]

RECONCILERS: dict[str, Reconciler] = {
    CLAIMS.what: claims.reconcile,
    kinds.EDGE_CLUSTER.name: edgecluster.reconcile,
    DISPATCH: dispatch.reconcile,
    kinds.EDGE_NODE.name: edgenode.reconcile,
    kinds.QUANTUM_JOB.name: quantumjob.reconcile,
    kinds.QUANTUM_RUN.name: runs.reconcile,
}


GATE = 0.1
"""Seconds between two looks whether this process may write again."""
SOONEST = 0.01
"""Seconds after which a key comes back at the earliest: above `queue.EARLY`, so that time passes in between."""


async def work(ctx: Context) -> None:
    """Reconcile keys until the queue is closed."""
    while (taken := await ctx.queue.take()) is not None:
        ctx.metrics.queue_latency.observe(taken.waited)
        try:
            await _until_writable(ctx)
            await process(ctx, taken.key)
        finally:
            ctx.queue.done(taken.key)


async def _until_writable(ctx: Context) -> None:
    """Decide nothing while nothing may be written: thousands of keys that fail and come back would take the processor from
    the renewal of the Lease, and so from themselves."""
    while not ctx.may_write() and not ctx.queue.closed:  # noqa: ASYNC110 (leading is a matter of time, not an event)
        await asyncio.sleep(GATE)


async def process(ctx: Context, key: Key) -> None:
    """Reconcile one key; what comes next follows the class of the error."""
    started = time.perf_counter()
    outcome = "ok"
    try:
        again = await RECONCILERS[key.what](ctx, key)
        ctx.queue.succeeded(key)
        if again is not None:
            outcome = "later"
            ctx.queue.add(key, max(again, SOONEST))
    except ConflictError as error:  # the object changed meanwhile; its watch event is on the way
        outcome = "conflict"
        _again(ctx, key, error, logging.DEBUG)
    except TooManyRequestsError as error:
        outcome = "retry"
        ctx.queue.add(key, error.retry_after)
    except NotFoundError as error:  # deleted meanwhile
        outcome = "conflict"
        _again(ctx, key, error, logging.DEBUG)
    except InvalidError as error:
        outcome = "error"
        _again(ctx, key, error, logging.ERROR)
    except ApiError as error:
        outcome = "retry"
        _again(ctx, key, error, logging.WARNING)
    except Exception:
        outcome = "error"
        ctx.queue.failed(key)
        logger.exception("reconciling %s %s/%s failed", *key)
    finally:
        ctx.metrics.reconciles.labels(key.what, outcome).inc()
        ctx.metrics.reconcile_seconds.labels(key.what).observe(time.perf_counter() - started)


def _again(ctx: Context, key: Key, error: ApiError, level: int) -> None:
    delay = ctx.queue.failed(key)
    ctx.metrics.queue_retries.labels(key.what).inc()
    logger.log(level, "%s %s/%s: %s; again in %.1f s", *key, error, delay)
