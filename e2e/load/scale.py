"""How large a load is, and what it is made of: everything follows from the numbers and the seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.api.meta import API_VERSION

SITE = "omnixan"
"""The namespace of the EdgeClusters, as the chart makes it."""
TENANT_LABEL = "load.omnixan.io/tenant"
NODE_LABEL = "load.omnixan.io/node"
CLUSTER = "load"
APPS = "apps/v1"


@dataclass(frozen=True)
class Scale:
    """The numbers of a load; the defaults are those that the figures are about."""

    jobs: int = 10_000
    programs: int = 500
    """Distinct programs among the jobs."""
    nodes: int = 100
    tenants: int = 10
    few: int = 10
    """Jobs of a tenant that comes late, in the part about two tenants; the other one has all `jobs`."""
    rate: float = 40.0
    """Jobs created a second."""
    changes: int = 300
    change_rate: float = 10.0
    watched: int = 20
    """EdgeClusters that the changes are made to."""
    clusters: int = 1_000
    cluster_rate: float = 100.0
    run_seconds: float = 0.05
    """How long the simulator takes for a run."""
    seed: int = 7


SMALL = Scale(jobs=300, programs=60, nodes=20, tenants=3, changes=50, watched=5, clusters=30)
"""The same in about a minute."""


def program(number: int, seed: int) -> str:
    """An OpenQASM 3 program of 2 to 8 qubits with one to six layers; another one for every number."""
    draw = random.Random(f"{seed}/{number}")
    qubits = draw.randint(2, 8)
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{qubits}] q;", f"bit[{qubits}] c;"]
    for _ in range(draw.randint(1, 6)):
        lines += [f"ry({draw.uniform(0, 3.14):.6f}) q[{qubit}];" for qubit in range(qubits)]
        lines += [f"cx q[{qubit}], q[{qubit + 1}];" for qubit in range(qubits - 1)]
    return "\n".join([*lines, f"// {number}", "c = measure q;"])


def tenant(number: int) -> str:
    """The namespace of a tenant."""
    return f"tenant-{number}"


def job(number: int, scale: Scale) -> tuple[str, dict[str, Any]]:
    """The namespace and the manifest of a job."""
    text = program(number % scale.programs, scale.seed)
    spec = {"clusterRef": {"namespace": SITE, "name": CLUSTER}, "program": {"inline": {"data": text}}}
    return tenant(number % scale.tenants), {"metadata": {"name": f"job-{number:05d}"}, "spec": spec}


def node(name: str) -> dict[str, Any]:
    """A Kubernetes node without a kubelet."""
    metadata = {"name": name, "labels": {NODE_LABEL: name, "load.omnixan.io/pool": "load"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}


def ready(now: str) -> dict[str, Any]:
    """The status of a Ready node."""
    condition = {"type": "Ready", "status": "True", "reason": "Simulated", "message": ""}
    return {"conditions": [condition | {"lastHeartbeatTime": now, "lastTransitionTime": now}]}


def edge_cluster(name: str, nodes: int, selector: dict[str, str]) -> dict[str, Any]:
    """An EdgeCluster with one pool; all tenants of the load may use it."""
    pool = {"name": "gateway", "tier": "gateway", "nodeSelector": selector, "qpu": {"qubits": 8}}
    tenants = {"namespaceSelector": {"matchLabels": {TENANT_LABEL: "true"}}}
    spec = {"region": "a", "nodes": nodes, "pools": [pool], "tenants": tenants}
    return {"apiVersion": API_VERSION, "kind": "EdgeCluster", "metadata": {"name": name}, "spec": spec}
