"""The expressions of the policies fit the kinds they judge: a real kube-controller-manager finds nothing to warn of.

An expression that names a field that is not there would be an error at every request, and refuse it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.golang import program
from e2e.cluster.process import dying_with_us
from e2e.cluster.steps import Steps
from tests.api.chart.conftest import Installed
from tests.api.client import Kube, Object
from tests.api.conftest import until
from tests.api.enforcement import ADMISSION
from tests.cases.chart import of_kind

POLICY = "ValidatingAdmissionPolicy"
WRONG = "wrong-on-purpose"


@pytest.fixture
def checker(kubeconfig: Path, tmp_path: Path) -> Iterator[None]:
    """The controller that checks types."""
    options = ("--leader-elect=false", "--secure-port=0", "--controllers=validatingadmissionpolicy-status-controller")
    command = [str(program("kube-controller-manager", Steps(quiet=True))), f"--kubeconfig={kubeconfig}", *options]
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(dying_with_us(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        running.kill()
        running.wait()


@pytest.fixture
def wrong(control_plane: Kube) -> Iterator[None]:
    """A policy that names a field that is not there: the checker does check."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "object.spec.wrong == 1"}]}
    control_plane.create({"apiVersion": ADMISSION, "kind": POLICY, "metadata": {"name": WRONG}, "spec": spec})
    yield
    control_plane.delete(POLICY, WRONG, ADMISSION)


def test_type_checking_finds_nothing(installed: Installed, control_plane: Kube, wrong: None, checker: None) -> None:
    names = [policy["metadata"]["name"] for policy in of_kind(installed.manifests, POLICY)]
    assert len(names) >= 11

    def checked(name: str) -> Object | None:
        policy = control_plane.get(POLICY, name, api_version=ADMISSION)
        status: Object = policy.get("status", {})
        current = status.get("observedGeneration") == policy["metadata"]["generation"]
        return status.get("typeChecking") if current else None

    until(lambda: all(checked(name) is not None for name in [*names, WRONG]), "all policies are type-checked")
    assert "undefined field 'spec'" in str(checked(WRONG))
    assert {name: found for name in names if (found := checked(name))} == {}
