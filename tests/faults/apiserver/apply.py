"""Field ownership: managedFields, server-side apply and its conflicts.

A field is a path of the tokens of `fieldsV1`: `f:name`, `k:{"key":…}` for an entry of a list that is merged by keys,
`v:…` for an entry of a set. Scalars, atomic lists and atomic maps are leaves; an entry of a keyed list owns itself (`.`).
"""

from __future__ import annotations

import json
from typing import Any

from tests.faults.apiserver.resources import Object, Resource, copied
from tests.faults.apiserver.schema import Schema

Path = tuple[str, ...]
_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
}
"""Keys of the lists of built-in kinds that are merged by key; other lists are atomic."""
_SETS = frozenset({"finalizers"})
_ATOMIC_MAPS = frozenset({"nodeSelector", "matchLabels", "resourceFieldRef", "fieldRef", "roleRef"})
_UNOWNED_METADATA = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}
    | {"deletionTimestamp", "deletionGracePeriodSeconds"}
)
DEFAULT_KEY_VALUES = {"protocol": "TCP"}


def _sort_of_list(name: str, schema: Schema | None) -> tuple[str, tuple[str, ...]]:
    if schema is not None:
        return schema.get("x-kubernetes-list-type", "atomic"), tuple(schema.get("x-kubernetes-list-map-keys", ()))
    if name in _KEYS:
        return "map", _KEYS[name]
    return ("set", ()) if name in _SETS else ("atomic", ())


def _below(schema: Schema | None, name: str) -> Schema | None:
    if schema is None or name == "metadata":
        return None
    found = schema.get("properties", {}).get(name)
    return found if found is not None else schema.get("additionalProperties")


def _is_atomic_map(name: str, schema: Schema | None) -> bool:
    return schema.get("x-kubernetes-map-type") == "atomic" if schema is not None else name in _ATOMIC_MAPS


def _key_token(item: Object, keys: tuple[str, ...]) -> str:
    values = {key: item.get(key, DEFAULT_KEY_VALUES.get(key)) for key in sorted(keys)}
    return "k:" + json.dumps(values, separators=(",", ":"))


def fields(value: Any, schema: Schema | None, name: str = "", path: Path = ()) -> dict[Path, Any]:
    """All fields of a value: its leaves, and the entries of keyed lists themselves."""
    if isinstance(value, dict) and not _is_atomic_map(name, schema):
        if not value:
            return {path: {}}
        found: dict[Path, Any] = {}
        for key, item in value.items():
            found |= fields(item, _below(schema, key), key, (*path, f"f:{key}"))
        return found
    if isinstance(value, list):
        sort, keys = _sort_of_list(name, schema)
        if sort == "map":
            found = {}
            for item in value:
                entry = (*path, _key_token(item, keys))
                found[(*entry, ".")] = True
                found |= fields(item, schema.get("items") if schema else None, "", entry)
            return found
        if sort == "set":
            return {(*path, "v:" + json.dumps(item)): item for item in value}
    return {path: value}


def owned(obj: Object, resource: Resource, *, status_only: bool, sent: bool = False) -> dict[Path, Any]:
    """The fields of an object that can have an owner, seen through the main resource or the status subresource."""
    metadata = {k: v for k, v in obj.get("metadata", {}).items() if k not in _UNOWNED_METADATA}
    if status_only:
        parts: Object = {"status": obj["status"]} if "status" in obj else {}
    else:
        skip = ("apiVersion", "kind", "metadata", *(("status",) if resource.status else ()))
        parts = {k: v for k, v in obj.items() if k not in skip}
        if metadata:
            parts["metadata"] = metadata
    return fields(parts, resource.schema) if parts else {}


def tree(paths: set[Path]) -> Object:
    """Paths as `fieldsV1`."""
    root: Object = {}
    for path in sorted(paths):
        at = root
        for token in path:
            at = at.setdefault(token, {})
    return root


def untree(fields_v1: Object, path: Path = ()) -> set[Path]:
    """`fieldsV1` as paths."""
    if not fields_v1:
        return {path}
    found: set[Path] = set()
    for token, below in fields_v1.items():
        found |= untree(below, (*path, token))
    return found


def get_at(obj: Any, path: Path) -> tuple[bool, Any]:
    """Whether there is something at a path, and what."""
    for token in path:
        if token == ".":
            break
        sort, _, rest = token.partition(":")
        if sort == "f" and isinstance(obj, dict) and rest in obj:
            obj = obj[rest]
        elif sort == "k" and isinstance(obj, list) and (item := _entry(obj, rest)) is not None:
            obj = item
        elif sort == "v" and isinstance(obj, list) and json.loads(rest) in obj:
            obj = json.loads(rest)
        else:
            return False, None
    return True, obj


def _entry(items: list[Any], key: str) -> Any:
    wanted = json.loads(key)
    for item in items:
        if all(item.get(k, DEFAULT_KEY_VALUES.get(k)) == v for k, v in wanted.items()):
            return item
    return None


def set_at(obj: Any, path: Path, value: Any) -> None:
    """Put a value at a path, with all that leads there."""
    for number, token in enumerate(path):
        if token == ".":
            return
        last = number == len(path) - 1
        sort, _, rest = token.partition(":")
        if sort == "f":
            following = path[number + 1][0] if not last else ""
            if last:
                obj[rest] = copied(value)
                return
            if not isinstance(obj.get(rest), list if following in "kv" else dict):
                obj[rest] = [] if following in "kv" else {}
            obj = obj[rest]
        elif sort == "k":
            item = _entry(obj, rest)
            if item is None:
                item = json.loads(rest)
                obj.append(item)
            obj = item
        elif json.loads(rest) not in obj:
            obj.append(json.loads(rest))
            return


def remove_at(obj: Any, path: Path) -> None:
    """Take out what is at a path; parents that become empty stay only if they are lists' or objects' roots."""
    parents: list[tuple[Any, str]] = []
    at = obj
    tokens = path[:-1] if path and path[-1] == "." else path
    for token in tokens:
        parents.append((at, token))
        there, at = get_at(at, (token,))
        if not there:
            return
    for at, token in reversed(parents):
        sort, _, rest = token.partition(":")
        if sort == "f":
            at.pop(rest, None)
        elif sort == "k":
            at.remove(_entry(at, rest))
        else:
            at.remove(json.loads(rest))
        if at:
            return


class Owners:
    """managedFields of one object as sets of paths."""

    def __init__(self, entries: list[Object] | None = None) -> None:
        self.sets: dict[tuple[str, str, str], set[Path]] = {}
        self.times: dict[tuple[str, str, str], str] = {}
        for entry in entries or ():
            key = (entry["manager"], entry["operation"], entry.get("subresource", ""))
            self.sets[key] = untree(entry["fieldsV1"]) if entry["fieldsV1"] else set()
            self.times[key] = entry.get("time", "")

    def updated(self, key: tuple[str, str, str], changed: set[Path], gone: set[Path], now: str) -> None:
        """`key` wrote `changed` and removed `gone` without apply: others lose these."""
        for other, paths in self.sets.items():
            if other != key:
                paths -= changed
            paths -= gone
        if changed:
            self.sets.setdefault(key, set()).update(changed)
            self.times[key] = now

    def entries(self, api_version: str) -> list[Object]:
        found = []
        for key, paths in self.sets.items():
            if not paths:
                continue
            manager, operation, subresource = key
            entry = {"manager": manager, "operation": operation, "apiVersion": api_version, "time": self.times[key]}
            entry |= {"fieldsType": "FieldsV1", "fieldsV1": tree(paths)}
            found.append(entry | ({"subresource": subresource} if subresource else {}))
        return found


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result
