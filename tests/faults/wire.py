"""In-memory connections to the fake API server and to a fake program analyzer.

The clients are aiohttp's own protocols, as kopf and the `kubernetes` client make them; only the transport below is ours.
The server's side parses HTTP/1.1 by itself, so that a connection can break between any two bytes. What happens to a
request or an event is decided by the weather.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.faults.apiserver.requests import Refusal, Request, Watch
from tests.faults.apiserver.resources import Object
from tests.faults.apiserver.server import ApiServer
from tests.faults.virtualtime import VirtualLoop
from tests.faults.weather import Fate, Weather

LATENCY = 0.001
BOOKMARK_SECONDS = 60.0


class _Socket:
    """What aiohttp asks a socket."""

    def setsockopt(self, *_: Any) -> None:
        return

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 443

    family = 2
    type = 1
    proto = 6


class Pipe(asyncio.Transport):
    """The client's transport: what it writes goes to `deliver`, in order, a little later."""

    def __init__(self, network: MemoryNetwork, client: str, protocol: Any, deliver: Callable[[bytes], None]) -> None:
        super().__init__({"socket": _Socket(), "peername": ("127.0.0.1", 443), "sockname": ("127.0.0.1", 1)})
        self._network = network
        self._loop = network.loop
        self.client = client
        self.protocol = protocol
        self._deliver = deliver
        self.number = network.loop.next_number()
        self.closed = False
        self._reading = True
        self._held: list[bytes] = []
        self.doomed = False
        """Whether bytes were lost while the client was cut off: no TCP connection goes on after that."""
        self.on_close: Callable[[], None] = lambda: None
        network.pipes.setdefault(client, set()).add(self)

    def write(self, data: Any) -> None:
        if self.closed:
            return
        if self._network.is_cut(self.client):
            self.doomed = True
        else:
            self._deliver(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def receive(self, data: bytes) -> None:
        """Bytes from the server, now."""
        if self.closed:
            return
        if self._network.is_cut(self.client):
            self.doomed = True
            return
        if not self._reading:
            self._held.append(data)
            return
        self.protocol.data_received(data)

    def close(self) -> None:
        self.lose(None)

    def abort(self) -> None:
        self.lose(None)

    def lose(self, error: Exception | None) -> None:
        """The connection is no more; the other side learns nothing of why."""
        if self.closed:
            return
        self.closed = True
        self._network.pipes[self.client].discard(self)
        self.on_close()
        self._loop.call_soon(self.protocol.connection_lost, error)

    def is_closing(self) -> bool:
        return self.closed

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        held, self._held = self._held, []
        for data in held:
            self.receive(data)

    def is_reading(self) -> bool:
        return self._reading

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return


class MemoryNetwork:
    """All connections. A client that is cut off gets no byte through, in either direction, and is told nothing."""

    def __init__(self, loop: VirtualLoop, api: ApiServer, weather: Weather) -> None:
        self.loop = loop
        self.api = api
        self.weather = weather
        self._cut: set[str] = set()
        self.pipes: dict[str, set[Pipe]] = {}
        """Open connections by client."""
        self.requests: list[tuple[float, str, Request]] = []
        """Time, client and request of all that reached the server; cleared by who reads it."""
        self.must_list_again: set[tuple[str, str]] = set()
        """Clients and kinds whose watch has lost an event: their next watch is answered 410."""
        self.on_answer: Callable[[str, Request, int, Object], None] = lambda *_: None
        """Called when an answer has reached its client."""
        self.on_event: Callable[[str, Object], None] = lambda *_: None
        """Called when a watch event has reached its client."""
        self.analyze: Callable[[Object], Object] = lambda question: {}

    def is_cut(self, client: str) -> bool:
        return client in self._cut or self.loop.frozen(client)

    def cut(self, client: str) -> None:
        self._cut.add(client)

    def heal(self, client: str) -> None:
        """Bytes pass again; connections on which some were lost are reset."""
        self._cut.discard(client)
        for pipe in sorted(self.pipes.get(client, ()), key=lambda pipe: pipe.number):
            if pipe.doomed:
                pipe.lose(ConnectionResetError(104, "Connection reset by peer"))

    async def connect(self, client: str, factory: Callable[[], asyncio.Protocol]) -> tuple[Any, Any]:
        await self._reach(client, self.weather.connection_fails(client))
        protocol = factory()
        server = HttpConnection(self, client)
        pipe = Pipe(self, client, protocol, server.feed)
        server.pipe = pipe
        pipe.on_close = server.lost
        protocol.connection_made(pipe)
        return pipe, protocol

    async def connect_unix(self, client: str, factory: Callable[[], asyncio.Protocol]) -> tuple[Any, Any]:
        await self._reach("", self.weather.analyzer_fails(client))
        protocol = factory()
        analyzer = _AnalyzerConnection(self)
        pipe = Pipe(self, client, protocol, analyzer.feed)
        analyzer.pipe = pipe
        protocol.connection_made(pipe)
        return pipe, protocol

    async def _reach(self, client: str, fails: bool) -> None:
        await asyncio.sleep(LATENCY)
        while self.is_cut(client):  # noqa: ASYNC110 (time is virtual)
            await asyncio.sleep(1.0)  # SYN packets vanish; the client has a timeout of its own
        if fails:
            raise ConnectionRefusedError(111, "Connection refused")


class _AnalyzerConnection:
    """4-byte big-endian length, then JSON, both ways."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._buffer = b""
        self.pipe: Pipe | None = None

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4 and len(self._buffer) >= 4 + (size := int.from_bytes(self._buffer[:4])):
            question, self._buffer = json.loads(self._buffer[4 : 4 + size]), self._buffer[4 + size :]
            answer = json.dumps(self._network.analyze(question)).encode()
            assert self.pipe is not None
            delay = self._network.weather.analyzer_seconds()
            self._network.loop.call_later(delay, self.pipe.receive, len(answer).to_bytes(4) + answer)


class HttpConnection:
    """The server's side of one connection: one request after the other, each with its fate."""

    def __init__(self, network: MemoryNetwork, client: str) -> None:
        self._network = network
        self._loop = network.loop
        self._client = client
        self._buffer = b""
        self._stream: _Stream | None = None
        self.pipe: Pipe | None = None

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._parse()) is not None:
            fate = self._network.weather.fate(self._loop.now, request)
            latency = self._network.weather.latency(f"{request.client} {request.method} {request.path}")
            self._loop.call_later(latency + fate.delay, self._arrive, request, fate)

    def _parse(self) -> Request | None:
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", 0))
        if len(rest) < size:
            return None
        self._buffer = rest[size:]
        method, target, _ = first.split(" ")
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        body = json.loads(rest[:size]) if size else None
        kind, accept = headers.get("content-type", ""), headers.get("accept", "")
        return Request(method, unquote(url.path), query, body, kind, accept, self._client, self._loop.now)

    def _arrive(self, request: Request, fate: Fate) -> None:
        network = self._network
        assert self.pipe is not None
        if self.pipe.closed or fate.vanishes:
            return
        if network.is_cut(self._client):
            self.pipe.doomed = True
            return
        if fate.breaks_before:
            self.pipe.lose(ConnectionResetError(104, "Connection reset by peer"))
            return
        network.requests.append((self._loop.now, self._client, request))
        if fate.code:
            self._answer(request, fate, fate.code, fate.refusal())
        elif request.watches:
            self._open(request, fate)
        else:
            self._answer(request, fate, *network.api.handle(request))

    def _answer(self, request: Request, fate: Fate, code: int, body: Object) -> None:
        assert self.pipe is not None
        if fate.breaks_after:
            self._loop.call_later(LATENCY, self.pipe.lose, ConnectionResetError(104, "Connection reset by peer"))
            return
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {code} {_PHRASES.get(code, 'OK')}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(data)}\r\n"
        if fate.retry_after:
            head += f"Retry-After: {fate.retry_after}\r\n"
        self._loop.call_later(LATENCY + fate.delay_after, self._deliver, request, code, body, head.encode() + b"\r\n" + data)

    def _deliver(self, request: Request, code: int, body: Object, data: bytes) -> None:
        assert self.pipe is not None
        if self.pipe.closed or self._network.is_cut(self._client):
            self.pipe.doomed = True
            return
        self._network.on_answer(self._client, request, code, body)
        self.pipe.receive(data)

    def _open(self, request: Request, fate: Fate) -> None:
        try:
            watch = self._network.api.watch(request)
        except Refusal as refusal:
            self._answer(request, fate, refusal.code, refusal.body)
            return
        assert self.pipe is not None
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.pipe.receive(head)
        mark = (self._client, watch.place.resource.kind)
        if mark in self._network.must_list_again:
            self._network.must_list_again.discard(mark)
            watch.pending.clear()
            watch.pending.append({"type": "ERROR", "object": Refusal(410, "Expired", "too old resource version").body})
        self._stream = _Stream(self._network, self.pipe, watch, float(request.query.get("timeoutSeconds") or 1800))

    def lost(self) -> None:
        """The client closed the connection, or it broke."""
        if self._stream is not None:
            self._stream.end()


class _Stream:
    """Writes a watch's events to its client, as late and as badly as the weather has it."""

    def __init__(self, network: MemoryNetwork, pipe: Pipe, watch: Watch, seconds: float) -> None:
        self._network = network
        self._loop = network.loop
        self._pipe = pipe
        self._watch = watch
        self._scheduled = False
        self._ended = False
        self._name = f"{pipe.client} {watch.place.resource.kind}"
        watch.wake = self._wake
        self._timers = [network.loop.call_later(seconds, self._time_out)]
        if watch.bookmarks:
            self._timers.append(network.loop.call_later(BOOKMARK_SECONDS, self._bookmark))
        self._wake()

    def _wake(self) -> None:
        if not self._scheduled and self._watch.pending and not self._ended:
            self._scheduled = True
            delay = self._network.weather.latency(self._name) + self._network.weather.watch_lag(self._name)
            self._timers.append(self._loop.call_later(delay, self._flush))

    def _flush(self) -> None:
        self._scheduled = False
        if self._ended or self._pipe.closed:
            return
        mood = self._network.weather.watch_mood(self._name)
        pending = self._watch.pending
        events = [pending.popleft() for _ in range(len(pending))]
        if mood == "reorder":
            self._network.weather.shuffle(self._name, events)
        for event in events:
            if mood == "drop" and event["type"] != "ERROR":
                self._network.must_list_again.add((self._pipe.client, self._watch.place.resource.kind))
                self._timers.append(self._loop.call_later(self._network.weather.until_noticed(self._name), self._break))
                mood = ""
                continue
            if mood == "cut":
                self._break()
                return
            self._send(event)
            if mood == "duplicate":
                self._send(event)
        self._wake()

    def _send(self, event: Object) -> None:
        line = json.dumps(event).encode() + b"\n"
        if self._network.is_cut(self._pipe.client):
            self._pipe.doomed = True
            return
        if event["type"] not in ("BOOKMARK", "ERROR"):
            self._network.on_event(self._pipe.client, event)
        self._pipe.receive(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        if event["type"] == "ERROR":
            self._time_out()

    def _bookmark(self) -> None:
        self._timers = [timer for timer in self._timers if not timer.cancelled() and timer.when() > self._loop.now]
        self._timers.append(self._loop.call_later(BOOKMARK_SECONDS, self._bookmark))
        if not self._watch.pending:
            resource = self._watch.place.resource
            metadata = {"resourceVersion": str(self._network.api.version)}
            obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
            self._send({"type": "BOOKMARK", "object": obj})

    def _time_out(self) -> None:
        if not self._ended:
            self._pipe.receive(b"0\r\n\r\n")
            self.end()

    def _break(self) -> None:
        if not self._ended:
            self._pipe.lose(ConnectionResetError(104, "Connection reset by peer"))

    def end(self) -> None:
        self._ended = True
        self._network.api.unwatch(self._watch)
        for timer in self._timers:
            timer.cancel()


_PHRASES = {201: "Created", 404: "Not Found", 409: "Conflict", 410: "Gone", 429: "Too Many Requests"}
