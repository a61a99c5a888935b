"""The ServiceAccount of an EdgeCluster's node agents."""

from __future__ import annotations

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan_operator.desired.common import agent_account, metadata
from omnixan_operator.kinds import Object


def service_account(cluster: EdgeCluster) -> Object:
    """No token by default: the agent's container alone gets one, by a projected volume."""
    return {
        "metadata": metadata(cluster, agent_account(cluster.metadata.name)),
        "automountServiceAccountToken": False,
    }
