"""Orders of uninstalling the product, with jobs running and EdgeClusters present: nothing hangs, no node keeps a label."""

from __future__ import annotations

from typing import Any

from e2e import install, manifests
from e2e.faults import loops
from e2e.faults.field import EDGE_CLUSTER, NAMESPACE, Field, Load
from e2e.kubectl import eventually, is_true
from omnixan.edge_network.api.meta import CLAIM_LABEL, MEMORY_TIER_LABEL

BOTH = sorted([CLAIM_LABEL, MEMORY_TIER_LABEL])
"""What a node carries whose agent has a persistent memory."""


def documented_order(field: Field, tenant: str) -> dict[str, Any]:
    """The lines of the chart's notes, one after another, with an EdgeCluster that has a persistent memory."""
    field.remove_edge_cluster()  # of another part, if there is one
    with loops.remembering(field) as node:
        _carries_both_labels(field, node)
        field.release.uninstall()
        assert not field.release.labels_left(), field.release.labels_left()
        eventually(lambda: not install.agent_pods(field.kubectl), "no agent is left", 120)
    field.release.install()
    return _works(field, tenant, "documented")


def chart_first_then_clusters(field: Field, tenant: str) -> dict[str, Any]:
    """`helm uninstall` with an EdgeCluster present; the one command of the chart's notes takes all labels off the nodes."""
    field.remove_edge_cluster()
    with loops.remembering(field) as node:
        _carries_both_labels(field, node)
        command = install.commands(field.release.notes(), install.AFTERWARDS)
        field.release.uninstall_chart()
        assert field.release.labels_left() == {node: BOTH}, "nobody is left who would have taken the labels off"
        field.kubectl.delete("edgecluster", loops.NAME, namespace=NAMESPACE)  # waits: nothing has a finalizer of ours
        field.release.typed(*command)
        assert not field.release.labels_left(), f"{command} leaves {field.release.labels_left()}"
        eventually(lambda: not install.agent_pods(field.kubectl), "no agent is left", 120)
    field.release.install()
    return _works(field, tenant, "chart-first")


def chart_away_and_back(field: Field, tenant: str) -> dict[str, Any]:
    """The operator is uninstalled while jobs run and installed again: everything goes on."""
    field.make_edge_cluster()
    load = Load(field, tenant, "away", 6, 900)
    load.begin()
    field.release.uninstall_chart()
    field.release.install()
    load.finish(240)
    found = load.judge()
    load.remove()
    field.remove_edge_cluster()
    return found


def namespace_deleted(field: Field, tenant: str) -> dict[str, Any]:
    """The namespace of the EdgeClusters is deleted while jobs run: it ends, they say so, the nodes are given back."""
    field.make_edge_cluster()
    load = Load(field, tenant, "ns", 6, 900)
    load.begin()
    field.kubectl.run("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=180s", timeout=200)
    eventually(lambda: not field.release.labels_left(), "the nodes are given back", 90)
    # Its objects go in no order: a run that went before its EdgeCluster was lost, and its job waits for another of them.
    fates = load.fates(120)
    assert fates.get("Complete", 0) < len(load.names), f"no job was under way: {fates}"
    load.remove()
    field.release.install()  # makes the namespace again
    return {"jobsSay": fates} | _works(field, tenant, "ns-again")


def cluster_deleted(field: Field, tenant: str) -> dict[str, Any]:
    """The EdgeCluster is deleted while jobs run: they say so, the nodes are given back."""
    field.make_edge_cluster()
    load = Load(field, tenant, "gone", 6, 900)
    load.begin()
    field.remove_edge_cluster()
    fates = load.fates(90)
    assert fates.get("ClusterDeleted"), f"a job ran on it, and none says that it was deleted: {fates}"
    eventually(lambda: not install.agent_pods(field.kubectl), "no agent is left", 120)
    load.remove()
    return {"jobs": len(load.names), "jobsSay": fates}


ORDERS = (documented_order, chart_first_then_clusters, chart_away_and_back, namespace_deleted, cluster_deleted)


def _carries_both_labels(field: Field, node: str) -> None:
    eventually(lambda: field.release.labels_left() == {node: BOTH}, f"{node} alone carries {' and '.join(BOTH)}", 60)


def _works(field: Field, tenant: str, mark: str) -> dict[str, Any]:
    """Proof that the product works again."""
    field.operators_are_whole()
    field.make_edge_cluster()
    field.kubectl.apply(manifests.program_job(mark, tenant, EDGE_CLUSTER, manifests.ghz(3)))
    field.kubectl.until("quantumjob", mark, tenant, is_true("Complete"), 120)
    field.kubectl.delete("quantumjob", mark, namespace=tenant)
    field.remove_edge_cluster()
    return {"worksAgain": True}
