"""Uninstalling hangs nowhere; in the documented order no node label is left, in the other one command removes it.

Runs last, by its file name: the product is gone after it.
"""

from __future__ import annotations

from typing import Any

from e2e import install, manifests
from e2e.faults.field import Field
from e2e.faults.uninstalls import chart_first_then_clusters
from e2e.kubectl import Kubectl, eventually, is_true


def test_a_chart_that_went_before_its_edgeclusters_leaves_labels_that_one_command_removes(
    cluster: Any, kubectl: Kubectl, release: install.Release, tenant: str
) -> None:
    assert chart_first_then_clusters(Field(cluster, kubectl, release), tenant) == {"worksAgain": True}


def test_uninstalling_leaves_nothing_on_the_nodes(kubectl: Kubectl, release: install.Release, tenant: str) -> None:
    gateway = manifests.pool("gateway", "gateway", "gateway", qubits=8, low=1, high=2)
    kubectl.apply(manifests.edge_cluster("last", 2, gateway, tenant="true"))
    kubectl.until("edgecluster", "last", manifests.CLUSTER_NAMESPACE, is_true("Ready"), 120)
    kubectl.apply(manifests.program_job("kept", tenant, "last", manifests.ghz(2)))
    kubectl.until("quantumjob", "kept", tenant, is_true("Complete"))

    release.uninstall()

    assert release.labels_left() == {}
    assert not release.installed()
    # What an EdgeCluster owned goes with it, in the background: the garbage collector needs no operator for that.
    eventually(lambda: not kubectl.list("edgenodes"), "no EdgeNode is left")
    eventually(lambda: not kubectl.list("quantumruns"), "no QuantumRun is left")
    eventually(lambda: not install.agent_pods(kubectl), "no agent is left")
    kept = kubectl.get("quantumjob", "kept", tenant)
    assert kept is not None, "the kinds are kept, and with them the users' objects"
    assert is_true("Complete")(kept)
    kubectl.delete("namespace", tenant)  # returns: nothing has a finalizer of ours
