"""The same manifests as in tests/api: what a cluster refuses does not run locally, what it takes does."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from omnixan.edge_network.api.crd import KINDS
from omnixan.edge_network.api.meta import Model
from tests.cases.edit import contains
from tests.cases.good import GOOD, Manifest
from tests.cases.manifests import CASES, CHANGES, Case
from tests.cases.rules import all_rules
from tests.cases.spoilt import Spoilt, all_spoilt

MODELS: dict[str, type[Model]] = {kind.name: kind.model for kind in KINDS}
GOOD_MANIFESTS = [manifest for manifests in GOOD.values() for manifest in manifests]
SPOILT = [case for case in all_spoilt() if case.known_to_python]
LEFT_TO_THE_API_SERVER = ("format", "pattern", "maxLength")
"""Formats of times, and the grammar of quantities: both are only read from the API server."""


@pytest.mark.parametrize("manifest", GOOD_MANIFESTS, ids=lambda m: f"{m['kind']} {m['metadata']['name']}")
def test_a_good_manifest_loses_nothing(manifest: Manifest) -> None:
    wire = MODELS[manifest["kind"]].model_validate(manifest).wire()
    for part in ("spec", "status"):
        assert contains(wire[part], manifest.get(part, {}))


@pytest.mark.parametrize("spoilt", SPOILT, ids=lambda s: s.id)
def test_a_value_outside_the_schema_is_refused_at_its_place(spoilt: Spoilt) -> None:
    with pytest.raises(ValidationError) as refused:
        MODELS[spoilt.kind].model_validate(spoilt.manifest)
    places = [tuple(p for p in error["loc"] if p not in ("int", "str")) for error in refused.value.errors()]
    assert spoilt.path in places, places


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.kind}: {c.id}")
def test_a_bad_manifest_is_refused(case: Case) -> None:
    with pytest.raises(ValidationError) as refused:
        MODELS[case.kind].model_validate(case.bad_manifest)
    if case.rule is not None:
        assert case.message in str(refused.value)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.kind}: {c.id}")
def test_what_is_just_allowed_is_taken(case: Case) -> None:
    MODELS[case.kind].model_validate(case.border_manifest)


def test_only_formats_and_quantities_are_left_to_the_api_server() -> None:
    for case in all_spoilt():
        if not case.known_to_python:
            assert case.keyword in LEFT_TO_THE_API_SERVER
            assert case.keyword == "format" or ".resources." in case.field


def test_every_rule_without_a_python_check_is_about_a_change() -> None:
    for name, model in MODELS.items():
        for owner in _models_below(model):
            for rule in owner.RULES:
                assert (rule.check is None) == ("oldSelf" in rule.cel), f"{name}: {rule.cel}"


def test_every_rule_about_a_state_is_broken_by_a_case() -> None:
    broken = {(case.kind, case.rule) for case in CASES} | {(change.kind, change.rule) for change in CHANGES}
    assert {(kind, path) for kind, path, _ in all_rules()} <= broken


def _models_below(model: type[Model]) -> set[type[Model]]:
    found: set[type[Model]] = set()
    waiting = [model]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for field in current.model_fields.values():
            waiting += [m for m in _types_in(field.annotation) if isinstance(m, type) and issubclass(m, Model)]
    return found


def _types_in(annotation: object) -> list[object]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(t for argument in inner for t in _types_in(argument))]
