"""Three nodes in two pools; the public problems and circuits of examples/ run there and are right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

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


def grover_by_reflections() -> dict[int, float]:
    state = np.full(8, np.sqrt(1 / 8))
    for _ in range(2):
        state[0b101] *= -1
        state = 2 * state.mean() - state
    return dict(enumerate(state**2))


def fourier_by_numpy() -> dict[int, float]:
    state = np.zeros(64)
    state[3::8] = np.sqrt(1 / 8)
    return dict(enumerate(np.abs(np.fft.ifft(state, norm="ortho")) ** 2))


# The exact distribution of each example, by mathematics that has nothing of our engine in it.
EXPECTED = {
    "adder": {11 + 6: 1.0},
    "bell": {0b00: 0.5, 0b11: 0.5},
    "bernstein-vazirani": {0b1011010: 1.0},
    "ghz": {0: 0.5, 2**12 - 1: 0.5},
    "ghz-openqasm2": {0: 0.5, 2**3 - 1: 0.5},
    "ghz-wide": {0: 0.5, 2**16 - 1: 0.5},
    "grover": grover_by_reflections(),
    "qft": fourier_by_numpy(),
}


@pytest.mark.parametrize("path", [p for p in CIRCUITS if p.stem in EXPECTED], ids=lambda p: p.stem)
def test_circuit_gives_the_distribution_that_mathematics_says(
    kubectl: Kubectl, jobs: dict[str, Any], tenant: str, path: Path
) -> None:
    job = jobs[path.stem]
    configmap = kubectl.get("configmap", job["status"]["result"]["ref"]["name"], tenant)
    assert configmap is not None
    counts = {int(bits, 2): n for bits, n in json.loads(configmap["data"]["result.json"])["counts"].items()}
    shots = sum(counts.values())
    assert shots == job["spec"]["primitive"]["sampler"]["shots"]
    expected = {outcome: p for outcome, p in EXPECTED[path.stem].items() if p > 1e-12}
    assert counts.keys() <= expected.keys(), "an impossible outcome was counted"
    for outcome, p in expected.items():
        # five standard deviations of a binomial: once in 1.7 million honest samples
        assert abs(counts.get(outcome, 0) - p * shots) <= 5 * (shots * p * (1 - p)) ** 0.5 + 1e-9


def test_an_estimator_gives_the_energy_that_mathematics_says(jobs: dict[str, Any]) -> None:
    """−ZZ − ½X summed over a chain of three spins, after ry(½) on each and two controlled-NOTs."""
    one = np.array([np.cos(0.25), np.sin(0.25)])
    state = np.zeros(8)
    for bits, amplitude in enumerate(np.kron(one, np.kron(one, one))):
        q0, q1, q2 = bits & 1, bits >> 1 & 1, bits >> 2 & 1
        q1 ^= q0
        q2 ^= q1
        state[q2 << 2 | q1 << 1 | q0] = amplitude
    spins = np.array([[1 - 2 * (bits >> q & 1) for q in range(3)] for bits in range(8)])
    energy = -np.dot(state**2, spins[:, 0] * spins[:, 1] + spins[:, 1] * spins[:, 2])
    energy -= 0.5 * sum(np.dot(state, state[np.arange(8) ^ 1 << q]) for q in range(3))
    found = jobs["estimator"]["status"]["result"]["summary"]["expectations"]
    assert [one["name"] for one in found] == ["energy", "magnetisation"]
    assert found[0]["value"] == pytest.approx(energy, abs=1e-9) and found[0]["standardError"] == 0
    assert found[1]["value"] == pytest.approx(np.dot(state**2, spins.sum(axis=1)), abs=1e-9)


@pytest.mark.parametrize("path", [KNAPSACKS[1], MAXCUTS[1], CIRCUITS[0]], ids=lambda p: p.stem)
def test_the_same_manifest_without_a_cluster_gives_the_same_summary(jobs: dict[str, Any], path: Path) -> None:
    command = [sys.executable, "-m", "omnixan.edge_network.cli.main", "run", str(path), "-o", "json"]
    local = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert local["status"]["result"]["summary"] == jobs[path.stem]["status"]["result"]["summary"]
