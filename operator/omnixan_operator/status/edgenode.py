"""The operator's part of an EdgeNode's status; the agent writes the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from omnixan.edge_network.api.edgenode import EdgeNode
from omnixan_operator.decide.heartbeat import Pulse
from omnixan_operator.reasons import Reason
from omnixan_operator.status.conditions import Now, find, merge

OURS = ("Ready", "Draining")
"""Condition types that the operator writes."""


def status(node: EdgeNode, pulse: Pulse, moment: datetime) -> dict[str, Any]:
    """observedGeneration and the operator's conditions."""
    current = [ready(node, pulse)]
    if node.spec.drain:
        current.append(Now("Draining", "True", Reason.SCALED_DOWN, "the node is given back once its runs are over"))
    generation = node.metadata.generation
    conditions = merge(node.status.conditions, current, generation, moment)
    return {"observedGeneration": generation, "conditions": [condition.wire() for condition in conditions]}


def ours(node: EdgeNode) -> dict[str, Any]:
    """The part of the status as it stands that `status` is compared with."""
    kept = [condition.wire() for kind in OURS if (condition := find(node.status.conditions, kind)) is not None]
    return {"observedGeneration": node.status.observed_generation, "conditions": kept}


def ready(node: EdgeNode, pulse: Pulse) -> Now:
    """Ready: the agent says so, and its heartbeat is fresh."""
    agent = find(node.status.conditions, "AgentReady")
    last = find(node.status.conditions, "Ready")
    if agent is None:
        return Now("Ready", "False", Reason.AGENT_STARTING, "the agent has not reported yet")
    if pulse is Pulse.NONE:
        return Now("Ready", "False", Reason.NO_HEARTBEAT, "the agent has no Lease yet")
    # Just after the operator's start an old Lease may be alive or not: the last verdict stands until it is known.
    lost = pulse is Pulse.LOST or (pulse is Pulse.UNKNOWN and last is not None and last.reason == Reason.HEARTBEAT_LOST)
    if lost:
        return Now("Ready", "False", Reason.HEARTBEAT_LOST, "the agent has not renewed its Lease in time")
    if agent.status != "True":
        return Now("Ready", "False", Reason.AGENT_NOT_READY, f"{agent.reason}: {agent.message}".rstrip(": "))
    return Now("Ready", "True", Reason.AGENT_READY, "the agent is ready and its heartbeat is fresh")
