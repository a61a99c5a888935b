"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.faults.apiserver.resources import Object, Resource
from tests.faults.apiserver.schema import selectable

Predicate = Callable[[Object], bool]
_SETS = re.compile(r"^\s*([^\s!=]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_BUILT_IN = {"Pod": ("spec.nodeName", "status.phase"), "Node": ("spec.unschedulable",)}


def label_selector(text: str) -> Predicate:
    """a=b, a==b, a!=b, a, !a, a in (b,c), a notin (b)."""
    tests = [_label(part) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _label(text: str) -> Callable[[dict[str, str]], bool]:
    if match := _SETS.match(text):
        key, operator, values = match[1], match[2], {value.strip() for value in match[3].split(",")}
        return lambda labels: (labels.get(key) in values) == (operator == "in")
    if "!=" in text:
        key, value = (part.strip() for part in text.split("!="))
        return lambda labels: labels.get(key) != value
    if "=" in text:
        key, value = (part.strip() for part in re.split("==?", text))
        return lambda labels: labels.get(key) == value
    name = text.strip()
    return lambda labels: (name.lstrip("!") in labels) != name.startswith("!")


def field_selector(resource: Resource, text: str) -> Predicate:
    """a=b and a!=b on the fields that the resource allows; Refusal 400 for others."""
    from tests.faults.apiserver.requests import Refusal

    allowed = {"metadata.name", "metadata.namespace", *selectable(resource.kind), *_BUILT_IN.get(resource.kind, ())}
    tests: list[tuple[list[str], str, bool]] = []
    for part in filter(None, text.split(",")):
        key, value = re.split("!=|==?", part)
        if key not in allowed:
            raise Refusal(400, "BadRequest", f"field label not supported: {key}")
        tests.append((key.split("."), value, "!=" not in part))
    return lambda obj: all((_value(obj, path) == value) == equal for path, value, equal in tests)


def _value(obj: Object, path: list[str]) -> str:
    found: object = obj
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)
