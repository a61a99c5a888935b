"""`omnixan support-bundle` on a cluster: what the API tests cannot have, logs and metrics out of real pods."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import install, manifests
from e2e.kubectl import Kubectl, is_true
from e2e.scenarios.conftest import EdgeClusterMaker
from omnixan.edge_network.api.meta import PART_OF, PART_OF_LABEL

NAME = "bundled"


@pytest.fixture(scope="module")
def bundle(
    kubectl: Kubectl, cluster: Any, edge_cluster: EdgeClusterMaker, tenant: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """File name in the bundle → text, after a job ran on an EdgeCluster of two gateways."""
    path = tmp_path_factory.mktemp("bundle") / "bundle.tar.gz"
    gateways = manifests.pool("gateway", "gateway", "gateway", qubits=8, low=1, high=2)
    with edge_cluster(manifests.edge_cluster(NAME, 2, gateways, tenant="true")):
        kubectl.apply(manifests.program_job("told", tenant, NAME, manifests.ghz(3)))
        kubectl.until("quantumjob", "told", tenant, is_true("Complete"))
        command = [sys.executable, "-m", "omnixan.edge_network.cli.main", "support-bundle", str(path)]
        subprocess.run(command, env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}, check=True, timeout=120)
        with tarfile.open(path) as tar:
            files = {member.name.split("/", 1)[1]: tar.extractfile(member) for member in tar.getmembers()}
            yield {name: file.read().decode() for name, file in files.items() if file is not None}


def pods(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    """Our pods in a namespace that are not on their way out."""
    found = kubectl.list("pods", namespace, f"{PART_OF_LABEL}={PART_OF}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


@pytest.mark.parametrize("namespace", [install.SYSTEM_NAMESPACE, manifests.CLUSTER_NAMESPACE])
def test_every_pod_tells_its_log_and_its_metrics(kubectl: Kubectl, bundle: dict[str, str], namespace: str) -> None:
    there = pods(kubectl, namespace)
    assert len(there) >= 2
    for pod in there:
        name = pod["metadata"]["name"]
        metrics = bundle.get(f"metrics/{namespace}/{name}.prom", "")
        assert "\nomnixan_" in metrics, f"{name}: {metrics[:200]!r}"
        logs = [text for file, text in bundle.items() if file.startswith(f"logs/{namespace}/{name}/")]
        assert any(logs), f"{name} has logged nothing"


def test_the_jobs_program_is_not_in_it_and_the_job_is(bundle: dict[str, str]) -> None:
    assert '"told"' in bundle["objects/quantumjobs.json"]
    assert not [file for file, text in bundle.items() if "OPENQASM" in text]


def test_what_could_not_be_read_is_nothing(bundle: dict[str, str]) -> None:
    assert "not allowed" not in bundle["contents.json"] and "no answer in time" not in bundle["contents.json"]
