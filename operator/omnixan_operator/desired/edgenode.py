"""The EdgeNode of one claimed Kubernetes node."""

from __future__ import annotations

from omnixan.edge_network.api.edgecluster import EdgeCluster, Pool
from omnixan.edge_network.api.edgenode import EdgeNode
from omnixan.edge_network.api.meta import REGION_LABEL, TIER_LABEL
from omnixan_operator.desired.common import claim_value, metadata
from omnixan_operator.kinds import Object


def edge_node(cluster: EdgeCluster, pool: str, tier: str, node: str, drain: bool) -> Object:
    """Named as the node. `tier` is passed apart: a pool that was removed has no spec any more while it drains."""
    meta = metadata(cluster, node, pool)
    meta["labels"] |= {TIER_LABEL: tier} | ({REGION_LABEL: cluster.spec.region} if cluster.spec.region else {})
    return {"metadata": meta, "spec": {"pool": pool, "tier": tier, "nodeName": node, "drain": drain}}


def pool_named(cluster: EdgeCluster, name: str) -> Pool | None:
    """The pool of that name, or None if the EdgeCluster has none (any more)."""
    return next((pool for pool in cluster.spec.pools if pool.name == name), None)


def memory_tier(node: EdgeNode, owner_uid: str, claim: str | None) -> str | None:
    """The value of MEMORY_TIER_LABEL on the Kubernetes node, whose claim is `claim`; None: no such label.

    Only a node that is claimed by the EdgeNode's own EdgeCluster gets one: the label goes with the claim.
    """
    memory = node.status.persistent_memory
    if memory is None or claim != claim_value(node.spec.pool, owner_uid):
        return None
    return memory.tier
