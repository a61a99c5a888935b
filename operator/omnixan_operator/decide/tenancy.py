"""Whose jobs an EdgeCluster takes."""

from __future__ import annotations

from collections.abc import Mapping

from omnixan.edge_network.api.edgecluster import EdgeCluster, LabelExpression, LabelSelector


def takes(cluster: EdgeCluster, namespace: str, labels: Mapping[str, str] | None) -> bool:
    """Whether `cluster` takes jobs of `namespace`, which has `labels` (None: it is not known, so it is no tenant)."""
    if namespace == cluster.metadata.namespace:
        return True
    if cluster.spec.tenants is None or labels is None:
        return False
    return selects(cluster.spec.tenants.namespace_selector, labels)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    return all(labels.get(key) == value for key, value in (selector.match_labels or {}).items()) and all(
        _meets(expression, labels) for expression in selector.match_expressions or ()
    )


def _meets(expression: LabelExpression, labels: Mapping[str, str]) -> bool:
    present, value = expression.key in labels, labels.get(expression.key)
    match expression.operator:
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
        case "In":
            return present and value in (expression.values or ())
        case "NotIn":  # as in Kubernetes, a missing label is not in the list
            return value not in (expression.values or ())
