"""An hour of looking at EdgeNodes leaves what it saw behind, also when one of them was not ready."""

from __future__ import annotations

from typing import Any, cast

import pytest

from e2e.cluster.interface import Cluster
from e2e.faults import hours
from e2e.faults.field import Field


class Looked:
    """A kubectl that finds EdgeNodes as a list says, look by look; jobs are complete at once."""

    def __init__(self, looks: list[str]) -> None:
        self._looks = iter(looks)

    def list(self, plural: str, *_: Any) -> list[Any]:
        if plural == "pods":
            return [{"metadata": {"name": "agent"}, "status": {"containerStatuses": [{"restartCount": 0}]}}]
        ready = next(self._looks, "True")
        status = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": ready}]}
        return [{"metadata": {"name": "edge", "generation": 1}, "status": status}]

    def apply(self, *_: Any) -> None:
        pass

    until = delete = cast(Any, lambda *_, **__: None)


@pytest.mark.parametrize(("looks", "unready"), [(["True", "True"], 0), (["True", "False"], 1)])
def test_what_was_seen_is_in_the_evidence(monkeypatch: pytest.MonkeyPatch, looks: list[str], unready: int) -> None:
    monkeypatch.setattr(hours, "LOOK", 0.01)
    field, evidence = Field(cast(Cluster, None), cast(Any, Looked(looks)), cast(Any, None)), dict[str, Any]()
    if unready:
        with pytest.raises(AssertionError, match="EdgeNodes were not ready"):
            hours.stay_ready(field, "soak", 0.05, evidence)
    else:
        hours.stay_ready(field, "soak", 0.05, evidence)
    assert (evidence["edgeNodes"], evidence["unready"], evidence["jobsComplete"], evidence["restarts"]) == (1, unready, 1, 0)
    assert evidence["looked"] >= 1
