"""What the agent writes into its EdgeNode's status, and whether it has to. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.api.meta import HEARTBEAT_LABEL

AGENT_READY = "AgentReady"

Status = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What the agent has to say about its node."""

    version: str
    backend: str
    qubits: int
    ready: bool
    reason: str
    message: str
    calibration: Mapping[str, Any] | None = None
    """How good the device is; None for a simulator."""


def desired_status(report: Report, node: Mapping[str, Any], now: str) -> Status | None:
    """Return our share of the EdgeNode's status, or None if it stands there already.

    `node` is the EdgeNode as it is; `now` becomes lastTransitionTime where the condition's status changes. The
    condition depends on nothing in spec, so a new generation alone is no reason to write.
    """
    status = node.get("status") or {}
    live: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c.get("type") == AGENT_READY), {})
    ready = "True" if report.ready else "False"
    facts: Status = {"version": report.version, "backend": report.backend, "qubits": report.qubits}
    if report.calibration is not None:
        facts["calibration"] = dict(report.calibration)
    said = {"status": ready, "reason": report.reason, "message": report.message}
    if all(status.get(name) == value for name, value in facts.items()) and all(
        live.get(name) == value for name, value in said.items()
    ):
        return None
    unchanged = live.get("status") == ready
    condition = {
        "type": AGENT_READY,
        **said,
        "lastTransitionTime": live["lastTransitionTime"] if unchanged and "lastTransitionTime" in live else now,
        "observedGeneration": (node.get("metadata") or {}).get("generation", 0),
    }
    return {**facts, "conditions": [condition]}


def lease_body(node: Mapping[str, Any], holder: str, renew_time: str, seconds: int) -> dict[str, Any]:
    """Return the heartbeat Lease of an EdgeNode, which owns it."""
    metadata = node["metadata"]
    return {
        "metadata": {
            "name": metadata["name"],
            "labels": {HEARTBEAT_LABEL: "true"},
            "ownerReferences": [
                {
                    "apiVersion": node["apiVersion"],
                    "kind": node["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                }
            ],
        },
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": renew_time},
    }
