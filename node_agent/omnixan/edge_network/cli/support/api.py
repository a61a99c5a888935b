"""Reads from the API server: lists in pages, logs, metrics through its proxy. Nothing here can write."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp

from omnixan.edge_network.agent.credentials import Credentials, CredentialsError

Object = dict[str, Any]
REQUEST_SECONDS = 30.0
PAGE = 200
MAX_ANSWER = 64 * 1024 * 1024


class ReadError(Exception):
    """It could not be read; `status` is the HTTP status, 0 if there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Reader:
    """GET requests as one user; an asynchronous context manager."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._credentials.tls if self._credentials.tls is not None else False)
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def json(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """One answer. Raises ReadError."""
        try:
            found = json.loads(await self.text(path, query))
        except ValueError as error:
            raise ReadError(0, f"the answer is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise ReadError(0, "the answer is no object")
        return found

    async def items(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[Object]:
        """All objects of a list, fetched in pages."""
        more = ""
        while True:
            asked = {**(query or {}), "limit": str(PAGE)} | ({"continue": more} if more else {})
            answer = await self.json(path, asked)
            for item in answer.get("items") or ():
                yield item
            more = str((answer.get("metadata") or {}).get("continue") or "")
            if not more:
                return

    async def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """One answer as text, up to MAX_ANSWER bytes. Raises ReadError."""
        url = self._credentials.server + path + (f"?{urlencode(query)}" if query else "")
        status, body = await self._get(url)
        if status == 401:  # the token may have been replaced on disk since it was read
            self._credentials.forget_token()
            status, body = await self._get(url)
        if status >= 300:
            raise ReadError(status, _message(body) or f"HTTP {status}")
        return body

    async def _get(self, url: str) -> tuple[int, str]:
        assert self._session is not None, "use it as a context manager"
        try:
            headers = {"Accept": "*/*"}
            if self._credentials.token is not None:
                headers["Authorization"] = f"Bearer {self._credentials.token()}"
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                return response.status, await _read(response)
        except (aiohttp.ClientError, CredentialsError, OSError) as error:
            said = "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            raise ReadError(0, said) from error


async def _read(response: aiohttp.ClientResponse) -> str:
    parts, size = [], 0
    async for chunk in response.content.iter_any():
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            raise aiohttp.ClientPayloadError(f"more than {MAX_ANSWER} bytes")
    return b"".join(parts).decode("utf-8", "replace")


def _message(body: str) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return body.strip()[:300]
    return str(answer.get("message", "")) if isinstance(answer, dict) else ""
