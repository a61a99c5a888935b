"""Whether a live object differs from what we want of it, decided from the live object alone.

An apply that changes nothing costs the API server as much as one that does, so it is not sent. There is drift if

- something we want is not in the live object (lists by their merge key, quantities by their value), or
- metadata.managedFields says that we own a field that we no longer want, or that we own nothing (anymore).

Foreign fields are not drift.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from omnixan_operator.kinds import Object

_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
}
"""Lists that server-side apply merges by key; all others are replaced as a whole."""
_QUANTITY_PARENTS = frozenset({"requests", "limits"})
_QUANTITY_FIELDS = frozenset({"sizeLimit"})
_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([numkMGTPE]?i?))$")
_FACTORS = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{unit + "i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def needs_apply(desired: Object, live: Object | None) -> bool:
    """Whether `desired` must be applied. `live` carries, of managedFields, our own entries only."""
    return live is None or not contained(desired, live) or not owns_exactly(desired, live)


def contained(desired: Any, live: Any, *path: str) -> bool:
    """Whether everything in `desired` is in `live`."""
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(contained(value, live.get(key), *path, key) for key, value in desired.items())
    if isinstance(desired, list):
        return isinstance(live, list) and _list_contained(desired, live, path)
    if desired == "" and live is None:
        return True  # the API server drops empty strings
    if _is_quantity(path):
        return quantity(desired) == quantity(live)
    return bool(desired == live)


def _list_contained(desired: list[Any], live: list[Any], path: tuple[str, ...]) -> bool:
    keys = _MERGE_KEYS.get(path[-1]) if path else None
    if keys is None:
        return len(desired) == len(live) and all(contained(a, b, *path) for a, b in zip(desired, live, strict=True))
    by_key = {tuple(item.get(key) for key in keys): item for item in live}
    return all(contained(item, by_key.get(tuple(item.get(key) for key in keys)), *path) for item in desired)


def _is_quantity(path: tuple[str, ...]) -> bool:
    return bool(path) and (path[-1] in _QUANTITY_FIELDS or (len(path) > 1 and path[-2] in _QUANTITY_PARENTS))


def quantity(value: Any) -> Decimal | None:
    """The number that a Kubernetes quantity stands for; None if it is none."""
    match = _QUANTITY.match(str(value))
    if not match:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * _FACTORS.get(suffix or "", Decimal("NaN"))


def owns_exactly(desired: Object, live: Object) -> bool:
    """Whether we own no field of `live` that `desired` lacks, and own something at all."""
    entries = live["metadata"].get("managedFields") or []
    return bool(entries) and all(_within(entry["fieldsV1"], desired) for entry in entries)


def _within(fields: dict[str, Any], desired: Any) -> bool:
    """Whether every field of a fieldsV1 tree is in `desired`."""
    for token, below in fields.items():
        sort, _, name = token.partition(":")
        if sort == ".":
            continue
        found = _step(sort, name, desired)
        if found is _ABSENT or (below and not _within(below, found)):
            return False
    return True


_ABSENT = object()


def _step(sort: str, name: str, desired: Any) -> Any:
    if sort == "f" and isinstance(desired, dict):
        return desired.get(name, _ABSENT)
    if sort == "k" and isinstance(desired, list):
        key = json.loads(name)
        return next((item for item in desired if all(item.get(k) == v for k, v in key.items())), _ABSENT)
    if sort == "v" and isinstance(desired, list):
        return next((item for item in desired if item == json.loads(name)), _ABSENT)
    return _ABSENT


_IMMUTABLE = {"RoleBinding": ("roleRef",), "DaemonSet": ("spec", "selector")}


def immutable_differs(kind: str, desired: Object, live: Object) -> bool:
    """Whether a field that the API server lets nobody change must change: the object is made anew then."""
    path = _IMMUTABLE.get(kind)
    if path is None:
        return False
    for step in path:
        desired, live = desired.get(step) or {}, live.get(step) or {}
    return desired != live
