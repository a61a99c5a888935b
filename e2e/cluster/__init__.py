"""A real multi-node Kubernetes cluster for demo, tests and figures: see docs/cluster.md.

`open_cluster()` gives a `Cluster` (interface.py); its `up()` raises it, `kubectl(...)` talks to it, `down()` removes it.
"""

from __future__ import annotations

import os
from pathlib import Path

from e2e.cluster.existing import ExistingCluster
from e2e.cluster.interface import Cluster, ClusterError, Node, NotAvailable
from e2e.cluster.kind import KindCluster
from e2e.cluster.steps import Steps

__all__ = ["Cluster", "ClusterError", "Node", "NotAvailable", "Steps", "open_cluster"]


def open_cluster(kubeconfig: Path | None = None, steps: Steps | None = None) -> Cluster:
    """The cluster to work on: an existing one only if named here or in OMNIXAN_KUBECONFIG, else our own (not yet up).

    The usual KUBECONFIG and ~/.kube/config are never looked at.
    """
    steps = steps or Steps()
    named = kubeconfig or (Path(os.environ["OMNIXAN_KUBECONFIG"]) if os.environ.get("OMNIXAN_KUBECONFIG") else None)
    return ExistingCluster(named, steps) if named else KindCluster(steps)
