"""What all children of an EdgeCluster share: names, labels, the owner reference, the label that claims a node."""

from __future__ import annotations

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import (
    API_VERSION,
    CLUSTER_LABEL,
    COMPONENT_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PART_OF,
    PART_OF_LABEL,
    POOL_LABEL,
)
from omnixan_operator.kinds import Object

COMPONENT = "node-agent"


def claim_mark(cluster_uid: str) -> str:
    """The part of a claim's value that names the EdgeCluster: 10 hex digits of its uid."""
    return cluster_uid.replace("-", "")[:10]


def claim_value(pool: str, cluster_uid: str) -> str:
    """Value of the label by which a Node is claimed for `pool` of an EdgeCluster (at most 31 characters)."""
    return f"{pool}.{claim_mark(cluster_uid)}"


def labels(cluster: str, pool: str | None = None) -> dict[str, str]:
    """Labels of our own; the EdgeCluster's are not copied (a GitOps tool would take children for its own)."""
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        PART_OF_LABEL: PART_OF,
        COMPONENT_LABEL: COMPONENT,
        CLUSTER_LABEL: cluster,
    } | ({POOL_LABEL: pool} if pool else {})


def pods(cluster: str) -> str:
    """Label selector of an EdgeCluster's agent pods, for its scale subresource."""
    return f"{CLUSTER_LABEL}={cluster},{COMPONENT_LABEL}={COMPONENT}"


def owner(kind: str, name: str, uid: str) -> Object:
    """The owner reference that makes the garbage collector remove a child with its owner.

    Deletion of the owner is not blocked: nothing waits for an operator that is down.
    """
    return {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": uid, "controller": True}


def metadata(cluster: EdgeCluster, name: str, pool: str | None = None) -> Object:
    """Metadata of a child of `cluster`."""
    parent = cluster.metadata
    return {
        "name": name,
        "namespace": parent.namespace,
        "labels": labels(parent.name, pool),
        "ownerReferences": [owner("EdgeCluster", parent.name, parent.uid)],
    }


def agent_account(cluster: str) -> str:
    """Name of the ServiceAccount of an EdgeCluster's agents."""
    return f"{cluster}-agent"
