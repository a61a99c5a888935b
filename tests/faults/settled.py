"""What is still not as it should be once nothing disturbs: empty means converged. Looks at the API server only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from omnixan.edge_network.api.meta import CLAIM_LABEL, MEMORY_TIER_LABEL
from omnixan_operator.desired.common import claim_mark
from tests.faults.apiserver.resources import Object
from tests.faults.cluster import Cluster

BY_HAND = "by-hand"
"""Mark of what people write into objects that are not theirs: none of it may stay."""


def unsettled(cluster: Cluster) -> list[str]:
    """What is not yet as it should be."""
    return [*_clusters(cluster), *_nodes(cluster), *_jobs(cluster), *_runs(cluster), *_children(cluster)]


def _conditions(obj: Object) -> dict[str, str]:
    return {c["type"]: c["status"] for c in obj.get("status", {}).get("conditions", ())}


def _clusters(cluster: Cluster) -> Iterator[str]:
    for obj in cluster.api.all("EdgeCluster"):
        name, status, spec = obj["metadata"]["name"], obj.get("status", {}), obj["spec"]
        if status.get("observedGeneration") != obj["metadata"]["generation"]:
            yield f"EdgeCluster {name}: generation {obj['metadata']['generation']} is not observed"
        elif _conditions(obj).get("Ready") != "True":
            yield f"EdgeCluster {name} is not Ready: {status.get('conditions')}"
        low, high = (
            sum(pool.get(bound, other) for pool in spec["pools"]) for bound, other in (("minNodes", 0), ("maxNodes", 1000))
        )
        wanted, claims = max(low, min(spec["nodes"], high)), _claims(cluster, obj)
        if len(claims) != wanted:
            yield f"EdgeCluster {name} wants {wanted} nodes and has claimed {sorted(claims)}"


def _claims(cluster: Cluster, obj: Object) -> set[str]:
    mark = "." + claim_mark(obj["metadata"]["uid"])
    return {
        node["metadata"]["name"]
        for node in cluster.api.all("Node")
        if (node["metadata"].get("labels") or {}).get(CLAIM_LABEL, "").endswith(mark)
    }


def _nodes(cluster: Cluster) -> Iterator[str]:
    owners = {name: obj for obj in cluster.api.all("EdgeCluster") for name in _claims(cluster, obj)}
    for node in cluster.api.all("Node"):
        name, claim = node["metadata"]["name"], (node["metadata"].get("labels") or {}).get(CLAIM_LABEL)
        if claim and name not in owners:
            yield f"Node {name} carries the claim {claim} of nobody"
        tier, wanted = (node["metadata"].get("labels") or {}).get(MEMORY_TIER_LABEL), None
        if name in owners:
            of_node = cluster.api.find("EdgeNode", owners[name]["metadata"]["namespace"], name) or {}
            wanted = of_node.get("status", {}).get("persistentMemory", {}).get("tier")
        if tier != wanted:
            yield f"Node {name} is labelled with the tier {tier} of a memory, and it is {wanted}"
        if name in owners:
            twin = cluster.api.find("EdgeNode", owners[name]["metadata"]["namespace"], name)
            if twin is None or twin["spec"]["pool"] != str(claim).rpartition(".")[0] or twin["spec"].get("drain"):
                yield f"Node {name} is claimed and its EdgeNode is {twin and twin['spec']}"
    for twin in cluster.api.all("EdgeNode"):
        name = twin["metadata"]["name"]
        if name not in owners:
            yield f"EdgeNode {name} stands for a node that is not claimed"
        elif _conditions(twin).get("Ready") != "True":
            yield f"EdgeNode {name} is not Ready: {twin.get('status')}"


def _jobs(cluster: Cluster) -> Iterator[str]:
    for job in cluster.api.all("QuantumJob"):
        name, status = job["metadata"]["name"], job.get("status", {})
        if not status.get("completionTime"):
            last = status.get("conditions", [{}])[-1]
            yield f"job {name} is not over: {status.get('phase')} {last} run {status.get('run')}"
            continue
        if status.get("observedGeneration") != job["metadata"]["generation"]:
            yield f"job {name}: generation {job['metadata']['generation']} is not observed"
        reference = (status.get("result") or {}).get("ref")
        if reference is None:
            continue
        found = cluster.api.find("ConfigMap", job["metadata"]["namespace"], reference["name"])
        run = status.get("run") or {}
        has_run = cluster.api.find("QuantumRun", run.get("namespace", ""), run.get("name", "")) is not None
        if found is None:
            if has_run:
                yield f"job {name}: its result's ConfigMap is missing"
        elif hashlib.sha256(found["data"]["result.json"].encode()).hexdigest() != reference["sha256"] and has_run:
            yield f"job {name}: its result's ConfigMap has another content than its status says"


def _runs(cluster: Cluster) -> Iterator[str]:
    jobs = {job["metadata"]["uid"] for job in cluster.api.all("QuantumJob")}
    for run in cluster.api.all("QuantumRun"):
        if run["spec"]["jobRef"]["uid"] not in jobs:
            yield f"run {run['metadata']['name']} has no job"


def _children(cluster: Cluster) -> Iterator[str]:
    for obj in cluster.api.all("EdgeCluster"):
        uid = obj["metadata"]["uid"]
        for kind, count in (("DaemonSet", len(obj["spec"]["pools"])), ("ServiceAccount", 1), ("RoleBinding", 1)):
            owned = [
                child
                for child in cluster.api.all(kind)
                if any(reference["uid"] == uid for reference in child["metadata"].get("ownerReferences", ()))
            ]
            if len(owned) != count:
                yield f"EdgeCluster {obj['metadata']['name']} has {len(owned)} of kind {kind}, not {count}"
            for child in owned:
                wish = {k: v for k, v in child.items() if k not in ("metadata", "status")}
                if BY_HAND in repr(wish):
                    yield f"{kind} {child['metadata']['name']} is still as somebody changed it by hand"
