"""One bad manifest for every constraint of every schema, made by walking the schemas.

Each bad manifest is a good one in which exactly one value was changed, so that the good one is its passing twin. A new
field is covered as soon as a manifest in good.py has it; until then the walk itself fails and names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.api.crd import KINDS, crd
from tests.cases.edit import DELETE, Path, edited, value_at
from tests.cases.good import GOOD, Manifest

Schema = dict[str, Any]
ANY_ITEM = "[]"
ANY_KEY = "*"
LARGEST = 200_000
"""Bounds beyond this are not tried: the API server's limit on a request's bytes comes first."""

WRONG_TYPE: dict[str, Any] = {
    "string": 5,
    "integer": "1",
    "number": "1.5",
    "boolean": "true",
    "object": "x",
    "array": "x",
}
REASON = {
    "required": "FieldValueRequired",
    "type": "FieldValueTypeInvalid",
    "format": "FieldValueTypeInvalid",
    "enum": "FieldValueNotSupported",
    "maxLength": "FieldValueTooLong",
    "maxItems": "FieldValueTooMany",
    "maxProperties": "FieldValueTooMany",
    "unique": "FieldValueDuplicate",
}
"""What the API server calls a broken constraint; all others are FieldValueInvalid."""


@dataclass(frozen=True)
class Spoilt:
    """A manifest with one value that its schema forbids."""

    kind: str
    keyword: str
    good: Manifest
    path: Path
    value: Any
    known_to_python: bool

    @property
    def id(self) -> str:
        """Name of the case."""
        return f"{self.kind}.{self.field}:{self.keyword}"

    @property
    def field(self) -> str:
        """The path of the value, as the API server writes it."""
        parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(parts).lstrip(".")

    @property
    def refused_field(self) -> str:
        """The path that the API server names: of two equal entries, the second."""
        return f"{self.field}[1]" if self.keyword == "unique" else self.field

    @property
    def reason(self) -> str:
        """The API server's word for it."""
        return REASON.get(self.keyword, "FieldValueInvalid")

    @property
    def manifest(self) -> Manifest:
        """The bad manifest."""
        return edited(self.good, {self.path: self.value})


def all_spoilt() -> list[Spoilt]:
    """Every case. Raises LookupError naming a field that no good manifest has."""
    return [case for kind in KINDS for case in _of_kind(kind.name, crd(kind)["spec"]["versions"][0])]


def _of_kind(kind: str, version: Schema) -> Iterator[Spoilt]:
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    for part in ("spec", "status"):
        yield from _walk(kind, properties[part], (part,))


def _walk(kind: str, schema: Schema, pattern: Path) -> Iterator[Spoilt]:
    good, path = _find(kind, pattern)
    value = value_at(good, path)
    for keyword, bad in _violations(schema, value):
        yield Spoilt(kind, keyword, good, path, bad, _known_to_python(schema, keyword))
    for name in schema.get("required", ()):
        good, path = _find(kind, (*pattern, name))
        yield Spoilt(kind, "required", good, path, DELETE, True)
    for name, child in schema.get("properties", {}).items():
        yield from _walk(kind, child, (*pattern, name))
    if "items" in schema:
        yield from _walk(kind, schema["items"], (*pattern, ANY_ITEM))
    if "additionalProperties" in schema:
        yield from _walk(kind, schema["additionalProperties"], (*pattern, ANY_KEY))


def _violations(schema: Schema, value: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of a keyword of the schema and a value that breaks it; `value` is a good one."""
    if schema.get("x-kubernetes-int-or-string"):
        yield "type", True
    else:
        yield "type", WRONG_TYPE[schema["type"]]
    if "enum" in schema:
        yield "enum", "nonsense"
    if "minimum" in schema:
        yield "minimum", schema["minimum"] - 1
    if "maximum" in schema:
        yield "maximum", schema["maximum"] + 1
    if "pattern" in schema:
        yield "pattern", "!" * max(1, schema.get("minLength", 1))
    if "format" in schema and schema["type"] == "string":
        yield "format", "yesterday"
    yield from _sizes(schema, value)
    list_type = schema.get("x-kubernetes-list-type")
    if list_type in ("map", "set"):
        yield "unique", [value[0], value[0]]


def _sizes(schema: Schema, value: Any) -> Iterator[tuple[str, Any]]:
    if "minLength" in schema:
        yield "minLength", "a" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        yield "maxLength", "1" * (schema["maxLength"] + 1)
    if "minItems" in schema:
        yield "minItems", value[: schema["minItems"] - 1]
    if "maxItems" in schema:
        yield "maxItems", [value[0]] * (schema["maxItems"] + 1)
    if "minProperties" in schema:
        yield "minProperties", {}
    if schema.get("maxProperties", LARGEST) < LARGEST:
        first = next(iter(value.values()))
        yield "maxProperties", {f"key-{number}": first for number in range(schema["maxProperties"] + 1)}


def _known_to_python(schema: Schema, keyword: str) -> bool:
    """Whether the models refuse it too. What only the operator and agents write is left to the API server."""
    return not (keyword == "format" or (schema.get("x-kubernetes-int-or-string") and keyword != "type"))


def _find(kind: str, pattern: Path) -> tuple[Manifest, Path]:
    """The first good manifest of the kind that has something at the pattern, and the path of it there."""
    for good in GOOD[kind]:
        path: list[str | int] = []
        found: Any = good
        try:
            for step in pattern:
                actual: str | int = step
                if step == ANY_ITEM:
                    actual = 0
                elif step == ANY_KEY:
                    actual = next(iter(found))
                found = value_at(found, (actual,))
                path.append(actual)
        except (KeyError, IndexError, StopIteration):
            continue
        return good, tuple(path)
    raise LookupError(f"no good manifest has {kind}.{'.'.join(map(str, pattern))}: add it in tests/cases/good.py")
