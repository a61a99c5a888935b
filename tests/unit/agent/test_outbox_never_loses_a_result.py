"""The outbox against a server that refuses, forgets and fails."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from omnixan.edge_network.agent import outbox as module
from omnixan.edge_network.agent.memory import Letter, Memory
from omnixan.edge_network.agent.outbox import Outbox
from omnixan.edge_network.agent.storage import Storage
from tests.unit.agent.loopback import served

DONE = {"state": "Succeeded", "result": {"counts": {"0": 1}}}


class Server:
    """Runs by name, and refusals by name that are given before a status is taken."""

    def __init__(self, *names: str) -> None:
        self.runs: dict[str, dict[str, Any]] = {name: {"metadata": {"uid": f"uid-{name}"}} for name in names}
        self.refusals: dict[str, list[int]] = {}
        self.order: list[str] = []
        self.took = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        name = request.path.removesuffix("/status").rsplit("/", 1)[1]
        run = self.runs.get(name)
        if run is None:
            return web.json_response({"reason": "NotFound", "message": "not found"}, status=404)
        if request.method == "GET":
            return web.json_response(run)
        if self.refusals.get(name):
            code = self.refusals[name].pop(0)
            return web.json_response({"reason": "Refused", "message": "as the test says"}, status=code)
        test, add = await request.json()
        if test["value"] != run["metadata"]["uid"]:
            return web.json_response({"reason": "Invalid", "message": "test failed"}, status=422)
        run["status"] = add["value"]
        self.order.append(name)
        self.took.set()
        return web.json_response(run)


def memory(path: Path | None = None) -> tuple[Storage, Memory]:
    """An agent's memory, or none."""
    storage = Storage(None if path is None else str(path), "auto", "1Mi")
    return storage, Memory(storage, 300)


async def deliver(server: Server, *letters: tuple[str, str]) -> Outbox:
    """Send a result for each (name, uid) and wait until nothing is left to send."""
    async with served(server.answer) as api:
        outbox = Outbox(api, "ns", memory()[1])
        for name, uid in letters:
            await outbox.put(name, uid, DONE)
        task = asyncio.create_task(outbox.run())
        async with asyncio.timeout(20):
            await outbox.empty()
        task.cancel()
        return outbox


async def test_results_arrive_in_order():
    server = Server("a", "b", "c")
    await deliver(server, ("a", "uid-a"), ("b", "uid-b"), ("c", "uid-c"))
    assert server.order == ["a", "b", "c"]
    assert all(run["status"] == DONE for run in server.runs.values())


@pytest.mark.parametrize("code", [401, 403, 409, 429, 500, 503])
async def test_a_refusal_that_may_pass_is_outlasted_and_does_not_hold_up_the_others(code: int):
    server = Server("a", "b")
    server.refusals["a"] = [code, code, code]
    await deliver(server, ("a", "uid-a"), ("b", "uid-b"))
    assert server.order == ["b", "a"]
    assert server.runs["a"]["status"] == DONE


async def test_a_result_for_a_run_that_is_gone_or_another_is_dropped():
    server = Server("again")
    await deliver(server, ("gone", "uid-gone"), ("again", "uid-of-the-deleted-one"))
    assert server.order == [] and "status" not in server.runs["again"]


async def test_a_run_that_is_over_stays_as_it_ended():
    server = Server("a")
    server.runs["a"]["status"] = {"state": "Failed"}
    server.refusals["a"] = [422]
    await deliver(server, ("a", "uid-a"))
    assert server.runs["a"]["status"] == {"state": "Failed"}


@pytest.mark.parametrize(("code", "category"), [(413, "RESULT_TOO_LARGE"), (422, "BACKEND_ERROR")])
async def test_a_result_that_is_refused_for_good_ends_as_a_failure(code: int, category: str):
    server = Server("a")
    server.refusals["a"] = [code]
    await deliver(server, ("a", "uid-a"))
    assert server.runs["a"]["status"]["error"]["category"] == category


async def test_even_a_failure_that_is_refused_does_not_stay_for_ever():
    server = Server("a", "b")
    server.refusals["a"] = [422, 422]
    await deliver(server, ("a", "uid-a"), ("b", "uid-b"))
    assert "status" not in server.runs["a"] and server.runs["b"]["status"] == DONE


async def test_while_too_much_is_unsent_there_is_no_room_for_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    async with served(Server().answer) as api:
        outbox = Outbox(api, "ns", memory()[1])
        await outbox.room()
        await outbox.put("a", "uid-a", DONE)
        waiting = asyncio.create_task(outbox.room())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        await outbox.drop("uid-a")
        await asyncio.wait_for(waiting, 60)
        assert len(outbox) == 0


async def test_what_was_not_sent_is_sent_by_the_next_agent_and_forgotten_when_it_arrived(tmp_path: Path):
    server = Server("a", "b", "c")
    server.refusals["a"] = [503] * 1000
    storage, kept = memory(tmp_path)
    assert await storage.open()
    async with served(server.answer) as api:
        outbox = Outbox(api, "ns", kept)
        for name in ("a", "b", "c"):
            await outbox.put(name, f"uid-{name}", DONE)
        await outbox.drop("uid-c")
        task = asyncio.create_task(outbox.run())
        async with asyncio.timeout(20):
            await server.took.wait()
            while len(outbox) > 1:  # noqa: ASYNC110 (until the answer reaches the outbox, which tells only when it is empty)
                await asyncio.sleep(0.001)
        task.cancel()
    await storage.close()
    storage, kept = memory(tmp_path)
    assert await storage.open()
    assert await kept.letters() == [Letter("uid-a", "a", DONE)]
    server.refusals.clear()
    async with served(server.answer) as api:
        outbox = Outbox(api, "ns", kept)
        for letter in await kept.letters():
            await outbox.restore(letter)
            await outbox.restore(letter)  # a memory that is opened twice
        assert len(outbox) == 1
        task = asyncio.create_task(outbox.run())
        async with asyncio.timeout(20):
            await outbox.empty()
        task.cancel()
    assert server.order == ["b", "a"]
    assert await kept.letters() == []
    await storage.close()


async def test_a_result_is_durable_before_it_is_sent(tmp_path: Path):
    storage, kept = memory(tmp_path)
    assert await storage.open()
    found: list[list[Letter]] = []

    class Watching(Server):
        async def answer(self, request: web.Request) -> web.Response:
            found.append(await kept.letters())
            return await super().answer(request)

    async with served(Watching("a").answer) as api:
        outbox = Outbox(api, "ns", kept)
        await outbox.put("a", "uid-a", DONE)
        task = asyncio.create_task(outbox.run())
        async with asyncio.timeout(20):
            await outbox.empty()
        task.cancel()
    assert found == [[Letter("uid-a", "a", DONE)]]
    await storage.close()


async def test_a_result_that_does_not_fit_into_the_memory_is_sent_all_the_same(tmp_path: Path):
    storage, kept = memory(tmp_path)
    assert await storage.open()
    server = Server("large")
    large = {"state": "Succeeded", "result": {"counts": {"0" * 600_000: 1}}}
    async with served(server.answer) as api:
        outbox = Outbox(api, "ns", kept)
        await outbox.put("large", "uid-large", large)
        report = storage.report()
        assert report is not None and (report.ready, report.reason) == (False, "TooLarge")
        task = asyncio.create_task(outbox.run())
        async with asyncio.timeout(20):
            await outbox.empty()
        task.cancel()
    assert server.runs["large"]["status"] == large
    await storage.close()
