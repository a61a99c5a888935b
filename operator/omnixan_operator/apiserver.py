"""The only place of the operator that talks to the API server: raw JSON verbs on the `kubernetes` package's client.

Every failure is one of the classes below; what a caller does next follows the class, never a message.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from omnixan_operator import credentials
from omnixan_operator.credentials import ServiceAccount
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.store import uid_of
from omnixan_operator.trim import FIELD_MANAGER

CONCURRENT_REQUESTS = 16
"""More would only queue up in the API server, which answers 429 when it has enough."""
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=10.0)
PAGE = "500"
"""Objects a page of a list."""
LEADER_POLICY = "omnixan-edge-leader"
"""The admission policy by which only the Lease's holder writes; its name is in its refusals, which are 403 as others."""
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ApiError(Exception):
    """The API server refused or did not answer. `code` is the HTTP status, 0 without one."""

    def __init__(self, message: str, code: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class NotFoundError(ApiError):
    """404: the object, its namespace or its kind is not there."""


class AlreadyExistsError(ApiError):
    """409 on creation: the name is taken."""


class ConflictError(ApiError):
    """409: the object changed meanwhile, or another field manager owns a field."""


class InvalidError(ApiError):
    """400, 413, 422: what was sent cannot be accepted; sending it again will not help."""


class ForbiddenError(ApiError):
    """403: the operator may not do this (or the namespace is being deleted)."""


class Known(NamedTuple):
    """An object that there is."""

    namespace: str
    name: str
    uid: str
    version: int
    """Its resourceVersion."""


class TooManyRequestsError(ApiError):
    """429: the server asks to wait `retry_after` seconds."""


class NotLeadingError(ApiError):
    """This process may not write: another operator leads, or will at any moment.

    Either nothing was sent, or the chart's policy LEADER_POLICY refused it.
    """


class TransientError(ApiError):
    """No answer, 5xx, or 401: the same request may succeed later.

    401 says nothing about rights: the token ran out, and the kubelet has not replaced it yet.
    """


def classify(code: int, body: bytes, retry_after: str | None) -> ApiError:
    """The error of an answer with HTTP status `code` (≥ 400) and `body` (a Status object, as a rule)."""
    reason, message = "", body[:512].decode(errors="replace")
    try:
        status = json.loads(body)
        reason, message = str(status.get("reason", "")), str(status.get("message", message))
    except (ValueError, AttributeError):
        pass
    delay = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
    if code == 404:
        return NotFoundError(message, code)
    if code == 409:
        return AlreadyExistsError(message, code) if reason == "AlreadyExists" else ConflictError(message, code)
    if code in (400, 413, 415, 422):
        return InvalidError(message, code)
    if code == 403 and f"'{LEADER_POLICY}'" in message:
        return NotLeadingError(message, code)
    if code == 403:
        return ForbiddenError(message, code)
    if code == 429:
        return TooManyRequestsError(message, code, delay or 1.0)
    return TransientError(message, code, delay)


async def load_configuration() -> Any:
    """The client's configuration: from KUBECONFIG if it is set, else the pod's service account."""
    configuration = kubernetes_client.Configuration()
    if path := os.environ.get("KUBECONFIG"):
        await kubernetes_config.load_kube_config(config_file=path, client_configuration=configuration)
    else:
        account = ServiceAccount(credentials.SERVICE_ACCOUNT)
        configuration.host, configuration.ssl_ca_cert = credentials.server(), str(account.authority)
        configuration.refresh_api_key_hook = account
        account(configuration)
    # No look into netrc and for proxies, as kopf: before every request it cost two changes of thread.
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


class ApiServer:
    """Verbs on objects. Objects are the JSON of the API, with apiVersion and kind set on what is sent."""

    def __init__(self, configuration: Any, metrics: Metrics, may_write: Callable[[], bool] = lambda: True) -> None:
        """`may_write` is asked right before every request that changes something is sent."""
        self._may_write = may_write
        self._client = kubernetes_client.ApiClient(configuration)
        self._client.user_agent = FIELD_MANAGER
        hook = configuration.refresh_api_key_hook
        self._account = hook if isinstance(hook, ServiceAccount) else None
        self._metrics = metrics
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object as it is now."""
        return await self._call("GET", "get", kind, kind.path(namespace, name))

    async def list_known(self, kind: Kind) -> tuple[list[Known], int]:
        """All watched objects of a kind as they are now, by name, and the list's resourceVersion.

        In pages, as there may be tens of thousands; one that expires on the way (410) is a TransientError.
        """
        query = {"limit": PAGE} | ({"labelSelector": kind.selector} if kind.selector else {})
        found: list[Known] = []
        version = 0
        while True:
            answer = await self._call("GET", "list", kind, kind.path(), query=query, accept=_METADATA_ONLY)
            for item in answer.get("items") or []:
                metadata = item["metadata"]
                place = (metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""))
                found.append(Known(*place, int(metadata["resourceVersion"])))
            version = version or int(answer["metadata"]["resourceVersion"])
            if not (token := answer["metadata"].get("continue")):
                return found, version
            query["continue"] = token

    async def served(self, kind: Kind) -> bool:
        """Whether the server knows this kind already (its CRD may be younger than this process)."""
        try:
            await self._call("GET", "list", kind, kind.path(), query={"limit": "1"}, accept=_METADATA_ONLY)
        except NotFoundError:
            return False
        return True

    async def create(self, kind: Kind, obj: Object) -> Object:
        """Create; AlreadyExistsError if the name is taken."""
        metadata = obj["metadata"]
        query = {"fieldManager": FIELD_MANAGER}
        path = kind.path(metadata.get("namespace", ""))
        return await self._call("POST", "create", kind, path, query=query, body=kind.identify(obj))

    async def apply(self, kind: Kind, obj: Object, manager: str = FIELD_MANAGER) -> Object:
        """Server-side apply with force: fields of ours that were changed by hand come back, foreign ones stay.

        With metadata.resourceVersion in `obj` it is refused (ConflictError) if the object has changed since.
        """
        metadata = obj["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": manager, "force": "true"}
        return await self._call("PATCH", "apply", kind, path, query=query, body=kind.identify(obj), content=_APPLY)

    async def apply_status(self, kind: Kind, obj: Object) -> Object:
        """Server-side apply of the status subresource, never with force."""
        metadata = obj["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"], "status")
        query = {"fieldManager": FIELD_MANAGER}
        return await self._call("PATCH", "apply_status", kind, path, query=query, body=kind.identify(obj), content=_APPLY)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Object, manager: str) -> Object:
        """JSON merge patch; null removes a field, whoever owns it."""
        query = {"fieldManager": manager}
        path = kind.path(namespace, name)
        return await self._call("PATCH", "patch", kind, path, query=query, body=patch, content=_MERGE)

    async def delete(self, kind: Kind, obj: Object, *, unchanged: bool = False) -> Object:
        """Delete this very object (uid as precondition), children in the background; NotFoundError if it is gone.

        With `unchanged` its resourceVersion is a precondition too (ConflictError).
        """
        metadata = obj["metadata"]
        preconditions = {"uid": uid_of(obj)} | ({"resourceVersion": metadata["resourceVersion"]} if unchanged else {})
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": preconditions,
            "propagationPolicy": "Background",
        }
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        return await self._call("DELETE", "delete", kind, path, body=options)

    async def _call(
        self,
        method: str,
        verb: str,
        kind: Kind,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        headers = {"Accept": accept} | ({"Content-Type": content} if body is not None else {})
        code, data, retry_after = await self._send(method, verb, kind, path, query, headers, body)
        if code == 401 and self._account is not None:  # the token may have been replaced on disk since it was read
            self._account.forget()
            code, data, retry_after = await self._send(method, verb, kind, path, query, headers, body)
        if code >= 400:
            raise classify(code, data, retry_after)
        result: Object = json.loads(data)
        return result

    async def _send(
        self,
        method: str,
        verb: str,
        kind: Kind,
        path: str,
        query: dict[str, str] | None,
        headers: dict[str, str],
        body: Object | None,
    ) -> tuple[int, bytes, str | None]:
        """HTTP status, body and Retry-After of one request. Raises TransientError if there is no answer."""
        code = 0
        try:
            async with self._slots:
                _, url, headers, _, _ = await self._client.param_serialize(
                    method, path, query_params=list((query or {}).items()), header_params=dict(headers),
                    auth_settings=["BearerToken"],
                )  # fmt: skip
                if method != "GET" and not self._may_write():
                    raise NotLeadingError(f"{verb} {path}: this operator does not lead")
                answer = await self._client.call_api(method, url, headers, body, _request_timeout=REQUEST_TIMEOUT)
                code = answer.status
                return code, await answer.read(), answer.getheader("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if self._account is not None and isinstance(error, aiohttp.ClientConnectorCertificateError):
                self._account.renew_authority(self._client.rest_client.ssl_context)
            raise TransientError(f"{verb} {path}: {type(error).__name__}: {error}") from error
        finally:
            self._metrics.api_requests.labels(verb, kind.name, str(code)).inc()
