"""The only place of the agent that talks to the API server: a thin asynchronous client on aiohttp.

Not on `kubernetes.aio`: importing it loads the package's synchronous client and all typed models (21 MiB and 0.3 s
more than aiohttp alone in a pod that shall stay small), and its requests take three times as long. The agent needs
five verbs on four resources, with plain JSON.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.connector import AddrInfoType

from omnixan.edge_network.agent.credentials import Credentials, CredentialsError
from omnixan.edge_network.agent.version import release
from omnixan.edge_network.api.meta import API_VERSION

MANAGER = "omnixan-agent"
REQUEST_SECONDS = 10.0
SLOWEST_LINK = 16 * 1024
"""Bytes a second: a request may take REQUEST_SECONDS and what its body needs on such a link."""
PAGE = 50
"""Objects a page of a list: a run is up to 700 KiB."""
WATCH_SECONDS = 300
SILENCE_SECONDS = 100.0
"""The API server sends a bookmark a minute: a watch that is silent for longer has lost its connection."""
MAX_LINE = 8 * 1024 * 1024

Object = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """A namespaced resource: `api` is its apiVersion, `plural` its name in the path."""

    api: str
    plural: str
    kind: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the URL's path of a collection, an object or an object's subresource."""
        root = "api" if "/" not in self.api else "apis"
        parts = [root, self.api, "namespaces", namespace, self.plural, name, subresource]
        return "/" + "/".join(part for part in parts if part)


RUNS = Resource(API_VERSION, "quantumruns", "QuantumRun")
NODES = Resource(API_VERSION, "edgenodes", "EdgeNode")
LEASES = Resource("coordination.k8s.io/v1", "leases", "Lease")
EVENTS = Resource("v1", "events", "Event")


class UnreachableError(Exception):
    """No answer: the connection failed or took too long. The request may have been carried out all the same."""


class RefusedError(Exception):
    """The API server answered no. `status` is the HTTP status, `reason` Kubernetes' word, `str()` its message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Page:
    """Some objects of a list; `resource_version`, on the last page only, is where to watch from."""

    items: list[Object]
    resource_version: str


class ApiServer:
    """A client with one connection pool; use as an asynchronous context manager."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None
        self.answered = False
        """Whether the API server has ever answered with success."""

    async def __aenter__(self) -> ApiServer:
        connector = aiohttp.TCPConnector(
            ssl=self._credentials.tls if self._credentials.tls is not None else False,
            keepalive_timeout=90,
            socket_factory=_lively_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=True,
            headers={"User-Agent": f"{MANAGER}/{release()}", "Accept": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def pages(self, resource: Resource, namespace: str, field_selector: str) -> AsyncGenerator[Page]:
        """Yield all objects that a field selector chooses, in pages, as they were at one moment."""
        query = {"fieldSelector": field_selector, "limit": str(PAGE)}
        while True:
            answer = await self._request("GET", resource.path(namespace), query)
            metadata = answer.get("metadata") or {}
            more = metadata.get("continue")
            yield Page(answer.get("items") or [], "" if more else str(metadata.get("resourceVersion", "")))
            if not more:
                return
            query["continue"] = more

    async def watch(
        self, resource: Resource, namespace: str, field_selector: str, resource_version: str
    ) -> AsyncGenerator[Object]:
        """Yield watch events {type, object} after a resourceVersion until the server closes the watch.

        UnreachableError when the connection breaks or is silent for SILENCE_SECONDS; RefusedError as the server says.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "timeoutSeconds": str(int(WATCH_SECONDS * random.uniform(0.8, 1.2))),  # noqa: S311 - spread, no secret
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=SILENCE_SECONDS)
        for retry_unauthorized in (True, False):
            try:
                async with self._send("GET", resource.path(namespace), query, timeout=timeout) as response:
                    if response.status == 401 and retry_unauthorized:
                        self._credentials.forget_token()
                        continue
                    await self._check(response)
                    async for line in _lines(response):
                        yield json.loads(line)
                    return
            except (aiohttp.ClientError, CredentialsError, OSError, ValueError) as error:
                raise self._unreachable(f"watch of {resource.plural}", error) from error

    async def replace_status(
        self, resource: Resource, namespace: str, name: str, uid: str, status: Mapping[str, Any]
    ) -> None:
        """Replace the whole status of the object with this uid; its name alone may by now be another's.

        RefusedError 404 if there is no object of that name, 422 if it has another uid or a rule forbids the change.
        """
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        path = resource.path(namespace, name, "status")
        await self._request("PATCH", path, {"fieldManager": MANAGER}, patch, "application/json-patch+json")

    async def apply_status(self, resource: Resource, namespace: str, name: str, status: Mapping[str, Any]) -> Object:
        """Server-side apply of our share of a status, without force; return the object."""
        body = {"apiVersion": resource.api, "kind": resource.kind, "metadata": {"name": name}, "status": status}
        path = resource.path(namespace, name, "status")
        return await self._request("PATCH", path, {"fieldManager": MANAGER}, body, "application/apply-patch+yaml")

    async def apply(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> Object:
        """Server-side apply, with force, of an object that is ours alone: made if it is missing; return it."""
        path = resource.path(namespace, name)
        query = {"fieldManager": MANAGER, "force": "true"}
        full = {"apiVersion": resource.api, "kind": resource.kind, **body}
        return await self._request("PATCH", path, query, full, "application/apply-patch+yaml")

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return an object; RefusedError 404 if there is none."""
        return await self._request("GET", resource.path(namespace, name))

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object and return it."""
        full = {"apiVersion": resource.api, "kind": resource.kind, **body}
        return await self._request("POST", resource.path(namespace), {"fieldManager": MANAGER}, full)

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        seconds = REQUEST_SECONDS + (len(data) if data else 0) / SLOWEST_LINK
        timeout = aiohttp.ClientTimeout(total=seconds)
        for retry_unauthorized in (True, False):
            try:
                async with self._send(method, path, query or {}, data, content_type, timeout) as response:
                    await self._check(response)
                    answer: Object = await response.json()
                    self.answered = True
                    return answer
            except RefusedError as error:
                if error.status != 401 or not retry_unauthorized:
                    raise
            except (aiohttp.ClientError, CredentialsError, OSError, ValueError) as error:
                raise self._unreachable(f"{method} {path}", error) from error
        raise AssertionError("unreachable")

    def _unreachable(self, what: str, error: Exception) -> UnreachableError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            self._credentials.renew_authority()
        return UnreachableError(f"{what}: {_say(error)}")

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        data: bytes | None = None,
        content_type: str | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.client._RequestContextManager:
        assert self._session is not None, "use it as a context manager"
        headers = {"Content-Type": content_type} if data is not None and content_type else {}
        if self._credentials.token is not None:
            headers["Authorization"] = f"Bearer {self._credentials.token()}"
        url = f"{self._credentials.server}{path}" + (f"?{urlencode(query)}" if query else "")
        return self._session.request(method, url, data=data, headers=headers, timeout=timeout, allow_redirects=False)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status < 300:
            return
        if response.status == 401:
            self._credentials.forget_token()
        text = (await response.read())[:MAX_LINE].decode("utf-8", "replace")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {"message": text[:500]}
        raise RefusedError(response.status, str(answer.get("reason", "")), str(answer.get("message", "")))


def _say(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}"


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """Split a stream at newlines; aiohttp's own readline refuses lines over 128 KiB, and a run may be longer."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        start = len(rest)
        rest += chunk
        while (end := rest.find(b"\n", start)) >= 0:
            line = bytes(rest[:end])
            del rest[: end + 1]
            start = 0
            if line:
                yield line
        if len(rest) > MAX_LINE:
            raise ValueError(f"a watch event is longer than {MAX_LINE} bytes")


def _lively_socket(info: AddrInfoType) -> socket.socket:
    """Make a socket that notices in about 30 s that the other side is gone, even while nothing is sent."""
    family, kind, protocol, *_ = info
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
    return sock
