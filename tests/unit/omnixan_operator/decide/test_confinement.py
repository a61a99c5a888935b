"""A policy confines agents only if it and its binding refuse, everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from omnixan_operator.decide.confinement import message, problem
from tests.cases.edit import DELETE, edited

POLICY: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"failurePolicy": "Fail"}}
BINDING: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}


def test_a_bound_policy_that_denies_is_in_force() -> None:
    assert problem(POLICY, BINDING) == ""
    assert problem(edited(POLICY, {"spec.failurePolicy": DELETE}), BINDING) == ""
    assert problem(POLICY, edited(BINDING, {"spec.validationActions": ["Deny", "Audit"]})) == ""


@pytest.mark.parametrize(
    ("policy", "binding", "why"),
    [
        (None, BINDING, "the policy is missing"),
        (edited(POLICY, {"metadata.deletionTimestamp": "now"}), BINDING, "the policy is missing"),
        (edited(POLICY, {"spec.failurePolicy": "Ignore"}), BINDING, "failurePolicy is not Fail"),
        (POLICY, None, "binding is missing"),
        (POLICY, edited(BINDING, {"metadata.deletionTimestamp": "now"}), "binding is missing"),
        (POLICY, edited(BINDING, {"spec.policyName": "other"}), "of another policy"),
        (POLICY, edited(BINDING, {"spec.validationActions": ["Warn", "Audit"]}), "does not Deny"),
        (POLICY, edited(BINDING, {"spec.matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}), "limited"),
    ],
)
def test_anything_less_is_named(policy: dict[str, Any] | None, binding: dict[str, Any] | None, why: str) -> None:
    assert why in problem(policy, binding)


def test_the_message_names_each_policy_and_what_to_do() -> None:
    text = message({"b": "its binding is missing", "a": "the policy is missing"})
    assert "a (the policy is missing), b (its binding is missing)" in text and "helm upgrade" in text
