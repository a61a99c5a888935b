"""What Kubernetes' own controllers do for us: garbage collection and the DaemonSets' counts."""

from __future__ import annotations

import asyncio

from omnixan.edge_network.api.meta import CLAIM_LABEL
from tests.faults.cluster import Cluster


async def collect_garbage(cluster: Cluster) -> None:
    """The garbage collector, some seconds behind."""
    while True:
        await asyncio.sleep(cluster.rng.uniform(0.5, 8.0))
        cluster.collect_garbage()


async def count_daemon_sets(cluster: Cluster) -> None:
    """The DaemonSet controller's status: every claimed node runs the current template, after a while."""
    while True:
        await asyncio.sleep(cluster.rng.uniform(0.5, 4.0))
        for obj in cluster.api.all("DaemonSet"):
            claim = obj["spec"]["template"]["spec"]["nodeSelector"].get(CLAIM_LABEL)
            nodes = [n for n in cluster.api.all("Node") if (n["metadata"].get("labels") or {}).get(CLAIM_LABEL) == claim]
            count, metadata = len(nodes), obj["metadata"]
            status = {
                "observedGeneration": metadata["generation"],
                "currentNumberScheduled": count,
                "desiredNumberScheduled": count,
                "numberMisscheduled": 0,
                "numberReady": count,
                "updatedNumberScheduled": count,
            }
            if obj.get("status") != status:
                place = metadata["namespace"], metadata["name"]
                cluster.patch("DaemonSet", *place, {"status": status}, "status", "daemonset-controller")
