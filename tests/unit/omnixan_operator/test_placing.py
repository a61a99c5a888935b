"""Runs on their way to the API server: whose place they take, and who hears that it is free again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from omnixan_operator import kinds
from omnixan_operator.keys import CLAIMS, Key, dispatch_key
from omnixan_operator.kinds import Object
from omnixan_operator.offers import Offers
from omnixan_operator.queue import WorkQueue
from omnixan_operator.reconcile import placing
from omnixan_operator.store import Store
from tests.unit.omnixan_operator.operator_makers import cluster, meta

PLACE = ("omnixan", "node-0")


def run(state: str = "") -> Object:
    """A run on PLACE."""
    spec = {"nodeName": "node-0", "attempt": 1, "jobRef": {"namespace": "alpha", "name": "bell", "uid": "u"}}
    return {"metadata": meta("u-1"), "spec": spec, "status": {"state": state} if state else {}}


def context() -> Any:
    store, on_their_way = Store(), dict[str, tuple[str, str]]()
    return SimpleNamespace(store=store, placing=on_their_way, offers=Offers(store, on_their_way), queue=WorkQueue[Key]())


async def woken(queue: WorkQueue[Key]) -> set[Key]:
    return {taken.key for _ in range(len(queue)) if (taken := await queue.take()) is not None}


async def test_nobody_is_woken_for_a_run_that_came_in() -> None:
    ctx = context()
    with placing.on_its_way(ctx, cluster(), run()):
        assert ctx.offers.on_their_way()[PLACE] == 1
        ctx.store.put(kinds.QUANTUM_RUN, run())
        assert ctx.offers.on_their_way()[PLACE] == 0
    assert not len(ctx.queue) and not ctx.placing


async def test_a_run_that_is_over_before_its_creation_is_answered_keeps_no_node_busy() -> None:
    ctx = context()
    with placing.on_its_way(ctx, cluster(), run()):
        ctx.store.put(kinds.QUANTUM_RUN, run("Succeeded"))
        assert not ctx.offers.on_their_way()[PLACE]  # its end woke the claims: they must find the node idle
    assert not len(ctx.queue)


@pytest.mark.parametrize("created", [False, True])
async def test_a_place_that_no_run_takes_is_given_to_whoever_waits_for_it(created: bool) -> None:
    ctx = context()
    with pytest.raises(TimeoutError), placing.on_its_way(ctx, cluster(), run()):
        if created:
            ctx.store.put(kinds.QUANTUM_RUN, run())
            ctx.store.remove(kinds.QUANTUM_RUN, "omnixan", "u-1", "uid-of-u-1", 2)
        raise TimeoutError
    assert await woken(ctx.queue) == {CLAIMS, dispatch_key("omnixan", "ec")} and not ctx.placing
