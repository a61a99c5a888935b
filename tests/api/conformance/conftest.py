"""Two API servers, one set of expectations: the fake one that the fault simulation stands on, and the real one."""

from __future__ import annotations

import json
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
    """Events of a watch: all that the server has to tell within a second."""

    def watch(path: str, **query: str) -> list[Object]:
        if isinstance(kube, FakeKube):
            return kube.watched(path, 1, **query)
        with kube._session.get(
            kube._host + path, params={"watch": "true", "timeoutSeconds": "1"} | query, stream=True, timeout=30
        ) as answer:
            lines: list[Any] = [json.loads(line) for line in answer.iter_lines() if line]
            return [{"type": "ERROR", "object": line} if "type" not in line else line for line in lines]

    return watch
