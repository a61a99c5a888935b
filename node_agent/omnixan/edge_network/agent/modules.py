"""What the agent says of its modules on its EdgeNode: a condition and figures of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnixan.edge_network.agent.outcome import micro_time
from omnixan.edge_network.agent.storage import MemoryReport
from omnixan.edge_network.memory_pooling.pool import PoolStats

PERSISTENT_MEMORY_READY = "PersistentMemoryReady"
MEMORY_POOL_READY = "MemoryPoolReady"
POOL_OPEN = "PoolOpen"
"""Reason of a pool of memory that is in use."""
MOST_PROOF, MOST_NAMESPACES, LONGEST = 32, 64, 300
"""Lines of proof, namespaces, and characters of a line that fit into a status."""


@dataclass(frozen=True)
class Said:
    """A module's condition."""

    type: str
    ready: bool
    reason: str
    message: str


@dataclass(frozen=True)
class Modules:
    """What is said of the modules that are on."""

    conditions: tuple[Said, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Fields of EdgeNode.status by name, as Kubernetes writes them."""


def persistent_memory(report: MemoryReport | None) -> Modules:
    """Of persistent memory; nothing where it is off."""
    if report is None:
        return Modules()
    said = Said(PERSISTENT_MEMORY_READY, report.ready, report.reason, report.message)
    fields: dict[str, Any] = {}
    if report.proof:
        fields["proof"] = [line[:LONGEST] for line in report.proof[:MOST_PROOF]]
    if report.namespaces:
        found = report.namespaces[:MOST_NAMESPACES]
        fields["namespaces"] = [{"dev": n.dev, "mode": n.mode, "size": n.size} for n in found]
    if report.tier:
        fields |= {"tier": report.tier, "size": report.size, "used": report.used}
    if report.last_checkpoint is not None:
        fields["lastCheckpoint"] = micro_time(report.last_checkpoint)[:19] + "Z"
    # No empty object: the API server makes null of one that takes the place of another, and refuses that.
    return Modules((said,), {"persistentMemory": fields} if fields else {})


@dataclass(frozen=True)
class Refusal:
    """Why there is no pool: the reason of the condition, and its message."""

    reason: str
    message: str


def memory_pooling(stats: PoolStats | None, error: Refusal | None = None) -> Modules:
    """Of the pool of memory, or of why there is none; nothing where it is off."""
    if error is not None:
        return Modules((Said(MEMORY_POOL_READY, False, error.reason, error.message),))
    if stats is None:
        return Modules()
    said = Said(MEMORY_POOL_READY, True, POOL_OPEN, f"a pool of {stats.pool_bytes >> 20} MiB is in use")
    shares = {name: f"{getattr(stats, name):.3f}" for name in ("external", "internal", "overhead")}
    return Modules((said,), {"memory": {"pool": stats.pool_bytes, "used": stats.used_bytes} | shares})


def together(*parts: Modules) -> Modules:
    """What is said of several."""
    conditions = tuple(said for part in parts for said in part.conditions)
    return Modules(conditions, {name: value for part in parts for name, value in part.facts.items()})
