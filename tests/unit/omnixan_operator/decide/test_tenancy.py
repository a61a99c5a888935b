"""Whose jobs are taken."""

from __future__ import annotations

from typing import Any

import pytest

from omnixan_operator.decide.tenancy import takes
from tests.unit.omnixan_operator.operator_makers import cluster


@pytest.mark.parametrize(
    ("selector", "labels", "taken"),
    [
        ({}, {}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "a", "x": "y"}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "b"}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}, {"team": "b"}, True),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}, {}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, {"team": "a"}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, {}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, {"team": ""}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, {"team": ""}, False),
        (
            {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]},
            {"a": "1"},
            False,
        ),
    ],
)
def test_a_namespace_is_a_tenant_by_its_labels(selector: Any, labels: dict[str, str], taken: bool) -> None:
    assert takes(cluster(tenants={"namespaceSelector": selector}), "elsewhere", labels) is taken


def test_the_clusters_own_namespace_is_always_a_tenant() -> None:
    assert takes(cluster(), "omnixan", None)
    assert takes(cluster(tenants={"namespaceSelector": {"matchLabels": {"a": "b"}}}), "omnixan", {})


def test_without_tenants_nobody_else_is() -> None:
    assert not takes(cluster(), "elsewhere", {"a": "b"})


def test_an_unknown_namespace_is_no_tenant() -> None:
    assert not takes(cluster(tenants={"namespaceSelector": {}}), "elsewhere", None)
