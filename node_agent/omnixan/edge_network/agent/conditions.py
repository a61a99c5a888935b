"""What the agent writes into its EdgeNode's status, and whether it has to. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from omnixan.edge_network.agent.modules import Modules, Said
from omnixan.edge_network.api.meta import HEARTBEAT_LABEL

AGENT_READY = "AgentReady"
NOTABLE = 0.05
"""A share is written again when it has changed by more than this, bytes when they have by more than this of the whole.

Not of what stands there: the agent keeps its twin in the store, so that each write makes it a little fuller.
"""
NOTABLE_SECONDS = 60.0
"""A time is, when it is so much later."""
FIGURES = {
    "memory": ("used", "external", "internal", "overhead"),
    "persistentMemory": ("used", "lastCheckpoint"),
}
"""By field of the status: what of it changes all the time. All else is written whenever it differs."""
WHOLE = {"memory": "pool", "persistentMemory": "size"}
"""By field of the status: what its bytes are a part of."""

NOTHING = Modules()
Status = dict[str, Any]


class Difference(Enum):
    """Whether what the agent says differs from what stands there."""

    NONE = 0
    FIGURES = 1
    """Only figures: it may wait."""
    FACTS = 2


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
    modules: Modules = NOTHING
    """What is said of the modules."""

    @property
    def said(self) -> tuple[Said, ...]:
        """All conditions."""
        return (Said(AGENT_READY, self.ready, self.reason, self.message), *self.modules.conditions)

    @property
    def facts(self) -> Status:
        """All fields but the conditions."""
        found: Status = {"version": self.version, "backend": self.backend, "qubits": self.qubits}
        if self.calibration is not None:
            found["calibration"] = dict(self.calibration)
        return found | dict(self.modules.facts)


OURS = frozenset({AGENT_READY, "PersistentMemoryReady", "MemoryPoolReady"})
"""Condition types that the agent writes."""


def difference(report: Report, node: Mapping[str, Any]) -> Difference:
    """Whether the report differs from the EdgeNode as it is.

    The conditions depend on nothing in spec, so a new generation alone is no difference.
    """
    status = node.get("status") or {}
    live = {c["type"]: c for c in status.get("conditions") or () if c.get("type") in OURS}
    wanted = {said.type: {"status": str(said.ready), "reason": said.reason, "message": said.message} for said in report.said}
    if live.keys() != wanted.keys() or any(
        live[kind].get(name) != value for kind, fields in wanted.items() for name, value in fields.items()
    ):
        return Difference.FACTS
    facts = report.facts
    if any(name in status and name not in facts for name in FIGURES):
        return Difference.FACTS
    found = [_compare(name, value, status.get(name)) for name, value in facts.items()]
    return max(found, key=lambda one: one.value)


def _compare(name: str, value: Any, live: Any) -> Difference:
    figures = FIGURES.get(name)
    if figures is None or not isinstance(live, Mapping):
        return Difference.NONE if value == live else Difference.FACTS
    if value.keys() != live.keys() or any(value[key] != live[key] for key in value if key not in figures):
        return Difference.FACTS
    whole = value.get(WHOLE[name], 0)
    changed = any(notable(live[key], value[key], whole) for key in figures if key in value)
    return Difference.FIGURES if changed else Difference.NONE


def notable(before: float | str, now: float | str, whole: float = 0) -> bool:
    """Whether a figure has changed enough to be written: bytes of a whole, a share as text, or a time as text."""
    if isinstance(before, str) and isinstance(now, str):
        if ":" in now:
            return (datetime.fromisoformat(now) - datetime.fromisoformat(before)).total_seconds() >= NOTABLE_SECONDS
        return round(abs(float(now) - float(before)), 6) > NOTABLE
    return abs(float(now) - float(before)) > NOTABLE * whole


def desired_status(report: Report, node: Mapping[str, Any], now: str) -> Status:
    """Return our share of the EdgeNode's status.

    `node` is the EdgeNode as it is; `now` becomes lastTransitionTime where a condition's status changes.
    """
    live = {c.get("type"): c for c in (node.get("status") or {}).get("conditions") or ()}
    generation = (node.get("metadata") or {}).get("generation", 0)
    conditions = []
    for said in report.said:
        before = live.get(said.type, {})
        unchanged = before.get("status") == str(said.ready) and "lastTransitionTime" in before
        conditions.append(
            {
                "type": said.type,
                "status": str(said.ready),
                "reason": said.reason,
                "message": said.message[:4096],
                "lastTransitionTime": before["lastTransitionTime"] if unchanged else now,
                "observedGeneration": generation,
            }
        )
    return {**report.facts, "conditions": conditions}


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
