"""The client of tests/api on the fake API server: the same requests, answered in this process."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime

from tests.api.client import Kube, Object, RefusedError
from tests.faults.apiserver.requests import Refusal, Request
from tests.faults.apiserver.resources import copied
from tests.faults.apiserver.server import ApiServer


class FakeKube(Kube):
    """A `Kube` whose requests reach no socket."""

    def __init__(self, api: ApiServer, namespace: str = "default") -> None:
        self.api = api
        self.namespace = namespace

    @classmethod
    def fresh(cls) -> FakeKube:
        """The administrator of a new fake API server with the namespace `default`."""
        source = random.Random(0)
        api = ApiServer(lambda: datetime.now(UTC), lambda: str(uuid.UUID(int=source.getrandbits(128), version=4)))
        admin = cls(api)
        admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        return admin

    def within(self, namespace: str) -> FakeKube:
        return FakeKube(self.api, namespace)

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        media_type: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Object:
        request = Request(method, path, dict(query), copied(body), media_type, accept, "tests")
        code, answer = self.api.handle(request)
        if code >= 400:
            raise RefusedError(code, answer)
        return copied(answer)

    def watched(self, path: str, seconds: int, **query: str) -> list[Object]:
        """The events that a watch has to tell at once."""
        try:
            watch = self.api.watch(Request("GET", path, {"watch": "true"} | query))
        except Refusal as refusal:
            raise RefusedError(refusal.code, refusal.body) from None
        self.api.unwatch(watch)
        return [copied(event) for event in watch.pending]
