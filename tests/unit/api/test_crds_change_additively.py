"""The CRDs take what the last release took: nothing removed, nothing tightened."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.crd_changes import Break, all_breaks, breaks, load

ROOT = Path(__file__).resolve().parents[3]
BASELINE = ROOT / "tests" / "baseline" / "0.1.0" / "crds"
ACCEPTED = ROOT / "tests" / "baseline" / "accepted.yaml"

Schema = dict[str, Any]


def test_nothing_breaks_that_is_not_accepted_with_a_reason() -> None:
    accepted = {Break(entry["path"], entry["what"]) for entry in yaml.safe_load(ACCEPTED.read_text()) or ()}
    found = set(all_breaks(BASELINE, ROOT / "crds"))
    new = [{"path": b.path, "what": b.what, "because": "…"} for b in sorted(found - accepted, key=str)]
    assert not new, (
        "the CRDs refuse or lose what the last release took. Make the change additive (optional field, default, wider "
        "bound). Only if no stored object and no manifest can be hit, add to tests/baseline/accepted.yaml, with a reason:\n"
        + yaml.safe_dump(new, sort_keys=False, width=120)
    )
    assert not accepted - found, f"entries of {ACCEPTED.name} that are no longer so: {accepted - found}"
    assert all(entry["because"] not in ("", "…") for entry in yaml.safe_load(ACCEPTED.read_text()) or ())


def test_a_kind_that_is_gone_is_found(tmp_path: Path) -> None:
    assert {b.what for b in all_breaks(BASELINE, tmp_path)} == {"the kind is gone"}


JOB = "quantumjobs.edge.omnixan.io"
CLUSTER = "edgeclusters.edge.omnixan.io"
RUN = "quantumruns.edge.omnixan.io"


def schema_of(crd: Schema, *path: str) -> Schema:
    found: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in path:
        found = found[part] if part in ("items", "additionalProperties") else found["properties"][part]
    return found


POOL = ("spec", "pools", "items")


@pytest.mark.parametrize(
    ("name", "path", "change", "said"),
    [
        (CLUSTER, POOL, lambda s: s["properties"].pop("maxNodes"), "pools[].maxNodes: the field is gone"),
        (CLUSTER, (*POOL, "minNodes"), lambda s: s.update(type="string"), "type changed from 'integer' to 'string'"),
        (CLUSTER, (*POOL, "minNodes"), lambda s: s.update(maximum=3), "and is 3"),
        (CLUSTER, (*POOL, "minNodes"), lambda s: s.update(minimum=1), "minimum was 0 and is 1"),
        (CLUSTER, (*POOL, "minNodes"), lambda s: s.update(default=1), "the default was 0 and is 1"),
        (CLUSTER, POOL, lambda s: s["required"].append("maxNodes"), None),  # it has a default
        (CLUSTER, POOL, lambda s: s["required"].append("agent"), "pools[].agent: is required now"),
        (CLUSTER, (*POOL, "tier"), lambda s: s["enum"].remove("compute"), "'compute' is no longer allowed"),
        (CLUSTER, (*POOL, "tier"), lambda s: s["enum"].append("cloud"), None),
        (CLUSTER, (*POOL, "tier"), lambda s: s.pop("enum"), None),
        (CLUSTER, (*POOL, "name"), lambda s: s.update(pattern="^x$"), "pattern was"),
        (CLUSTER, (*POOL, "name"), lambda s: s.update(enum=["x"]), "only ['x'] are allowed now"),
        (CLUSTER, ("spec", "pools"), lambda s: s.update({"x-kubernetes-list-type": "atomic"}), "x-kubernetes-list-type"),
        (CLUSTER, POOL, lambda s: s["x-kubernetes-validations"].append({"rule": "false"}), "new rule: false"),
        (CLUSTER, POOL, lambda s: s["x-kubernetes-validations"].append({"rule": "self.name == oldSelf.name"}), None),
        (CLUSTER, POOL, lambda s: s["x-kubernetes-validations"].clear(), None),
        (CLUSTER, POOL, lambda s: s["properties"].update(colour={"type": "string"}), None),
        (JOB, ("spec", "requirements"), lambda s: s.update(default={"minQubits": 3}), "the default was {} and is"),
        (JOB, ("spec", "requirements"), lambda s: s.update(default={"newOne": True}), None),
        (JOB, ("spec", "execution"), lambda s: s.pop("default"), "manifests that leave it out"),
    ],
)
def test_every_kind_of_break_is_found_and_nothing_else(
    name: str, path: tuple[str, ...], change: Any, said: str | None
) -> None:
    old = load(BASELINE)[name]
    new = copy.deepcopy(old)
    change(schema_of(new, *path))
    found = "\n".join(map(str, breaks(old, new)))
    assert found == "" if said is None else said in found


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (JOB, lambda s: s["names"].update(shortNames=[]), "'qj'"),
        (JOB, lambda s: s.update(scope="Cluster"), "spec.scope changed"),
        (JOB, lambda s: s["versions"][0].update(served=False), "no longer served"),
        (JOB, lambda s: s["versions"][0].update(name="v1"), "no longer served"),
        (CLUSTER, lambda s: s["versions"][0]["subresources"].pop("scale"), "the subresource scale is gone"),
        (RUN, lambda s: s["versions"][0].update(selectableFields=[]), "selected by .spec.nodeName"),
    ],
)
def test_what_is_not_schema_is_looked_at_too(name: str, change: Any, said: str) -> None:
    old = load(BASELINE)[name]
    new = copy.deepcopy(old)
    change(new["spec"])
    assert said in "\n".join(map(str, breaks(old, new)))
