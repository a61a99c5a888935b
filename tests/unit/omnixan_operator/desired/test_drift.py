"""Drift: what must be applied again, and what must not."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnixan_operator.desired.daemonset import daemon_set
from omnixan_operator.desired.drift import contained, immutable_differs, needs_apply, quantity
from tests.unit.omnixan_operator.operator_makers import cluster, pool

KEYS = {"containers": ("name",), "env": ("name",), "volumes": ("name",), "volumeMounts": ("mountPath",)}
KEYS |= {"ports": ("containerPort", "protocol"), "ownerReferences": ("uid",)}


def fields(value: Any, name: str = "") -> dict[str, Any]:
    """What the API server would note that we own after applying `value`."""
    if isinstance(value, dict):
        return {f"f:{key}": fields(inner, key) for key, inner in value.items()}
    if isinstance(value, list) and name in KEYS:
        return {"k:" + json.dumps({key: item[key] for key in KEYS[name]}): {".": {}} | fields(item) for item in value}
    return {}


def applied(desired: Any) -> Any:
    """A live object after our apply, with what the server adds."""
    live = copy.deepcopy(desired)
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 1}
    own = {key: value for key, value in desired.items() if key not in ("apiVersion", "kind")}
    own["metadata"] = {k: v for k, v in own["metadata"].items() if k not in ("name", "namespace")}
    live["metadata"]["managedFields"] = [{"fieldsV1": fields(own)}]
    return live


def fresh() -> Any:
    tolerations = [{"key": "edge", "operator": "Exists"}]
    return daemon_set(
        cluster(pools=[pool(tolerations=tolerations)]), cluster(pools=[pool(tolerations=tolerations)]).spec.pools[0], "i:1"
    )


def container(live: Any) -> Any:
    return live["spec"]["template"]["spec"]["containers"][0]


def test_what_was_applied_is_not_applied_again() -> None:
    desired = fresh()
    assert needs_apply(desired, None)
    assert not needs_apply(desired, applied(desired))


def test_what_the_server_and_others_add_is_no_drift() -> None:
    desired = fresh()
    live = applied(desired)
    live["metadata"]["labels"]["team"] = "edge"
    live["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "1"}
    live["spec"]["revisionHistoryLimit"] = 10
    live["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"
    container(live)["imagePullPolicy"] = "IfNotPresent"
    container(live)["env"].insert(0, {"name": "INJECTED", "value": "1"})
    container(live)["env"].reverse()
    live["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "s"})
    live["spec"]["template"]["spec"]["volumes"].append({"name": "foreign", "emptyDir": {}})
    assert not needs_apply(desired, live)


@pytest.mark.parametrize(
    ("written", "stored"), [("100m", "0.1"), ("1024Mi", "1Gi"), ("0.5", "500m"), ("1e3", "1k"), (2, "2")]
)
def test_a_quantity_is_what_it_stands_for(written: Any, stored: str) -> None:
    desired, live = fresh(), applied(fresh())
    container(desired)["resources"] = {"requests": {"cpu": written}}
    container(live)["resources"] = {"requests": {"cpu": stored}}
    assert contained(desired, live)
    container(live)["resources"] = {"requests": {"cpu": "7"}}
    assert not contained(desired, live)


def test_quantities() -> None:
    assert quantity("1.5Gi") == Decimal(1610612736) and quantity("10u") == Decimal("0.00001")
    assert quantity("1E") == Decimal(10) ** 18 and quantity("1e2") == 100 and quantity("x") is None


def test_a_field_that_we_own_and_no_longer_want_is_drift() -> None:
    before, after = fresh(), fresh()
    del after["spec"]["template"]["spec"]["tolerations"]
    assert needs_apply(after, applied(before))
    container(after)["env"] = container(after)["env"][:-1]
    assert needs_apply(after, applied(before))


def test_an_object_that_we_never_applied_is_drift_even_if_equal() -> None:
    live = applied(fresh())
    live["metadata"]["managedFields"] = []
    assert needs_apply(fresh(), live)


def test_lists_without_keys_count_as_a_whole() -> None:
    desired, live = fresh(), applied(fresh())
    live["spec"]["template"]["spec"]["tolerations"].append({"operator": "Exists"})
    assert needs_apply(desired, live)


def test_an_empty_string_may_be_dropped_by_the_server() -> None:
    live = applied(fresh())
    region = next(env for env in container(live)["env"] if env["name"] == "REGION")
    del region["value"]
    assert not needs_apply(fresh(), live)


def paths(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in paths(inner, *path, key)]
    if isinstance(value, list):
        return [found for number, inner in enumerate(value) for found in paths(inner, *path, number)]
    return [path]


LEAVES = [path for path in paths(fresh()) if path[-1] not in ("namespace",)]


@given(st.sampled_from(LEAVES))
def test_any_changed_or_missing_leaf_is_drift(path: tuple[Any, ...]) -> None:
    for change in ("changed", "gone"):
        live = applied(fresh())
        inner = live
        for step in path[:-1]:
            inner = inner[step]
        if change == "changed":
            inner[path[-1]] = "something else"
        elif isinstance(inner, list):
            inner.pop(path[-1])
        elif inner[path[-1]] == "":
            continue
        else:
            del inner[path[-1]]
        assert needs_apply(fresh(), live), (change, path)


def test_fields_that_nobody_may_change_are_known() -> None:
    role = {"kind": "ClusterRole", "name": "a"}
    assert immutable_differs("RoleBinding", {"roleRef": role}, {"roleRef": role | {"name": "b"}})
    assert not immutable_differs("RoleBinding", {"roleRef": role}, {"roleRef": dict(role)})
    assert immutable_differs("DaemonSet", {"spec": {"selector": 1}}, {"spec": {"selector": 2}})
    assert not immutable_differs("ServiceAccount", {"a": 1}, {})
