"""Three nodes in two pools; the public problems and circuits of examples/ run there and are right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from qiskit import qasm3
from qiskit.quantum_info import Statevector

from e2e import manifests
from e2e.kubectl import Kubectl, is_true
from e2e.scenarios.conftest import EdgeClusterMaker

PROBLEMS = json.loads((manifests.EXAMPLES / "problems.json").read_text())
KNAPSACKS = sorted((manifests.EXAMPLES / "knapsack").glob("*.yaml"))
MAXCUTS = sorted((manifests.EXAMPLES / "maxcut").glob("*.yaml"))
CIRCUITS = sorted((manifests.EXAMPLES / "circuits").glob("*.yaml"))


@pytest.fixture(scope="module")
def jobs(kubectl: Kubectl, edge_cluster: EdgeClusterMaker, tenant: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Every example, applied at once and Complete; by file stem."""
    with edge_cluster(manifests.load(manifests.EXAMPLES / "edgecluster.yaml")):
        wanted = {path.stem: manifests.load(path) for path in [*KNAPSACKS, *MAXCUTS, *CIRCUITS]}
        for document in wanted.values():
            document["metadata"]["namespace"] = tenant
        kubectl.run("apply", "-f", "-", stdin=yaml.safe_dump_all(wanted.values()))
        done = {}
        for stem, document in wanted.items():
            found = kubectl.until("quantumjob", document["metadata"]["name"], tenant, is_true("Complete"), 180)
            assert found is not None
            done[stem] = found
        yield done


def test_three_nodes_in_two_pools_are_ready(kubectl: Kubectl, jobs: dict[str, Any]) -> None:
    nodes = kubectl.list("edgenodes", manifests.CLUSTER_NAMESPACE)
    assert sorted(n["spec"]["pool"] for n in nodes) == ["compute", "gateway", "gateway"]
    assert all(is_true("Ready")(n) for n in nodes)
    assert {n["status"]["backend"] for n in nodes} == {"simulator"}
    assert {n["metadata"]["labels"]["edge.omnixan.io/region"] for n in nodes} == {"us-east-1"}


def test_there_are_enough_examples() -> None:
    assert len(KNAPSACKS) == 6
    assert len(MAXCUTS) == 3
    assert len(CIRCUITS) >= 5


@pytest.mark.parametrize("path", KNAPSACKS, ids=lambda p: p.stem)
def test_knapsack_finds_the_optimum_and_says_what_luck_would(jobs: dict[str, Any], path: Path) -> None:
    summary = jobs[path.stem]["status"]["result"]["summary"]
    assert summary["solution"]["value"] == PROBLEMS["knapsack"][path.stem.upper()]["optimum"]
    assert summary["solution"]["feasible"] is True
    assert summary["solution"]["approximationRatio"] == 1
    assert summary["probabilityRatio"] > 1.5
    assert summary["uniform"]["probability"] == pytest.approx(2 ** -summary["problem"]["variables"], rel=1e-5)


@pytest.mark.parametrize("path", MAXCUTS, ids=lambda p: p.stem)
def test_maxcut_finds_the_optimum(jobs: dict[str, Any], path: Path) -> None:
    summary = jobs[path.stem]["status"]["result"]["summary"]
    assert summary["solution"]["value"] == PROBLEMS["maxcut"][path.stem]["maxcut"]


@pytest.mark.parametrize("path", CIRCUITS, ids=lambda p: p.stem)
def test_circuit_gives_the_distribution_of_an_independent_simulator(
    kubectl: Kubectl, jobs: dict[str, Any], tenant: str, path: Path
) -> None:
    job = jobs[path.stem]
    ref = job["status"]["result"]["ref"]
    configmap = kubectl.get("configmap", ref["name"], tenant)
    assert configmap is not None
    counts = json.loads(configmap["data"]["result.json"])["counts"]
    circuit = qasm3.loads(job["spec"]["program"]["inline"]["data"])
    bare = circuit.remove_final_measurements(inplace=False)
    wires = {}  # classical bit → qubit
    for step in circuit.data:
        if step.operation.name == "measure":
            wires[circuit.find_bit(step.clbits[0]).index] = circuit.find_bit(step.qubits[0]).index
    probabilities = Statevector(bare).probabilities([wires[bit] for bit in sorted(wires)])
    shots = sum(counts.values())
    assert shots == job["spec"]["primitive"]["sampler"]["shots"]
    measured = {int(bits, 2): count / shots for bits, count in counts.items()}
    assert sum(probabilities[k] for k in measured) > 0.999, "an impossible outcome was counted"
    distance = sum(abs(p - measured.get(k, 0.0)) for k, p in enumerate(probabilities)) / 2
    # Total variation distance of an honest sample: about sqrt(outcomes / (2 pi shots)); four times that is a bug.
    support = int((probabilities > 1e-12).sum())
    assert distance < 4 * (support / (6.28 * shots)) ** 0.5 + 1e-9
