"""What of an object is kept in memory: pure functions, one a kind.

The operator holds every watched object, so what it never reads is dropped at the door: foreign managedFields, the
text of programs that are under way or over, results (up to 512 KiB each), the contents of ConfigMaps.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any

from omnixan_operator import kinds
from omnixan_operator.kinds import Kind, Object

FIELD_MANAGER = "omnixan-operator"
"""Our field manager on children and statuses."""
TRIMMED = "(trimmed)"
"""Stands for a program's text that is not kept."""
DIGEST = "omnixanDigest"
"""In a kept ConfigMap, instead of `data`: SHA-256 of each value by key."""

MAX_SHARED = 128
"""Longer strings (programs) are kept as they came."""

_METADATA = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "annotations",
    "ownerReferences",
)
_KUBECTL_COPY = "kubectl.kubernetes.io/last-applied-configuration"


def trim(kind: Kind, obj: Object) -> Object:
    """The part of `obj` that the operator reads, with values of `obj` in it; never changes `obj` itself."""
    return _TRIMS.get(kind, _plain)(obj)


def share(value: Any) -> Any:
    """A copy in which equal strings are one: every parsed object brings its own copies of all field names, and those
    were two thirds of an object's memory."""
    if isinstance(value, dict):
        return {sys.intern(key): share(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [share(entry) for entry in value]
    if type(value) is str and len(value) <= MAX_SHARED:
        return sys.intern(value)
    return value


def _metadata(obj: Object) -> Object:
    metadata = obj.get("metadata", {})
    kept = {key: metadata[key] for key in _METADATA if key in metadata}
    annotations = kept.get("annotations")
    if annotations and _KUBECTL_COPY in annotations:
        kept["annotations"] = {k: v for k, v in annotations.items() if k != _KUBECTL_COPY}
    return kept


def _ours(obj: Object) -> list[Object]:
    """Our own entries of managedFields, without their time, which changes with every apply."""
    return [
        {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": entry.get("fieldsV1", {})}
        for entry in obj.get("metadata", {}).get("managedFields", [])
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]


def _plain(obj: Object) -> Object:
    return {key: obj[key] for key in ("spec", "status") if key in obj} | {"metadata": _metadata(obj)}


def _child(obj: Object) -> Object:
    """Children applied by us: whole, as drift is judged on every field, with our managedFields."""
    kept = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    return kept | {"metadata": _metadata(obj) | {"managedFields": _ours(obj)}}


def _without_text(spec: dict[str, Any]) -> dict[str, Any]:
    program = spec.get("program")
    if not program or not program.get("inline"):
        return spec
    return spec | {"program": program | {"inline": program["inline"] | {"data": TRIMMED}}}


def _job(obj: Object) -> Object:
    """A job's program is needed until it is over (another attempt may be made of it), then no more."""
    kept = _plain(obj)
    if kept.get("status", {}).get("completionTime") and "spec" in kept:
        kept["spec"] = _without_text(kept["spec"])
    return kept


def _run(obj: Object) -> Object:
    """A run without its program and result: both are read again from the API server where they are needed."""
    kept = _plain(obj)
    if "spec" in kept:
        kept["spec"] = _without_text(kept["spec"])
    if "result" in kept.get("status", {}):
        kept["status"] = {key: value for key, value in kept["status"].items() if key != "result"}
    return kept


def _node(obj: Object) -> Object:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    return {
        "metadata": _metadata(obj) | {"annotations": {}},
        "spec": {key: spec[key] for key in ("unschedulable", "taints") if key in spec},
        "status": {
            "conditions": [
                {"type": "Ready", "status": condition.get("status", "Unknown")}
                for condition in status.get("conditions", [])
                if condition.get("type") == "Ready"
            ]
        },
    }


def _namespace(obj: Object) -> Object:
    return {"metadata": _metadata(obj) | {"annotations": {}}}


def _lease(obj: Object) -> Object:
    spec = obj.get("spec", {})
    return {
        "metadata": _metadata(obj),
        "spec": {key: spec[key] for key in ("renewTime", "leaseDurationSeconds", "holderIdentity") if key in spec},
    }


def _config_map(obj: Object) -> Object:
    return {
        "metadata": _metadata(obj),
        DIGEST: {key: hashlib.sha256(value.encode()).hexdigest() for key, value in (obj.get("data") or {}).items()},
    }


_TRIMS: dict[Kind, Callable[[Object], Object]] = {
    kinds.EDGE_NODE: _child,
    kinds.QUANTUM_JOB: _job,
    kinds.QUANTUM_RUN: _run,
    kinds.NODE: _node,
    kinds.NAMESPACE: _namespace,
    kinds.LEASE: _lease,
    kinds.SERVICE_ACCOUNT: _child,
    kinds.ROLE_BINDING: _child,
    kinds.DAEMON_SET: _child,
    kinds.CONFIG_MAP: _config_map,
}
