"""The elector against a Lease that behaves as the API server's: versions, conflicts, failures."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from omnixan_operator import election
from omnixan_operator.apiserver import AlreadyExistsError, ApiServer, ConflictError, NotFoundError, TransientError
from omnixan_operator.decide.election import DURATION, MARGIN
from omnixan_operator.election import Elector, LeadershipLostError, identity
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.metrics import Metrics


class Server:
    """One Lease."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.version = 0
        self.away = False

    def _answer(self) -> Object:
        if self.away:
            raise TransientError("away")
        if self.lease is None:
            raise NotFoundError("no Lease")
        return self.lease

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        return self._answer()

    async def create(self, kind: Kind, obj: Object) -> Object:
        if self.lease is not None:
            raise AlreadyExistsError("there is one")
        return self._store(obj["metadata"], obj["spec"])

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Object, manager: str) -> Object:
        live = self._answer()
        if patch["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise ConflictError("changed")
        return self._store(live["metadata"], live["spec"] | patch["spec"])

    def _store(self, metadata: Object, spec: Object) -> Object:
        self.version += 1
        self.lease = {"metadata": metadata | {"resourceVersion": str(self.version)}, "spec": spec}
        return self.lease


class Clock:
    """A steady clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once; time passes on the test's clock alone."""
    for name in ("RENEW", "LOOK", "RETRY"):
        monkeypatch.setattr(election, name, 0.01)


def elector(server: Server, clock: Clock, name: str, **more: Any) -> Elector:
    return Elector(cast(ApiServer, server), "system", name, Metrics(), clock, **more)


async def leads(candidate: Elector) -> None:
    await asyncio.wait_for(candidate.leading.wait(), 20)


async def turns(server: Server, *running: asyncio.Task[None]) -> None:
    """Let everybody look a few times."""
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert all(not task.done() for task in running)


async def test_the_first_leads_and_the_second_stands_by_until_it_releases() -> None:
    server, clock = Server(), Clock()
    first, second = elector(server, clock, "first"), elector(server, clock, "second")
    one = asyncio.create_task(first.run())
    await leads(first)
    two = asyncio.create_task(second.run())
    await turns(server, one, two)
    assert first.may_write() and not second.may_write() and not second.leading.is_set()
    one.cancel()
    await first.release()
    assert not first.may_write()
    await leads(second)
    assert server.lease is not None and server.lease["spec"]["leaseTransitions"] == 1
    two.cancel()


async def test_a_dead_leaders_lease_is_taken_after_its_duration_and_not_before() -> None:
    server, clock = Server(), Clock()
    first, second = elector(server, clock, "first"), elector(server, clock, "second")
    one = asyncio.create_task(first.run())
    await leads(first)
    one.cancel()
    two = asyncio.create_task(second.run())
    await turns(server, two)
    clock.now += DURATION - 0.1
    await turns(server, two)
    assert not second.leading.is_set()
    clock.now += 0.2
    await leads(second)
    assert not first.may_write()
    two.cancel()


async def test_a_leader_that_was_frozen_ends_and_has_not_written_meanwhile() -> None:
    server, clock = Server(), Clock()
    first, second = elector(server, clock, "first"), elector(server, clock, "second")
    one = asyncio.create_task(first.run())
    await leads(first)
    clock.now += DURATION - MARGIN  # the clock goes on while a process does not
    assert not first.may_write()
    assert server.lease is not None
    server._store(server.lease["metadata"], server.lease["spec"] | {"holderIdentity": "second"})
    with pytest.raises(LeadershipLostError):
        await asyncio.wait_for(one, 20)
    assert not first.may_write() and not second.may_write()


async def test_a_leader_without_api_server_stops_writing_before_others_may_begin() -> None:
    server, clock = Server(), Clock()
    only = elector(server, clock, "only")
    running = asyncio.create_task(only.run())
    await leads(only)
    server.away = True
    await turns(server, running)
    assert only.may_write()
    clock.now += DURATION - MARGIN
    assert not only.may_write()


async def test_a_late_renewal_that_nobody_came_before_opens_the_gate_again() -> None:
    server, clock = Server(), Clock()
    only = elector(server, clock, "only")
    running = asyncio.create_task(only.run())
    await leads(only)
    server.away = True
    clock.now += 10 * DURATION
    await turns(server, running)
    assert not only.may_write()
    server.away = False
    await turns(server, running)
    assert only.may_write()
    running.cancel()


@pytest.mark.parametrize("released", [True, False])
async def test_a_lease_that_somebody_took_out_of_the_leaders_hands_ends_it(released: bool) -> None:
    server, clock = Server(), Clock()
    only = elector(server, clock, "only")
    running = asyncio.create_task(only.run())
    await leads(only)
    assert server.lease is not None
    if released:
        server._store(server.lease["metadata"], server.lease["spec"] | {"holderIdentity": ""})
    else:
        server.lease = None
    with pytest.raises(LeadershipLostError):
        await asyncio.wait_for(running, 20)
    assert not only.may_write()


async def test_a_candidate_whose_store_is_not_complete_lets_others_go_first() -> None:
    server, clock, fit = Server(), Clock(), [False]
    candidate = elector(server, clock, "me", fit=lambda: fit[0])
    running = asyncio.create_task(candidate.run())
    await turns(server, running)
    assert server.lease is None
    fit[0] = True
    await leads(candidate)
    running.cancel()


async def test_a_renewal_whose_answer_was_lost_is_no_loss_of_the_lease() -> None:
    server, clock = Server(), Clock()
    only = elector(server, clock, "only")
    running = asyncio.create_task(only.run())
    await leads(only)
    assert server.lease is not None
    server._store(server.lease["metadata"], server.lease["spec"] | {"renewTime": "sent, and taken, but not answered"})
    clock.now += DURATION
    await turns(server, running)
    assert only.may_write()
    running.cancel()


async def test_a_renewal_under_way_does_not_keep_a_lease_from_being_given_back() -> None:
    server, clock = Server(), Clock()
    only = elector(server, clock, "only")
    running = asyncio.create_task(only.run())
    await leads(only)
    running.cancel()
    assert server.lease is not None
    server._store(server.lease["metadata"], server.lease["spec"] | {"renewTime": "later"})  # its answer never came
    await only.release()
    assert server.lease["spec"]["holderIdentity"] == ""


async def test_a_candidate_that_comes_too_late_stands_by() -> None:
    server, clock = Server(), Clock()
    first, second = elector(server, clock, "first"), elector(server, clock, "second")
    tasks = [asyncio.create_task(candidate.run()) for candidate in (first, second)]
    await asyncio.wait_for(
        asyncio.wait([asyncio.create_task(c.leading.wait()) for c in (first, second)], return_when="FIRST_COMPLETED"), 20
    )
    await turns(server, *tasks)
    assert [first.may_write(), second.may_write()].count(True) == 1
    for task in tasks:
        task.cancel()


def test_a_process_is_a_candidate_of_its_own_even_in_the_same_pod() -> None:
    one, two = identity("pod"), identity("pod")
    assert one != two and one.startswith("pod_")


async def test_a_lease_of_odd_content_is_waited_for_as_any_other() -> None:
    server, clock = Server(), Clock()
    spec: dict[str, Any] = {"holderIdentity": "someone"}
    server._store({}, spec)
    candidate = elector(server, clock, "me")
    running = asyncio.create_task(candidate.run())
    await turns(server, running)
    assert not candidate.leading.is_set()
    clock.now += DURATION
    await leads(candidate)
    running.cancel()
