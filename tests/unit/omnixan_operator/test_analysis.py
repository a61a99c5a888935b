"""The analyzer's client against a server on a real Unix socket that can be slow, gone or wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from omnixan.edge_network.api.quantumjob import Analysis, Failure
from omnixan_operator.analysis import FAILED_ANSWERS, PER_TENANT, Analyzer, AnalyzerUnavailableError, parse_answer
from omnixan_operator.decide.joblife import NotYet
from omnixan_operator.keys import Key
from omnixan_operator.metrics import Metrics
from omnixan_operator.reasons import Reason

TWO = {"analysis": {"qubits": 2, "depth": 1, "twoQubitGates": 0, "gates": {}}}
KILLED = {"error": {"category": "PAYLOAD_REJECTED", "reason": "ParserKilled", "message": "5 s"}}
CRASHED = {"error": {"category": "BACKEND_ERROR", "reason": "ParserFailed", "message": "status 139"}}
BAD = {"error": {"category": "INVALID_PROGRAM", "reason": "SyntaxError", "message": "line 1", "line": 1}}


class Server:
    """Speaks the protocol; `answer` says what to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []
        self.now = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer: Callable[[str], Any] = lambda text: TWO
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = json.loads(await reader.readexactly(int.from_bytes(await reader.readexactly(4))))
                self.asked.append(request["data"])
                self.now += 1
                self.most = max(self.most, self.now)
                await self.gate.wait()
                self.now -= 1
                answer = self.answer(request["data"])
                if answer is None:
                    break
                frame = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                writer.write(len(frame).to_bytes(4) + frame)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    running = Server(tmp_path / "s")
    await running.start()
    yield running
    running.gate.set()
    await running.stop()


class Client:
    """The analyzer's client, and the keys that it woke."""

    def __init__(self, path: Path) -> None:
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        self.analyzer = Analyzer(str(path), self.woken.put_nowait, Metrics(), time.monotonic)

    def ask(self, text: str, name: str = "job", tenant: str = "t") -> Any:
        return self.analyzer.ask(f"digest of {text}", text, Key("QuantumJob", tenant, name))

    async def wake(self) -> Key:
        return await asyncio.wait_for(self.woken.get(), 10)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    own = Client(server.path)
    yield own
    await own.analyzer.close()


async def test_an_answer_wakes_the_key_and_is_remembered(client: Client, server: Server) -> None:
    first = client.ask("p")
    assert isinstance(first, NotYet) and first.reason is Reason.ANALYZING
    assert await client.wake() == Key("QuantumJob", "t", "job")
    found = client.ask("p")
    assert isinstance(found, Analysis) and found.qubits == 2
    assert server.asked == ["p"]


async def test_equal_programs_are_asked_once_and_wake_all(client: Client, server: Server) -> None:
    server.gate.clear()
    client.ask("p", "one"), client.ask("p", "two")
    server.gate.set()
    assert {(await client.wake()).name, (await client.wake()).name} == {"one", "two"}
    assert server.asked == ["p"]


async def test_a_refusal_is_an_answer(client: Client, server: Server) -> None:
    server.answer = lambda text: BAD
    client.ask("p")
    await client.wake()
    found = client.ask("p")
    assert isinstance(found, Failure) and (found.reason, found.line) == ("SyntaxError", 1)


async def test_a_missing_analyzer_is_said_and_asked_again(tmp_path: Path) -> None:
    client, server = Client(tmp_path / "s"), Server(tmp_path / "s")
    assert isinstance(client.ask("p"), NotYet)
    await client.wake()
    found = client.ask("p")
    assert isinstance(found, NotYet) and found.reason is Reason.ANALYZER_UNAVAILABLE
    assert str(tmp_path / "s") in found.message
    await server.start()
    while isinstance(client.ask("p"), NotYet):
        await client.wake()
    assert isinstance(client.ask("p"), Analysis)
    await client.analyzer.close()
    await server.stop()


@pytest.mark.parametrize("nonsense", [None, b"{", b"[]", {"analysis": {}}, {"error": {"category": "NEW"}}])
async def test_nonsense_is_not_an_answer(client: Client, server: Server, nonsense: Any) -> None:
    server.answer = lambda text: nonsense
    client.ask("p")
    await client.wake()
    found = client.ask("p")
    assert isinstance(found, NotYet) and found.reason is Reason.ANALYZER_UNAVAILABLE
    server.answer = lambda text: TWO
    while isinstance(client.ask("p"), NotYet):
        await client.wake()


async def test_one_tenants_slow_programs_leave_room_for_others(client: Client, server: Server) -> None:
    server.gate.clear()
    for number in range(6):
        client.ask(f"slow {number}", f"slow-{number}", "greedy")
    await _until(lambda: server.now == PER_TENANT)
    client.ask("quick", "quick", "modest")
    await _until(lambda: "quick" in server.asked)
    assert server.most == PER_TENANT + 1
    server.gate.set()
    assert {(await client.wake()).name for _ in range(7)} == {"quick", *(f"slow-{n}" for n in range(6))}


async def test_a_failure_of_the_analyzer_is_asked_again_but_not_for_ever(
    client: Client, server: Server, monkeypatch: Any
) -> None:
    monkeypatch.setattr("omnixan_operator.analysis.FIRST_RETRY", 0.001)
    server.answer = lambda text: CRASHED if len(server.asked) < 3 else TWO
    assert isinstance(client.ask("p"), NotYet)
    await client.wake()
    found = client.ask("p")
    assert isinstance(found, NotYet) and found.reason is Reason.ANALYZER_UNAVAILABLE and "ParserFailed" in found.message
    while isinstance(found := client.ask("p"), NotYet):
        await client.wake()
    assert isinstance(found, Analysis)
    server.answer = lambda text: CRASHED
    while isinstance(found := client.ask("crasher"), NotYet):
        await client.wake()
    assert isinstance(found, Failure) and found.reason == "ParserFailed"
    assert server.asked.count("crasher") == FAILED_ANSWERS


async def test_connections_are_used_again(client: Client, server: Server) -> None:
    for number in range(3):
        client.ask(f"p{number}")
        await client.wake()
    assert len(client.analyzer._idle) == 1


async def test_a_killed_parser_is_not_remembered_for_long(client: Client, server: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr("omnixan_operator.analysis.FORGET_AFTER", 0.0)
    server.answer = lambda text: KILLED
    client.ask("p")
    await client.wake()
    await _until(lambda: isinstance(client.ask("p"), NotYet))


def test_an_answer_must_be_one() -> None:
    assert isinstance(parse_answer(json.dumps(TWO).encode()), Analysis)
    with pytest.raises(AnalyzerUnavailableError, match="cannot be understood"):
        parse_answer(b"no")


async def _until(holds: Callable[[], bool], pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0.005)) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await pause()
