"""What an EdgeCluster's node agents may do in its namespace."""

from __future__ import annotations

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan_operator.desired.common import agent_account, metadata
from omnixan_operator.kinds import Object


def role_binding(cluster: EdgeCluster, cluster_role: str) -> Object:
    """Binds the chart's ClusterRole, within the EdgeCluster's namespace only."""
    name = agent_account(cluster.metadata.name)
    return {
        "metadata": metadata(cluster, name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": cluster.metadata.namespace}],
    }
