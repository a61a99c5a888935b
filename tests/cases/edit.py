"""Manifests made of a good one and a few edits: {"spec.pools.0.minNodes": 4, "spec.tenants": DELETE}."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

DELETE = object()
Path = tuple[str | int, ...]


def path_of(dotted: str) -> Path:
    """The path that a dotted text names; digits are list positions."""
    return tuple(int(part) if part.isdigit() else part for part in dotted.split("."))


def edited(manifest: Mapping[str, Any], edits: Mapping[str | Path, Any]) -> dict[str, Any]:
    """A copy of the manifest with the edits; objects on the way to a new field are made."""
    out = copy.deepcopy(dict(manifest))
    for where, value in edits.items():
        *parents, last = path_of(where) if isinstance(where, str) else where
        holder: Any = out
        for step in parents:
            holder = holder.setdefault(step, {}) if isinstance(holder, dict) else holder[step]
        if value is DELETE:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(value)
    return out


def value_at(manifest: Any, path: Sequence[str | int]) -> Any:
    """What stands at the path. Raises KeyError or IndexError if nothing does."""
    for step in path:
        if isinstance(manifest, list) != isinstance(step, int):
            raise KeyError(step)
        manifest = manifest[step]
    return manifest


def contains(whole: Any, part: Any) -> bool:
    """Whether everything in `part` stands in `whole` too; lists must be as long."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and contains(whole[k], v) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)
