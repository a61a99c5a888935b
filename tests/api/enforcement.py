"""Admission policies on a real API server, from the moment on at which it enforces them.

The API server learns of a policy by a watch and compiles it a moment later. So a policy of our own comes last, which
forbids one name: when it is obeyed, so are those before it, and when it is obeyed no more, so are they.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.api.client import Kube, Object, RefusedError
from tests.api.conftest import until
from tests.cases import good
from tests.cases.edit import DELETE, edited

ADMISSION = "admissionregistration.k8s.io/v1"
KINDS = tuple(f"{what}AdmissionPolicy{part}" for what in ("Validating", "Mutating") for part in ("", "Binding"))


def policies(manifests: Sequence[Object]) -> list[Object]:
    """The admission policies and bindings among the manifests."""
    return [manifest for manifest in manifests if manifest["kind"] in KINDS]


@contextmanager
def enforced(admin: Kube, manifests: Sequence[Object]) -> Iterator[None]:
    """Install policies with their bindings and wait until they count; in the end remove them and wait for that.

    What Helm would keep is kept.
    """
    mark = f"sentinel-{uuid.uuid4().hex[:8]}"
    # what demands a stamp goes before what stamps
    chosen = sorted(policies(manifests), key=lambda m: m["kind"].startswith("Validating"))
    try:
        for manifest in [*chosen, *_sentinel(mark)]:
            admin.apply(manifest, "tests", force=True)
        until(lambda: _obeyed(admin, mark), "the admission policies are enforced")
        if any(manifest["kind"].startswith("Mutating") for manifest in chosen):
            until(lambda: _stamped(admin), "the API server knows the schema of what it is to stamp")
        yield
    finally:
        chosen = [m for m in chosen if "helm.sh/resource-policy" not in m["metadata"].get("annotations", {})]
        for manifest in reversed([m for m in chosen if m["kind"].startswith("Validating")]):
            admin.delete(manifest["kind"], manifest["metadata"]["name"], ADMISSION)
        for manifest in reversed(_sentinel(mark)):
            admin.delete(manifest["kind"], manifest["metadata"]["name"], ADMISSION)
        until(lambda: not _obeyed(admin, mark), "the admission policies are enforced no more")
        for manifest in reversed([m for m in chosen if m["kind"].startswith("Mutating")]):
            admin.delete(manifest["kind"], manifest["metadata"]["name"], ADMISSION)


def _sentinel(mark: str) -> tuple[Object, Object]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
    policy = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": mark},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": f"object.metadata.name != '{mark}'", "message": mark}],
        },
    }
    binding = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": mark},
        "spec": {"policyName": mark, "validationActions": ["Deny"]},
    }
    return policy, binding


def _stamped(admin: Kube) -> bool:
    """It looks for new schemas every five seconds, and refuses until then what it cannot stamp, or did not."""
    try:
        admin.create(edited(good.JOB_PROGRAM, {"status": DELETE}), dry_run=True)
    except RefusedError as refused:
        if refused.code == 503 or (refused.code == 403 and "submitted-by" in refused.message):
            return False
        raise
    return True


def _obeyed(admin: Kube, mark: str) -> bool:
    try:
        admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": mark}}, dry_run=True)
    except RefusedError as refused:
        assert mark in refused.message, refused
        return True
    return False
