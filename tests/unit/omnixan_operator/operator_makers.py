"""Small objects for the operator's unit tests, and what GitOps tools make of a status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import API_VERSION
from omnixan.edge_network.api.quantumjob import QuantumJob

Object = dict[str, Any]
START = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)
BELL = "OPENQASM 3.0; qubit[2] q; bit[2] c; c = measure q;"
KNAPSACK = {"qaoa": {"problem": {"knapsack": {"values": [3, 4, 5], "weights": [2, 3, 4], "capacity": 5}}}}


def at(seconds: float) -> datetime:
    """A moment of the test's clock."""
    return START + timedelta(seconds=seconds)


def meta(name: str, namespace: str = "omnixan", uid: str = "", version: int = 1, **more: Any) -> Object:
    """Metadata as the API server gives it."""
    found = {"name": name, "uid": uid or f"uid-of-{name}", "resourceVersion": str(version), "generation": 1}
    found |= {"creationTimestamp": "2026-11-24T21:00:00Z"} | ({"namespace": namespace} if namespace else {})
    return found | more


def pool(name: str = "gateway", role: str = "gw", tier: str = "gateway", **fields: Any) -> Object:
    """A pool that selects nodes by role."""
    return {"name": name, "tier": tier, "nodeSelector": {"role": role}, "qpu": {"qubits": 8}} | fields


def cluster_object(
    name: str = "ec", nodes: int = 1, pools: list[Object] | None = None, *, metadata: Object | None = None, **spec: Any
) -> Object:
    """An EdgeCluster as JSON."""
    spec = {"nodes": nodes, "pools": pools or [pool()]} | spec
    return {"apiVersion": API_VERSION, "kind": "EdgeCluster", "metadata": metadata or meta(name), "spec": spec}


def cluster(name: str = "ec", nodes: int = 1, pools: list[Object] | None = None, **more: Any) -> EdgeCluster:
    """An EdgeCluster."""
    return EdgeCluster.model_validate(cluster_object(name, nodes, pools, **more))


def job_object(name: str = "bell", *, metadata: Object | None = None, status: Object | None = None, **spec: Any) -> Object:
    """A QuantumJob as JSON, by default of a program on the EdgeCluster `ec`."""
    spec = {"clusterRef": {"name": "ec"}} | spec
    if "algorithm" not in spec:
        spec = {"program": {"inline": {"data": BELL}}} | spec
    obj = {"apiVersion": API_VERSION, "kind": "QuantumJob", "metadata": metadata or meta(name), "spec": spec}
    return obj | ({"status": status} if status is not None else {})


def job(name: str = "bell", **more: Any) -> QuantumJob:
    """A QuantumJob."""
    return QuantumJob.model_validate(job_object(name, **more))


def kstatus(generation: int, status: Object) -> str:
    """What Flux and Argo conclude from a status, by the rules of kstatus."""
    conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
    if status.get("observedGeneration") != generation:
        return "InProgress"
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    if "Ready" in conditions:
        return "Current" if conditions["Ready"] == "True" else "InProgress"
    return "Current"


def assert_clean(status: Object) -> None:
    """The rules that keep a status readable for those tools."""
    conditions = {c["type"]: c for c in status["conditions"]}
    assert len(conditions) == len(status["conditions"]), "each type once"
    for abnormal in ("Reconciling", "Stalled", "Paused", "Draining", "Suspended", "Detached"):
        assert conditions.get(abnormal, {}).get("status", "True") == "True", f"{abnormal} only while true"
    assert not {"Reconciling", "Stalled"} <= set(conditions), "either it goes on or it does not"
    if "Stalled" in conditions:
        assert conditions.get("Ready", {}).get("status", "False") == "False"
    for condition in conditions.values():
        assert set(condition) >= {"type", "status", "reason", "message", "lastTransitionTime", "observedGeneration"}
        assert condition["observedGeneration"] == status["observedGeneration"]
