"""What follows from a reconciliation, by its outcome: nothing stops the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from omnixan_operator import apiserver, controller
from omnixan_operator.keys import Key
from omnixan_operator.metrics import Metrics
from omnixan_operator.queue import WorkQueue
from omnixan_operator.reconcile.context import Context

KEY = Key("QuantumJob", "ns", "job")


def context() -> Context:
    return cast(Context, SimpleNamespace(queue=WorkQueue(), metrics=Metrics()))


class Again(NamedTuple):
    """When a key comes back, and the moments before and after its reconciliation, by the loop's clock."""

    due: float
    before: float
    after: float

    def comes_in(self, least: float, most: float) -> bool:
        """Whether so many seconds lie between some moment of the reconciliation and the key's return."""
        return self.before + least <= self.due <= self.after + most


async def process(monkeypatch: pytest.MonkeyPatch, ctx: Context, outcome: Any) -> Again | None:
    """Reconcile with this outcome; returns when the key comes back, None if it does not."""

    async def reconciler(ctx: Context, key: Key) -> float | None:
        if isinstance(outcome, BaseException):
            raise outcome
        return cast(float | None, outcome)

    monkeypatch.setitem(controller.RECONCILERS, KEY.what, reconciler)
    clock = asyncio.get_running_loop().time
    before = clock()
    await controller.process(ctx, KEY)
    after, due = clock(), ctx.queue._schedule.next_due()
    return None if due is None else Again(due, before, after)


def count(ctx: Context, outcome: str) -> float:
    value: Callable[..., float | None] = ctx.metrics.registry.get_sample_value
    return value("omnixan_operator_reconcile_total", {"kind": "QuantumJob", "outcome": outcome}) or 0.0


async def test_a_settled_key_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = context()
    assert await process(monkeypatch, ctx, None) is None
    assert count(ctx, "ok") == 1


async def test_a_reconciler_may_ask_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = context()
    again = await process(monkeypatch, ctx, 7.0)
    assert again is not None and again.comes_in(7.0, 7.0) and count(ctx, "later") == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (apiserver.ConflictError("changed"), "conflict"),
        (apiserver.NotFoundError("gone"), "conflict"),
        (apiserver.TransientError("away"), "retry"),
        (apiserver.InvalidError("bad"), "error"),
        (apiserver.ForbiddenError("no"), "retry"),
        (ValueError("a mistake of ours"), "error"),
    ],
)
async def test_a_failed_key_comes_back_later_and_later(
    monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str
) -> None:
    ctx = context()
    first = await process(monkeypatch, ctx, error)
    assert first is not None and first.comes_in(0.2, 0.24) and count(ctx, outcome) == 1
    assert ctx.queue.failed(KEY) > 0.39


async def test_the_server_sets_the_delay_when_it_has_too_much_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    again = await process(monkeypatch, context(), apiserver.TooManyRequestsError("busy", 429, retry_after=9.0))
    assert again is not None and again.comes_in(9.0, 9.0)


async def test_nothing_is_decided_while_nothing_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, leads, seen, reconciled = context(), [False], list[Key](), asyncio.Event()
    ctx.may_write = lambda: leads[0]

    async def reconciler(_: Context, key: Key) -> float | None:
        seen.append(key)
        reconciled.set()
        return None

    monkeypatch.setitem(controller.RECONCILERS, KEY.what, reconciler)
    monkeypatch.setattr(controller, "GATE", 0.001)
    ctx.queue.add(KEY)
    working = asyncio.create_task(controller.work(ctx))
    await asyncio.sleep(0.05)
    assert not seen
    leads[0] = True
    await asyncio.wait_for(reconciled.wait(), 30)
    leads[0] = False
    ctx.queue.add(KEY._replace(name="another"))
    await asyncio.sleep(0.01)
    ctx.queue.close()  # a process that ends does not wait for its turn to lead
    await asyncio.wait_for(working, 30)
