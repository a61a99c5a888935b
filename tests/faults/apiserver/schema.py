"""Structural schemas of CRDs: prune, default, validate, and the CEL rules, all read from the generated crds/*.yaml."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.faults.apiserver.cel import CelError, Expression, compile_rule

CRDS = Path(__file__).resolve().parents[3] / "crds"
Schema = dict[str, Any]


@cache
def schemas() -> dict[str, Schema]:
    """openAPIV3Schema by kind."""
    found = {}
    for path in sorted(CRDS.glob("*.yaml")):
        crd = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        found[crd["spec"]["names"]["kind"]] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@cache
def selectable(kind: str) -> tuple[str, ...]:
    """jsonPaths that a field selector may name, metadata.name and metadata.namespace apart."""
    for path in CRDS.glob("*.yaml"):
        crd = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if crd["spec"]["names"]["kind"] == kind:
            return tuple(one["jsonPath"].lstrip(".") for one in crd["spec"]["versions"][0].get("selectableFields", ()))
    return ()


def prune(value: Any, schema: Schema) -> Any:
    """Without the fields that the schema does not know."""
    if isinstance(value, dict) and "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        known = schema["properties"]
        return {k: prune(v, known[k]) for k, v in value.items() if k in known and v is not None}
    if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        return {k: prune(v, schema["additionalProperties"]) for k, v in value.items()}
    if isinstance(value, list) and "items" in schema:
        return [prune(item, schema["items"]) for item in value]
    return value


def default(value: Any, schema: Schema) -> None:
    """Set defaults of absent fields, in place."""
    if isinstance(value, dict) and "properties" in schema:
        for name, below in schema["properties"].items():
            if name not in value and "default" in below:
                value[name] = copy.deepcopy(below["default"])
            if name in value:
                default(value[name], below)
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for item in value.values():
            default(item, schema["additionalProperties"])
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            default(item, schema["items"])


def errors(value: Any, schema: Schema, old: Any = None, path: str = "") -> Iterator[str]:
    """What is wrong with a value, transition rules against `old` included."""
    yield from _own_errors(value, schema, path)
    if isinstance(value, dict) and "properties" in schema:
        for name, below in schema["properties"].items():
            if name in value and name != "metadata":
                before = old.get(name) if isinstance(old, dict) else None
                yield from errors(value[name], below, before, f"{path}.{name}")
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for name, item in value.items():
            yield from errors(item, schema["additionalProperties"], None, f"{path}[{name}]")
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from errors(item, schema["items"], None, f"{path}[{number}]")
    yield from _rule_errors(value, schema, old, path)


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def _own_errors(value: Any, schema: Schema, path: str) -> Iterator[str]:
    wanted = schema.get("type")
    if wanted and (not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")):
        yield f"{path}: Invalid value: must be of type {wanted}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: Unsupported value: {value!r}"
    if isinstance(value, dict):
        yield from (f"{path}.{name}: Required value" for name in schema.get("required", ()) if name not in value)
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path}: Invalid value: must match {schema['pattern']}"
        yield from _bounds(len(value), schema, "Length", path)
    if isinstance(value, list):
        yield from _bounds(len(value), schema, "Items", path)
        yield from _twins(value, schema, path)
    if isinstance(value, dict):
        yield from _bounds(len(value), schema, "Properties", path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{path}: Invalid value: must be at least {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            yield f"{path}: Invalid value: must be at most {schema['maximum']}"


def _bounds(size: int, schema: Schema, what: str, path: str) -> Iterator[str]:
    if size < schema.get(f"min{what}", 0):
        yield f"{path}: Invalid value: too short"
    if size > schema.get(f"max{what}", size):
        yield f"{path}: Too long: may not be more than {schema[f'max{what}']}"


def _twins(value: list[Any], schema: Schema, path: str) -> Iterator[str]:
    keys = schema.get("x-kubernetes-list-map-keys")
    if schema.get("x-kubernetes-list-type") not in ("map", "set"):
        return
    marks = [repr([item.get(key) for key in keys] if keys and isinstance(item, dict) else item) for item in value]
    if len(set(marks)) != len(marks):
        yield f"{path}: Duplicate value"


@cache
def _compiled(rule: str) -> tuple[Expression, bool]:
    return compile_rule(rule), "oldSelf" in rule


def _rule_errors(value: Any, schema: Schema, old: Any, path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        expression, transition = _compiled(rule["rule"])
        if transition and old is None:
            continue
        try:
            holds = expression({"self": value, "oldSelf": old})
        except CelError:
            holds = False
        if not holds:
            yield f"{path or '<root>'}: Invalid value: {rule.get('message', rule['rule'])}"
