"""The client against a real HTTP server on loopback that says what an API server says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from omnixan.edge_network.agent import apiserver
from omnixan.edge_network.agent.apiserver import RUNS, ApiServer, RefusedError, UnreachableError
from omnixan.edge_network.agent.credentials import Credentials, TokenFile, find
from tests.unit.agent.loopback import served
from tests.unit.authorities import made, secured


async def test_a_list_of_several_pages_is_whole():
    async def answer(request: web.Request) -> web.Response:
        assert request.query["fieldSelector"] == "spec.nodeName=n"
        if request.query.get("continue") != "more":
            return web.json_response({"metadata": {"continue": "more"}, "items": [{"n": 1}]})
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": [{"n": 2}]})

    async with served(answer) as api:
        pages = [page async for page in api.pages(RUNS, "ns", "spec.nodeName=n")]
        assert [(page.items, page.resource_version) for page in pages] == [([{"n": 1}], ""), ([{"n": 2}], "7")]
        assert api.answered


async def test_watch_events_may_be_long_and_cut_anywhere():
    events = [{"type": "ADDED", "object": {"data": "x" * 400_000}}, {"type": "BOOKMARK", "object": {}}]
    data = "".join(json.dumps(event) + "\n" for event in events).encode()

    async def stream(request: web.Request) -> web.StreamResponse:
        assert request.query["watch"] == "1" and request.query["allowWatchBookmarks"] == "true"
        assert request.query["resourceVersion"] == "7"
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(data), 99_991):
            await response.write(data[start : start + 99_991])
        return response

    async with served(stream) as api:
        assert [event async for event in api.watch(RUNS, "ns", "", "7")] == events


async def test_a_silent_watch_counts_as_broken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apiserver, "SILENCE_SECONDS", 0.2)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type": "BOOKMARK", "object": {}}\n')
        await asyncio.Event().wait()
        return response

    async with served(silent) as api:
        for _ in range(20):  # on a machine that stands still for a moment nothing at all may come in time
            seen = []
            with pytest.raises(UnreachableError, match="quantumruns"):
                async for event in api.watch(RUNS, "ns", "", "7"):
                    seen.append(event)
            if seen:
                break
        assert len(seen) == 1


async def test_an_answer_that_does_not_come_counts_as_unreachable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apiserver, "REQUEST_SECONDS", 0.2)

    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with served(late) as api:
        with pytest.raises(UnreachableError, match="no answer in time"):
            await api.get(RUNS, "ns", "x")
        assert not api.answered


async def test_nobody_there_counts_as_unreachable():
    async with ApiServer(Credentials("http://127.0.0.1:9", None, None)) as api:
        with pytest.raises(UnreachableError, match="GET"):
            await api.get(RUNS, "ns", "x")


async def test_a_refusal_carries_status_reason_and_message():
    async def refuse(_: web.Request) -> web.Response:
        status = {"kind": "Status", "reason": "Invalid", "message": "a run that is over stays as it ended"}
        return web.json_response(status, status=422)

    async with served(refuse) as api:
        with pytest.raises(RefusedError, match="stays as it ended") as caught:
            await api.replace_status(RUNS, "ns", "x", "uid", {})
        assert (caught.value.status, caught.value.reason) == (422, "Invalid")


@pytest.mark.parametrize("body", ["gateway says no", "[1]", ""])
async def test_a_refusal_by_something_else_than_an_api_server_is_one_too(body: str):
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(text=body, status=503)

    async with served(refuse) as api:
        with pytest.raises(RefusedError) as caught:
            await api.get(RUNS, "ns", "x")
        assert caught.value.status == 503


async def test_after_a_401_the_token_is_read_again_and_the_request_repeated(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("old")

    async def expects_new(request: web.Request) -> web.Response:
        if request.headers["Authorization"] == "Bearer new":
            return web.json_response({"ok": True})
        file.write_text("new")  # the kubelet has rotated it
        return web.json_response({"reason": "Unauthorized"}, status=401)

    async with served(expects_new, TokenFile(file)) as api:
        assert await api.get(RUNS, "ns", "x") == {"ok": True}


async def test_a_token_that_stays_refused_is_tried_once_more_only(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("old")
    requests = []

    async def never(request: web.Request) -> web.Response:
        requests.append(request)
        return web.json_response({"reason": "Unauthorized"}, status=401)

    async with served(never, TokenFile(file)) as api:
        with pytest.raises(RefusedError):
            await api.get(RUNS, "ns", "x")
    assert len(requests) == 2


async def test_a_watch_that_is_refused_with_an_old_token_begins_again_with_the_new_one(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("old")

    async def expects_new(request: web.Request) -> web.Response:
        if request.headers["Authorization"] == "Bearer new":
            return web.Response(text='{"type": "BOOKMARK"}\n')
        file.write_text("new")
        return web.json_response({"reason": "Unauthorized"}, status=401)

    async with served(expects_new, TokenFile(file)) as api:
        assert [event async for event in api.watch(RUNS, "ns", "", "7")] == [{"type": "BOOKMARK"}]


async def test_a_watch_whose_token_stays_refused_says_so(tmp_path: Path):
    (tmp_path / "token").write_text("old")

    async def never(_: web.Request) -> web.Response:
        return web.json_response({"reason": "Unauthorized"}, status=401)

    async with served(never, TokenFile(tmp_path / "token")) as api:
        with pytest.raises(RefusedError) as caught:
            async for _ in api.watch(RUNS, "ns", "", "7"):
                pass
        assert caught.value.status == 401


async def test_a_new_authority_is_trusted_once_its_file_is_there(tmp_path: Path):
    before, after, pod = made(tmp_path, "before"), made(tmp_path, "after"), tmp_path / "serviceaccount"
    pod.mkdir()
    (pod / "token").write_text("t")
    shutil.copy(before / "ca.crt", pod)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({})

    async with contextlib.AsyncExitStack() as stack:
        async with secured(answer, before) as port:
            access = find({"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}, pod)
            api = await stack.enter_async_context(ApiServer(access))
            await api.get(RUNS, "ns", "x")
        await stack.enter_async_context(secured(answer, after, port))
        with pytest.raises(UnreachableError, match="Certificate"):
            await api.get(RUNS, "ns", "x")
        shutil.copy(after / "ca.crt", pod)
        with pytest.raises(UnreachableError, match="Certificate"):
            await api.get(RUNS, "ns", "x")
        assert await api.get(RUNS, "ns", "x") == {}


async def test_a_status_is_replaced_whole_and_only_of_the_object_with_that_uid():
    seen: dict[str, Any] = {}

    async def take(request: web.Request) -> web.Response:
        seen.update(path=request.path, query=dict(request.query), type=request.content_type, body=await request.json())
        return web.json_response({})

    async with served(take) as api:
        await api.replace_status(RUNS, "ns", "x-1", "the-uid", {"state": "Running"})
    assert seen == {
        "path": "/apis/edge.omnixan.io/v1alpha1/namespaces/ns/quantumruns/x-1/status",
        "query": {"fieldManager": "omnixan-agent"},
        "type": "application/json-patch+json",
        "body": [
            {"op": "test", "path": "/metadata/uid", "value": "the-uid"},
            {"op": "add", "path": "/status", "value": {"state": "Running"}},
        ],
    }
