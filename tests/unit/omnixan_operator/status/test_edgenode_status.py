"""The operator's verdict on an EdgeNode."""

from __future__ import annotations

from typing import Any

import pytest

from omnixan.edge_network.api.edgenode import EdgeNode
from omnixan_operator.decide.heartbeat import Pulse
from omnixan_operator.desired.edgenode import memory_tier
from omnixan_operator.status.edgenode import ours, status
from tests.unit.omnixan_operator.operator_makers import assert_clean, at, meta


def condition(kind: str, value: str, reason: str = "WorkerWarm") -> dict[str, Any]:
    time = "2026-11-24T20:00:00Z"
    return {"type": kind, "status": value, "reason": reason, "lastTransitionTime": time, "observedGeneration": 1}


def node(*conditions: dict[str, Any], drain: bool = False) -> EdgeNode:
    spec = {"pool": "gateway", "tier": "gateway", "nodeName": "n", "drain": drain}
    return EdgeNode.model_validate(
        {"metadata": meta("n"), "spec": spec, "status": {"observedGeneration": 1, "conditions": list(conditions)}}
    )


@pytest.mark.parametrize(
    ("conditions", "pulse", "verdict"),
    [
        ([], Pulse.FRESH, ("False", "AgentStarting")),
        ([condition("AgentReady", "True")], Pulse.NONE, ("False", "NoHeartbeat")),
        ([condition("AgentReady", "True")], Pulse.FRESH, ("True", "AgentReady")),
        ([condition("AgentReady", "False", "WorkerFailed")], Pulse.FRESH, ("False", "AgentNotReady")),
        ([condition("AgentReady", "True")], Pulse.LOST, ("False", "HeartbeatLost")),
        # the operator has just started
        ([condition("AgentReady", "True"), condition("Ready", "True", "AgentReady")], Pulse.UNKNOWN, ("True", "AgentReady")),
        (
            [condition("AgentReady", "True"), condition("Ready", "False", "HeartbeatLost")],
            Pulse.UNKNOWN,
            ("False", "HeartbeatLost"),
        ),
        (
            [condition("AgentReady", "False", "WorkerFailed"), condition("Ready", "True", "AgentReady")],
            Pulse.UNKNOWN,
            ("False", "AgentNotReady"),
        ),
    ],
)
def test_ready_is_agent_and_heartbeat(conditions: list[Any], pulse: Pulse, verdict: tuple[str, str]) -> None:
    wanted = status(node(*conditions), pulse, at(0))
    assert_clean(wanted)
    assert (wanted["conditions"][0]["status"], wanted["conditions"][0]["reason"]) == verdict


def test_draining_is_shown_while_it_is() -> None:
    wanted = status(node(condition("AgentReady", "True"), drain=True), Pulse.FRESH, at(0))
    assert [c["type"] for c in wanted["conditions"]] == ["Ready", "Draining"]


def test_a_settled_node_needs_no_write() -> None:
    first = status(node(condition("AgentReady", "True")), Pulse.FRESH, at(0))
    settled = node(condition("AgentReady", "True"), *first["conditions"])
    assert status(settled, Pulse.FRESH, at(900)) == ours(settled)


@pytest.mark.parametrize(
    ("memory", "claim", "value"),
    [
        ({"tier": "T3-file"}, "gateway.uid0of0me", "T3-file"),
        ({"tier": "T3-file"}, "gateway.another00", None),
        ({"tier": "T3-file"}, "compute.uid0of0me", None),
        ({"tier": "T3-file"}, None, None),
        ({}, "gateway.uid0of0me", None),
        (None, "gateway.uid0of0me", None),
    ],
)
def test_a_tier_is_labelled_where_the_claim_is_the_edge_nodes_own(memory: Any, claim: str | None, value: str | None) -> None:
    found = node()
    status = {"observedGeneration": 1} | ({"persistentMemory": memory} if memory is not None else {})
    found = EdgeNode.model_validate(found.wire() | {"status": status})
    assert memory_tier(found, "uid0-of0-me", claim) == value
