"""An agent that starts knows its EdgeNode from its memory; what is written goes over what the API server says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from omnixan.edge_network.agent.conditions import Report, desired_status
from omnixan.edge_network.agent.memory import Memory
from omnixan.edge_network.agent.settings import from_environment
from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.agent.twin import Twin
from tests.unit.agent.loopback import served

THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
SETTINGS = from_environment(
    {"NODE_NAME": "n", "POD_NAMESPACE": "ns", "POD_NAME": "p", "POOL": "gw", "CLUSTER": "ec", "QUBITS": "8"}
)


def node(version: int, ready: bool, time: str) -> dict[str, Any]:
    metadata = {"name": "n", "namespace": "ns", "uid": "u", "generation": 1, "resourceVersion": str(version)}
    bare = {"apiVersion": "edge.omnixan.io/v1alpha1", "kind": "EdgeNode", "metadata": metadata}
    report = Report("1", "simulator", 8, ready, "WorkerWarm" if ready else "ShuttingDown", "")
    return bare | {"status": desired_status(report, bare, time)}


async def test_a_condition_does_not_go_back_to_a_time_before_its_last_turn(tmp_path: Path) -> None:
    """Remembered: AgentReady since THEN. Meanwhile another life of the agent, without a memory, said False at NOW."""
    asked, answers, written = asyncio.Event(), asyncio.Event(), asyncio.Queue[dict[str, Any]]()
    live = node(9, False, NOW)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            body = await request.json()
            if "status" in body:
                written.put_nowait(body["status"])
            return web.json_response(live)
        asked.set()
        await answers.wait()
        if "watch" in request.query:
            await asyncio.Event().wait()
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": [live]})

    storage = Storage(str(tmp_path), "auto", 1 << 20)
    await storage.open()
    memory = Memory(storage, 300.0)
    memory.put_twin(node(3, True, THEN))
    async with served(answer) as api:
        twin = Twin(api, SETTINGS, "1", memory)
        await twin.restore()
        assert twin.node is not None  # heartbeats and events need no answer of the API server
        twin.say(True, "WorkerWarm", "the quantum worker is warm")
        running = asyncio.create_task(twin.run())
        await asyncio.wait_for(asked.wait(), 10)
        await twin.publish_now()
        assert written.empty()
        answers.set()
        status = await asyncio.wait_for(written.get(), 10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await storage.close()
    [condition] = status["conditions"]
    assert condition["status"] == "True" and condition["lastTransitionTime"] > NOW
