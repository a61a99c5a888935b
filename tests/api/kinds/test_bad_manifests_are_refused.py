"""Every rule and bound of every schema, on a real API server: a manifest that breaks it, and one that just does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.client import Kube, RefusedError, new_namespace
from tests.cases.edit import contains, edited
from tests.cases.good import GOOD, Manifest
from tests.cases.manifests import CASES, CHANGES, Case, Change
from tests.cases.rules import all_rules
from tests.cases.spoilt import Spoilt, all_spoilt

GOOD_MANIFESTS = [manifest for manifests in GOOD.values() for manifest in manifests]


def _id(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def write(kube: Kube, manifest: Manifest) -> None:
    """Create an object and then its status, as an operator does. Status is ignored at creation."""
    kube.create(manifest)
    if "status" in manifest:
        kube.replace(manifest, "status")


@pytest.fixture(scope="module")
def live(control_plane: Kube) -> Iterator[Kube]:
    """A namespace where all good manifests are, status included."""
    with new_namespace(control_plane) as own:
        for manifest in GOOD_MANIFESTS:
            write(own, manifest)
        yield own


@pytest.mark.parametrize("manifest", GOOD_MANIFESTS, ids=_id)
def test_a_good_manifest_loses_nothing(live: Kube, manifest: Manifest) -> None:
    stored = live.get(manifest["kind"], manifest["metadata"]["name"])
    for part in ("spec", "status"):
        assert contains(stored.get(part, {}), manifest.get(part, {}))


@pytest.mark.parametrize("spoilt", all_spoilt(), ids=lambda s: s.id)
def test_a_value_outside_the_schema_is_refused_by_name(live: Kube, spoilt: Spoilt) -> None:
    manifest = spoilt.manifest
    with pytest.raises(RefusedError) as refused:
        if spoilt.path[0] == "status":
            live.replace(manifest, "status", dry_run=True)
        else:
            fresh = edited(manifest, {"metadata.name": "fresh"})
            live.create(fresh, dry_run=True)
    assert refused.value.code == 422, refused.value
    found = [(cause.reason, cause.field) for cause in refused.value.causes]
    assert (spoilt.reason, spoilt.refused_field) in found


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.kind}: {c.id}")
def test_a_bad_manifest_is_refused_and_says_why(shared: Kube, case: Case) -> None:
    with pytest.raises(RefusedError, match="is invalid") as refused:
        shared.create(case.bad_manifest, dry_run=True)
    assert refused.value.code == 422
    assert case.message in refused.value.message
    if case.rule is not None:
        (cause,) = refused.value.causes
        assert case.message in cause.message


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.kind}: {c.id}")
def test_what_is_just_allowed_is_taken(shared: Kube, case: Case) -> None:
    shared.create(case.border_manifest, dry_run=True)


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: f"{c.kind}: {c.id}")
def test_what_is_settled_cannot_be_changed(kube: Kube, change: Change) -> None:
    write(kube, change.old)
    part = "status" if change.status else ""
    with pytest.raises(RefusedError) as refused:
        kube.replace(edited(change.old, change.bad), part)
    assert refused.value.code == 422
    assert change.message in refused.value.message
    kube.replace(edited(change.old, change.allowed), part)


def test_every_rule_has_a_manifest_that_breaks_it() -> None:
    broken = {(case.kind, case.rule, case.message) for case in CASES if case.rule is not None}
    broken |= {(change.kind, change.rule, change.message) for change in CHANGES}
    untried = [
        (kind, path, message)
        for kind, path, message in all_rules()
        if not any(k == kind and p == path and m in message for k, p, m in broken)
    ]
    assert not untried


@pytest.mark.parametrize("manifest", [m[0] for m in GOOD.values()], ids=_id)
@pytest.mark.parametrize("place", ["surplus", "spec.surplus"])
def test_an_unknown_field_is_refused_by_name(shared: Kube, manifest: Manifest, place: str) -> None:
    with pytest.raises(RefusedError, match=f'unknown field "{place}"') as refused:
        shared.create(edited(manifest, {place: 1}), dry_run=True)
    assert refused.value.code == 400
