"""The generator: what it makes of the models, what it refuses to make, and that what is checked in is what it makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from omnixan.edge_network.api import crd
from omnixan.edge_network.api.crd import KINDS, Kind, NotStructuralError, structural, unbounded
from omnixan.edge_network.api.meta import ATOMIC, SET, Model, Rule

ROOT = Path(__file__).resolve().parents[3]
FIELDS = Path(__file__).with_name("fields.txt")
Schema = dict[str, Any]


def nodes(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every node of a schema with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}.*")


def schema_of(kind: Kind) -> Schema:
    """The schema of a kind."""
    schema: Schema = crd.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


ALL_NODES = [found for kind in KINDS for found in nodes(schema_of(kind), kind.name)]


def test_generating_again_makes_no_difference() -> None:
    for path, text in crd.files().items():
        assert (ROOT / path).read_text() == text, f"{path} is out of date: run `make generate` and commit what it writes"


def test_no_file_is_left_of_a_kind_that_is_gone() -> None:
    for folder in ("crds", "charts/omnixan-edge/templates/crds"):
        assert {p.name for p in (ROOT / folder).iterdir()} == {p.name for p in crd.files() if str(p.parent) == folder}


def test_no_change_takes_a_field_away() -> None:
    """A path in fields.txt may never go: objects in etcd have it. New ones are added to the file."""
    now = {path for path, _ in ALL_NODES}
    then = FIELDS.read_text().splitlines()
    gone = [path for path in then if path not in now]
    assert not gone, f"these fields were taken away: {gone}"
    assert then == sorted(now), f"add to {FIELDS.name}, sorted: {sorted(now - set(then))}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_schemas_have_only_what_kubernetes_calls_structural(kind: Kind) -> None:
    for path, node in nodes(schema_of(kind), kind.name):
        assert not {"$ref", "$defs", "const", "title", "oneOf", "allOf", "not", "prefixItems"} & node.keys(), path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert "x-kubernetes-preserve-unknown-fields" not in node, path
        if node.get("type") == "object":
            assert ("properties" in node) != ("additionalProperties" in node) or path.endswith(".metadata"), path
        if node.get("type") == "array":
            assert node["x-kubernetes-list-type"] in ("map", "set", "atomic"), path
        assert not isinstance(node.get("exclusiveMinimum"), int), path
        if path.startswith(f"{kind.name}.spec"):
            assert node.get("type") != "number", f"{path}: no floats in spec"


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_nothing_in_spec_or_status_grows_without_bound(kind: Kind) -> None:
    for part in ("spec", "status"):
        assert not list(unbounded(schema_of(kind)["properties"][part], part))


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_columns_and_selectors_point_at_fields_that_exist(kind: Kind) -> None:
    known = {path.removeprefix(kind.name) for path, _ in nodes(schema_of(kind), kind.name)}
    for path in (*(c.path for c in kind.columns), *kind.selectable):
        if path.startswith(".metadata."):
            continue
        assert path.split("[?")[0] in known, path
    assert 4 <= len(kind.columns) <= 8
    assert kind.columns[-1].name == "Age"


def test_the_chart_keeps_crds_that_helm_would_not_misread() -> None:
    for kind in KINDS:
        text = crd.chart_template(kind)
        assert text.startswith("{{- if .Values.crds.install }}\n")
        assert text.endswith("{{- end }}\n")
        plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("{{"))
        assert yaml.safe_load(plain)["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


class Nameless(Model):
    """Has a field without a description's worth of structure."""

    anything: dict[str, Any]
    """Whatever."""


class EitherOr(Model):
    """Has a field of two types."""

    either: int | str
    """A number or a word."""


class Untyped(Model):
    """Has a list that server-side apply would not know how to merge."""

    entries: list[int]
    """Numbers."""


class Open(Model):
    """Has an exclusive bound, which OpenAPI 3.0 writes otherwise."""

    share: Annotated[float, Field(gt=0)]
    """More than nothing."""


class Pair(Model):
    """Has a tuple."""

    pair: Annotated[tuple[int, str], Field(json_schema_extra=ATOMIC)]
    """A number and a word."""


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (EitherOr, "EitherOr.either: a union of several types"),
        (Untyped, "Untyped.entries: a list needs x-kubernetes-list-type"),
        (Open, "Open.share: exclusiveMinimum is not structural"),
        (Nameless, "Nameless.anything: an object without fields would be pruned to nothing"),
        (Pair, "Pair.pair: prefixItems is not structural"),
    ],
)
def test_a_model_that_no_schema_can_say_is_refused_by_path(model: type[Model], complaint: str) -> None:
    with pytest.raises(NotStructuralError, match=complaint.replace(".", r"\.")):
        structural(model)


def test_optional_fields_defaults_and_rules_come_through() -> None:
    class Small(Model):
        """A small one."""

        low: int = 0
        """Lower end."""
        high: int | None = None
        """Upper end."""
        tags: Annotated[list[str], Field(max_length=3), SET] | None = None
        """Words."""
        RULES = (Rule("self.low >= 0", "low must not be negative", lambda small: small.low >= 0, ".low"),)

    assert structural(Small) == {
        "type": "object",
        "description": "A small one.",
        "properties": {
            "low": {"type": "integer", "format": "int64", "default": 0, "description": "Lower end."},
            "high": {"type": "integer", "format": "int64", "description": "Upper end."},
            "tags": {
                "type": "array",
                "maxItems": 3,
                "items": {"type": "string"},
                "x-kubernetes-list-type": "set",
                "description": "Words.",
            },
        },
        "x-kubernetes-validations": [{"rule": "self.low >= 0", "message": "low must not be negative", "fieldPath": ".low"}],
    }


def test_what_has_no_bound_is_named() -> None:
    schema = {
        "type": "object",
        "properties": {
            "word": {"type": "string"},
            "choice": {"type": "string", "enum": ["a"]},
            "size": {"x-kubernetes-int-or-string": True},
            "list": {"type": "array", "items": {"type": "string", "maxLength": 3}},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    assert list(unbounded(schema, "x")) == [
        "x.word: string without maxLength",
        "x.size: string without maxLength",
        "x.list: list without maxItems",
        "x.map: map without maxProperties",
        "x.map.*: string without maxLength",
    ]
