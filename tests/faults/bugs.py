"""Bugs that somebody could write into the operator, and what must find each: who checks the checkers.

Each is applied to the running process for one episode and taken back. Where they take hold is chosen so that it survives
a tidy-up of the operator: constructors, module constants, the rim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from omnixan.edge_network.api.meta import CLAIM_LABEL
from omnixan_operator import controller, election, feed, kinds, queue, resync, store
from omnixan_operator.decide import claiming, joblife, placement
from omnixan_operator.decide import election as decide_election
from omnixan_operator.reconcile import claims, context, edgecluster, quantumjob, results
from omnixan_operator.store import uid_of
from tests.faults.episode import Story
from tests.faults.failover import FAILOVER
from tests.faults.takeovers import ANOTHER_LEADS, FORMER, ONE_RESULT

Patches = Iterator[Any]


@dataclass(frozen=True)
class Bug:
    """A seeded bug."""

    patches: Callable[[], Patches]
    """What replaces what, as context managers."""
    finds: tuple[str, ...]
    """The invariants that may find it."""
    story: Story = field(default_factory=Story)
    """In which it shows."""
    first_seed: int = 0
    """Where to begin to look; any seed may find it."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The operator with the bug."""
        with ExitStack() as stack:
            for one in self.patches():
                stack.enter_context(one)
            yield


def _constructed(cls: type, **forced: Any) -> Any:
    """Every object of a dataclass gets these values."""
    original = cls.__init__  # type: ignore[misc]

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for name, value in forced.items():
            object.__setattr__(self, name, value)

    return patch.object(cls, "__init__", init)


def _attempt_is_used_again() -> Patches:
    yield _constructed(joblife.Start, attempt=1)


def _draining_nodes_get_runs() -> Patches:
    yield _constructed(placement.Offer, draining=False)


def _unready_nodes_get_runs() -> Patches:
    yield _constructed(placement.Offer, ready=True)


def _a_list_after_410_is_not_compared() -> Patches:
    async def compare(self: Any, kind: Any) -> None:
        return

    yield patch.object(resync.Resync, "compare", compare)


def _status_is_written_without_comparing() -> Patches:
    for module in (quantumjob, edgecluster):
        yield patch.object(module, "same", lambda wanted, last: False)


def _a_failed_key_is_dropped() -> Patches:
    yield patch.object(queue.WorkQueue, "failed", lambda self, key: 0.0)


def _failures_are_retried_at_once() -> Patches:
    yield patch.object(queue, "BASE_DELAY", 0.0)


def _runs_of_gone_jobs_are_left() -> Patches:
    async def reconcile(ctx: Any, key: Any) -> None:
        return

    yield patch.dict(controller.RECONCILERS, {"QuantumRun": reconcile})


def _a_result_is_mixed_up() -> Patches:
    original = results.read

    async def read(ctx: Any, namespace: str, run: str) -> Any:
        others = [name for (_, name) in ctx.store._objects[kinds.QUANTUM_RUN] if name != run]
        for name in sorted(others):
            if (found := await original(ctx, namespace, name)) is not None:
                return found
        return await original(ctx, namespace, run)

    yield patch.object(results, "read", read)


def _deletions_are_not_taken_in() -> Patches:
    yield patch.object(feed.Feed, "gone", lambda self, kind, obj, version=None: False)


def _drift_is_not_seen() -> Patches:
    yield patch.object(edgecluster, "needs_apply", lambda desired, live: live is None)


def _claims_are_never_released() -> Patches:
    async def merge(self: Any, kind: Any, obj: Any, patch: Any, manager: str) -> Any:
        return obj

    yield patch.object(context.Context, "merge", merge)


def _claims_of_others_are_not_seen() -> Patches:
    original = claiming.plan

    def plan(claimants: Any, machines: Any) -> Any:
        everybody, everything = list(claimants), list(machines)
        plans: dict[str, Any] = {}
        labels: dict[str, Any] = {}
        for one in everybody:
            mark = "." + claiming.claim_mark(one.uid)
            seen = [m if (m.claim or "").endswith(mark) else replace(m, claim=None) for m in everything]
            mine = original([one], seen)
            plans |= mine.clusters
            labels |= {name: value for name, value in mine.labels.items() if value is not None}
        return claiming.Plan(plans, labels)

    yield patch.object(claiming, "plan", plan)


def _pausing_is_not_heeded() -> Patches:
    yield patch.object(context, "PAUSED_ANNOTATION", "edge.omnixan.io/other")


def _owned_twins_are_not_pruned() -> Patches:
    async def prune(ctx: Any, cluster: Any, children: Any) -> None:
        return

    yield patch.object(edgecluster, "_prune", prune)


def _a_label_makes_a_deleted_node_anew() -> Patches:
    async def label(ctx: Any, node: Any, value: str | None) -> None:
        metadata = {"name": node["metadata"]["name"]}
        if value is not None:
            await ctx.apply(kinds.NODE, {"metadata": metadata | {"labels": {CLAIM_LABEL: value}}}, claims.FIELD_MANAGER)
        else:
            await ctx.merge(kinds.NODE, node, {"metadata": {"labels": {CLAIM_LABEL: None}}}, claims.FIELD_MANAGER)

    yield patch.object(claims, "_label", label)


def _a_result_that_is_there_is_written_again() -> Patches:
    yield patch.object(results, "contained", lambda desired, live: False)


def _a_late_event_overwrites_a_newer_state() -> Patches:
    original = store.Store.put

    def put(self: Any, kind: Any, obj: Any) -> Any:
        place = (store.namespace_of(obj), store.name_of(obj))
        old = self._objects[kind].get(place)
        if old is not None and uid_of(old) == uid_of(obj) and store.version_of(old) > store.version_of(obj):
            old["metadata"]["resourceVersion"] = "0"
        return original(self, kind, obj)

    yield patch.object(store.Store, "put", put)


def _a_new_leader_does_not_catch_up() -> Patches:
    async def catch_up(self: Any) -> None:
        return

    yield patch.object(resync.Resync, "catch_up", catch_up)


def _work_begins_before_all_is_listed() -> Patches:
    async def at_once(self: Any) -> None:
        self._feed.start()

    yield patch.object(resync.Resync, "wait_until_complete", at_once)
    yield from _a_new_leader_does_not_catch_up()  # which would list everything all the same


def _a_standby_waits_too_long() -> Patches:
    yield _constructed(decide_election.Record, duration=2 * decide_election.DURATION)


def _a_standby_looks_seldom() -> Patches:
    yield patch.object(election, "LOOK", 10.0)


def _a_new_leader_begins_late() -> Patches:
    original = resync.Resync.catch_up

    async def catch_up(self: Any) -> None:
        await asyncio.sleep(resync.SETTLE * 2)
        await original(self)

    yield patch.object(resync.Resync, "catch_up", catch_up)


def _a_standby_does_not_listen() -> Patches:
    original = feed.Feed._listen

    def listen(self: Any, lease: Any) -> None:
        if self._leading or self.last_beat(store.namespace_of(lease), store.name_of(lease)) is None:
            original(self, lease)

    yield patch.object(feed.Feed, "_listen", listen)


def _who_was_lost_goes_on() -> Patches:
    yield patch.object(election, "may_write_until", lambda sent: sent + 100.0)


END, SILENCE, NO_CHANGE = "everything comes to its end", "silence when settled", "no write without change"
POOL, PLACE, RESULT, HOT = "a node in one pool at most", "runs only where they belong", "one accepted result", "no hot loop"
UNKNOWN = "what is not known is left alone"
RUN, BACK, ERROR = "one run per job and attempt", "attempts do not go back", "no unforeseen error"

BUGS: dict[str, Bug] = {
    "a-standby-waits-too-long": Bug(_a_standby_waits_too_long, (ANOTHER_LEADS,), FAILOVER),
    "a-standby-looks-seldom": Bug(_a_standby_looks_seldom, (ANOTHER_LEADS,), FAILOVER),
    "a-new-leader-begins-late": Bug(_a_new_leader_begins_late, (ANOTHER_LEADS,), FAILOVER),
    "a-standby-does-not-listen": Bug(_a_standby_does_not_listen, (ONE_RESULT,), FAILOVER),
    "who-was-lost-goes-on": Bug(_who_was_lost_goes_on, (FORMER,), FAILOVER),
    "pausing-is-not-heeded": Bug(_pausing_is_not_heeded, (PLACE,)),
    "work-begins-before-all-is-listed": Bug(_work_begins_before_all_is_listed, (UNKNOWN,)),
    "draining-nodes-get-runs": Bug(_draining_nodes_get_runs, (PLACE,)),
    "failures-are-retried-at-once": Bug(_failures_are_retried_at_once, (HOT,), Story(outage=300.0), first_seed=1),
    "attempt-is-used-again": Bug(_attempt_is_used_again, (RUN, BACK, END, HOT)),
    "unready-nodes-get-runs": Bug(_unready_nodes_get_runs, (PLACE,)),
    "a-list-after-410-is-not-compared": Bug(_a_list_after_410_is_not_compared, (END,)),
    "status-is-written-without-comparing": Bug(_status_is_written_without_comparing, (NO_CHANGE, SILENCE, HOT)),
    "a-failed-key-is-dropped": Bug(_a_failed_key_is_dropped, (END,), first_seed=5),
    "runs-of-gone-jobs-are-left": Bug(_runs_of_gone_jobs_are_left, (END,)),
    "a-result-is-mixed-up": Bug(_a_result_is_mixed_up, (RESULT,)),
    "deletions-are-not-taken-in": Bug(_deletions_are_not_taken_in, (END, HOT, NO_CHANGE)),
    "drift-is-not-seen": Bug(_drift_is_not_seen, (END,)),
    "claims-are-never-released": Bug(_claims_are_never_released, (END, HOT), first_seed=8),
    "claims-of-others-are-not-seen": Bug(_claims_of_others_are_not_seen, (POOL, END), first_seed=5),
    "owned-twins-are-not-pruned": Bug(_owned_twins_are_not_pruned, (END,), first_seed=15),
    "a-label-makes-a-deleted-node-anew": Bug(
        _a_label_makes_a_deleted_node_anew, ("the operator makes no node", NO_CHANGE), first_seed=9
    ),
    "a-result-that-is-there-is-written-again": Bug(_a_result_that_is_there_is_written_again, (NO_CHANGE,), first_seed=9),
    "a-late-event-overwrites-a-newer-state": Bug(_a_late_event_overwrites_a_newer_state, (END, NO_CHANGE, RUN, ERROR)),
    "a-new-leader-does-not-catch-up": Bug(
        _a_new_leader_does_not_catch_up, (RUN,), Story(actions=60, jobs=16, deaths=4), first_seed=10754
    ),
}
"""By name; `python -m tests.faults.hunt NAME` looks for one."""
