"""Manifests that demo, scenarios and benchmarks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
CLUSTER_NAMESPACE = "omnixan"
SITE_ROLE = "omnixan.io/site-role"
API_VERSION = "edge.omnixan.io/v1alpha1"


def load(path: Path) -> dict[str, Any]:
    """The single document of a YAML file."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def pool(name: str, tier: str, role: str, qubits: int, low: int, high: int) -> dict[str, Any]:
    """A pool over the workers that carry a site role."""
    return {
        "name": name,
        "tier": tier,
        "nodeSelector": {SITE_ROLE: role},
        "minNodes": low,
        "maxNodes": high,
        "qpu": {"backend": "simulator", "qubits": qubits},
    }


def edge_cluster(name: str, nodes: int, *pools: dict[str, Any], tenant: str | None = None) -> dict[str, Any]:
    """An EdgeCluster in the clusters' namespace; `tenant` is the value of the tenant label that it takes jobs from."""
    spec: dict[str, Any] = {"region": "us-east-1", "nodes": nodes, "pools": list(pools)}
    if tenant is not None:
        spec["tenants"] = {"namespaceSelector": {"matchLabels": {"edge.omnixan.io/tenant": tenant}}}
    return {
        "apiVersion": API_VERSION,
        "kind": "EdgeCluster",
        "metadata": {"name": name, "namespace": CLUSTER_NAMESPACE},
        "spec": spec,
    }


def program_job(name: str, namespace: str, cluster: str, program: str, **spec: Any) -> dict[str, Any]:
    """A QuantumJob of an OpenQASM 3 program."""
    return job(name, namespace, cluster, program={"inline": {"format": "openqasm3", "data": program}}, **spec)


def job(name: str, namespace: str, cluster: str, **spec: Any) -> dict[str, Any]:
    """A QuantumJob on an EdgeCluster of the clusters' namespace."""
    return {
        "apiVersion": API_VERSION,
        "kind": "QuantumJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterRef": {"name": cluster, "namespace": CLUSTER_NAMESPACE}, **spec},
    }


def ghz(qubits: int) -> str:
    """OpenQASM 3 text of a GHZ state, measured."""
    gates = "\n".join(f"cx q[{i}], q[{i + 1}];" for i in range(qubits - 1))
    head = f'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[{qubits}] q;\nbit[{qubits}] c;\n'
    return f"{head}h q[0];\n{gates}\nc = measure q;\n"
