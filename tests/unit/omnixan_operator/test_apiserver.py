"""Errors of the API server, by class."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omnixan_operator import apiserver
from omnixan_operator.apiserver import LEADER_POLICY, ApiError, classify
from omnixan_operator.kinds import CONFIG_MAP, DAEMON_SET, NODE, QUANTUM_JOB


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", apiserver.InvalidError),
        (401, "Unauthorized", apiserver.TransientError),
        (403, "Forbidden", apiserver.ForbiddenError),
        (404, "NotFound", apiserver.NotFoundError),
        (409, "AlreadyExists", apiserver.AlreadyExistsError),
        (409, "Conflict", apiserver.ConflictError),
        (413, "RequestEntityTooLarge", apiserver.InvalidError),
        (422, "Invalid", apiserver.InvalidError),
        (429, "TooManyRequests", apiserver.TooManyRequestsError),
        (500, "InternalError", apiserver.TransientError),
        (503, "ServiceUnavailable", apiserver.TransientError),
        (504, "Timeout", apiserver.TransientError),
    ],
)
def test_an_error_has_the_class_of_its_status(code: int, reason: str, kind: type[ApiError]) -> None:
    error = classify(code, json.dumps({"reason": reason, "message": "what is wrong"}).encode(), None)
    assert type(error) is kind and str(error) == "what is wrong" and error.code == code


def test_a_refusal_by_the_leaders_policy_is_not_a_lack_of_rights() -> None:
    said = f"edgenodes \"a\" is forbidden: ValidatingAdmissionPolicy '{LEADER_POLICY}' with binding 'x' denied request: no"
    error = classify(403, json.dumps({"reason": "Forbidden", "message": said}).encode(), None)
    assert type(error) is apiserver.NotLeadingError


@pytest.mark.parametrize(("header", "delay"), [("7", 7.0), (None, 1.0), ("soon", 1.0)])
def test_the_server_says_how_long_to_wait(header: str | None, delay: float) -> None:
    assert classify(429, b"{}", header).retry_after == delay


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"\xff"])
def test_any_body_will_do(body: bytes) -> None:
    assert isinstance(classify(500, body, None), apiserver.TransientError)


def test_paths_are_those_of_the_api() -> None:
    assert CONFIG_MAP.path("ns", "m") == "/api/v1/namespaces/ns/configmaps/m"
    assert NODE.path("", "n", "status") == "/api/v1/nodes/n/status"
    assert DAEMON_SET.path() == "/apis/apps/v1/daemonsets"
    assert QUANTUM_JOB.path("ns", "j", "status") == "/apis/edge.omnixan.io/v1alpha1/namespaces/ns/quantumjobs/j/status"
    identified: dict[str, Any] = QUANTUM_JOB.identify({"spec": {}})
    assert (identified["apiVersion"], identified["kind"]) == ("edge.omnixan.io/v1alpha1", "QuantumJob")
