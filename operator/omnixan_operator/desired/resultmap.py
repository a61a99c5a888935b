"""The ConfigMap that holds a job's whole result."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from omnixan.edge_network.api.meta import (
    COMPONENT_LABEL,
    JOB_UID_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PART_OF,
    PART_OF_LABEL,
)
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan_operator.desired.common import owner
from omnixan_operator.kinds import Object

KEY = "result.json"


def result_map_name(job: str) -> str:
    """Name of the ConfigMap, in the job's namespace."""
    return f"{job}-result"


def canonical(result: dict[str, Any]) -> str:
    """{"summary", "counts"} as compact JSON with sorted keys: equal results have equal bytes."""
    kept = {"summary": result["summary"], "counts": result.get("counts") or {}}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def result_map(job: QuantumJob, text: str) -> Object:
    """Owned by the job; immutable, so it can be deleted (and comes back) but not changed."""
    meta = job.metadata
    return {
        "metadata": {
            "name": result_map_name(meta.name),
            "namespace": meta.namespace,
            "labels": {
                MANAGED_BY_LABEL: MANAGED_BY,
                PART_OF_LABEL: PART_OF,
                COMPONENT_LABEL: "result",
                JOB_UID_LABEL: meta.uid,
            },
            "ownerReferences": [owner("QuantumJob", meta.name, meta.uid)],
        },
        "immutable": True,
        "data": {KEY: text},
    }
