"""An agent that is told to end as something changes ends: a cancellation is not forgotten."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from omnixan.edge_network.agent.memory import Memory
from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.agent.twin import Twin
from tests.unit.agent.loopback import served
from tests.unit.agent.test_a_remembered_twin_is_not_written_over import NOW, SETTINGS, node


@pytest.mark.parametrize("turns", range(5))
async def test_a_twin_ends_whose_status_changes_so_many_turns_of_the_loop_before(
    turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    live = node(9, False, NOW)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            return web.json_response({"message": "not now"}, status=500)
        if "watch" in request.query:
            await asyncio.Event().wait()
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": [live]})

    storage = Storage(None, "auto", 0)
    async with served(answer) as api:
        twin = Twin(api, SETTINGS, "1", Memory(storage, 300.0))
        twin.say(True, "WorkerWarm", "the quantum worker is warm")
        running = asyncio.create_task(twin.run())
        async with asyncio.timeout(60):
            while "status of EdgeNode" not in caplog.text:  # noqa: ASYNC110 (a log line is no event)
                await asyncio.sleep(0.001)
        twin.say(False, "ShuttingDown", "the agent is shutting down")
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        ended, _ = await asyncio.wait([running], timeout=60)
        assert ended
    await storage.close()
