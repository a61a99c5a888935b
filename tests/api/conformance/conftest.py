"""Two API servers, one set of expectations: the fake one that the fault simulation stands on, and the real one."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.client import Kube, Object, new_namespace
from tests.faults.kube import FakeKube

Watched = Callable[..., list[Object]]


@pytest.fixture(params=["fake", "real"])
def kube(request: pytest.FixtureRequest) -> Iterator[Kube]:
    """The administrator in a namespace of the test's own, on either server."""
    admin = FakeKube.fresh() if request.param == "fake" else request.getfixturevalue("control_plane")
    with new_namespace(admin) as own:
        yield own


@pytest.fixture
def watched(kube: Kube) -> Watched:
    """Events of a watch that has something to tell: all of them, until it is silent for a second."""

    def watch(path: str, **query: str) -> list[Object]:
        if isinstance(kube, FakeKube):
            return kube.watched(path, 1, **query)
        lines: list[Any] = [json.loads(line) for line in _until_silent(kube, path, query) if line]
        return [{"type": "ERROR", "object": line} if "type" not in line else line for line in lines]

    return watch


def _until_silent(kube: Kube, path: str, query: dict[str, str]) -> Iterator[bytes]:
    """The lines of a watch on the real server; the first may take its time, after it a silent second is the end."""
    arrived: queue.Queue[bytes | None] = queue.Queue()

    def read() -> None:
        parameters = {"watch": "true", "timeoutSeconds": "20"} | query
        try:
            with kube._session.get(kube._host + path, params=parameters, stream=True, timeout=30) as answer:
                for line in answer.iter_lines(chunk_size=None):
                    arrived.put(line)
        finally:
            arrived.put(None)

    threading.Thread(target=read, daemon=True).start()  # the server ends it
    line = arrived.get(timeout=30)
    while line is not None:
        yield line
        try:
            line = arrived.get(timeout=1)
        except queue.Empty:
            return
