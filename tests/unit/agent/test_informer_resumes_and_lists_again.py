"""The informer against a server that breaks, expires and falls over."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from omnixan.edge_network.agent import informer
from omnixan.edge_network.agent.apiserver import RUNS, ApiServer
from omnixan.edge_network.agent.informer import follow
from tests.unit.agent.loopback import served


def item(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}}


class Script:
    """Lists and watches in the order they are to be answered; keeps what was asked."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        watching = "watch" in request.query
        self.asked.append(f"watch {request.query['resourceVersion']}" if watching else "list")
        kind, content = self._answers.pop(0)
        assert kind == ("watch" if watching else "list"), self.asked
        if isinstance(content, int):
            return web.json_response({"code": content, "message": "as the script says"}, status=content)
        if not watching:
            version, items = content
            return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": items})
        response = web.StreamResponse()
        await response.prepare(request)
        for event in content:
            if event == "break":
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(json.dumps(event).encode() + b"\n")
        return response


async def changes(api: ApiServer, number: int) -> list[str]:
    seen: list[str] = []
    async with aclosing(follow(api, RUNS, "ns", "")) as source:
        async for change in source:
            seen.append(f"{change.type} {change.object['metadata']['name']}" if change.object else change.type)
            if len(seen) == number:
                return seen
    raise AssertionError(seen)


def event(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": item(name, version)}


async def test_a_broken_watch_goes_on_where_it_was():
    script = Script(
        ("list", (5, [item("a", 3)])),
        ("watch", [event("ADDED", "b", 7), {"type": "BOOKMARK", "object": item("", 9)}, "break"]),
        ("watch", [event("DELETED", "a", 11)]),
    )
    async with served(script.answer) as api:
        assert await changes(api, 4) == ["ADDED a", "SYNC", "ADDED b", "DELETED a"]
    assert script.asked == ["list", "watch 5", "watch 9"]


@pytest.mark.parametrize(
    "expired", [410, 504, [{"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}]]
)
async def test_an_expired_watch_begins_with_a_list_that_tells_what_was_missed(expired: Any):
    script = Script(
        ("list", (5, [item("a", 3), item("b", 4)])),
        ("watch", expired),
        ("list", (20, [item("b", 12), item("c", 13)])),
        ("watch", [event("MODIFIED", "c", 21)]),
    )
    async with served(script.answer) as api:
        seen = await changes(api, 8)
    assert seen == ["ADDED a", "ADDED b", "SYNC", "MODIFIED b", "ADDED c", "DELETED a", "SYNC", "MODIFIED c"]
    assert script.asked == ["list", "watch 5", "list", "watch 20"]


async def test_a_server_that_fails_is_asked_again_until_it_answers():
    script = Script(("list", 500), ("list", 403), ("list", (5, [])), ("watch", 503), ("watch", [event("ADDED", "a", 6)]))
    async with served(script.answer) as api:
        assert await changes(api, 2) == ["SYNC", "ADDED a"]
    assert script.asked == ["list", "list", "list", "watch 5", "watch 5"]


async def test_now_and_then_there_is_a_list_whatever_the_watch_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(informer, "RELIST_SECONDS", 0.0)
    script = Script(("list", (5, [])), ("watch", []), ("list", (9, [item("missed", 8)])), ("watch", []))
    async with served(script.answer) as api:
        assert await changes(api, 3) == ["SYNC", "ADDED missed", "SYNC"]
