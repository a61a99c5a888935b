"""The CEL rules of all kinds, with the place where each stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omnixan.edge_network.api.crd import KINDS, crd


def all_rules() -> list[tuple[str, str, str]]:
    """(kind, schema path, message) of every rule; the path of a kind itself is empty."""
    found = []
    for kind in KINDS:
        schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        found += [(kind.name, path.lstrip("."), message) for path, message in _rules(schema, "")]
    return found


def _rules(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule["message"]
    for name, child in schema.get("properties", {}).items():
        yield from _rules(child, f"{path}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from _rules(schema["additionalProperties"], f"{path}.*")
