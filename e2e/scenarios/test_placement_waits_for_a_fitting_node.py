"""A program that no node can hold is not run, says why per node, and runs when a fitting node appears."""

from __future__ import annotations

from e2e import manifests
from e2e.kubectl import Kubectl, condition, is_true
from e2e.scenarios.conftest import EdgeClusterMaker

GATEWAY = manifests.pool("gateway", "gateway", "gateway", qubits=8, low=0, high=2)
COMPUTE = manifests.pool("compute", "compute", "compute", qubits=16, low=0, high=4)


def test_twelve_qubits_wait_until_the_cluster_grows_to_a_node_of_sixteen(
    kubectl: Kubectl, edge_cluster: EdgeClusterMaker, tenant: str
) -> None:
    with edge_cluster(manifests.edge_cluster("narrow", 2, GATEWAY, COMPUTE, tenant="true")):
        kubectl.apply(
            manifests.program_job("wide", tenant, "narrow", manifests.ghz(12)),
            manifests.program_job("slim", tenant, "narrow", manifests.ghz(8)),
        )
        kubectl.until("quantumjob", "slim", tenant, is_true("Complete"))
        waiting = kubectl.until("quantumjob", "wide", tenant, lambda j: condition(j, "Placed").get("status") == "False")
        assert waiting is not None
        assert condition(waiting, "Placed")["reason"] == "NoNodeFits"
        rejected = waiting["status"]["placement"]["rejected"]
        nodes = sorted(n["spec"]["nodeName"] for n in kubectl.list("edgenodes", manifests.CLUSTER_NAMESPACE))
        assert [r["node"] for r in rejected] == nodes
        assert {(r["constraint"], r["actual"], r["required"]) for r in rejected} == {("qubits", "8", "12")}
        assert kubectl.list("quantumruns", selector=f"edge.omnixan.io/job-uid={waiting['metadata']['uid']}") == []

        kubectl.run("scale", "edgecluster/narrow", "-n", manifests.CLUSTER_NAMESPACE, "--replicas=3")
        done = kubectl.until("quantumjob", "wide", tenant, is_true("Complete"), 90)
        assert done is not None
        node = kubectl.get("edgenode", done["status"]["placement"]["node"], manifests.CLUSTER_NAMESPACE)
        assert node is not None
        assert node["spec"]["pool"] == "compute"


def test_tier_and_minimum_width_are_requirements(kubectl: Kubectl, edge_cluster: EdgeClusterMaker, tenant: str) -> None:
    with edge_cluster(manifests.edge_cluster("tiers", 3, GATEWAY, COMPUTE, tenant="true")):
        kubectl.apply(
            manifests.program_job("near-data", tenant, "tiers", manifests.ghz(3), requirements={"tiers": ["gateway"]}),
            manifests.program_job("spacious", tenant, "tiers", manifests.ghz(3), requirements={"minQubits": 9}),
        )
        for name, expected in (("near-data", "gateway"), ("spacious", "compute")):
            done = kubectl.until("quantumjob", name, tenant, is_true("Complete"))
            assert done is not None
            node = kubectl.get("edgenode", done["status"]["placement"]["node"], manifests.CLUSTER_NAMESPACE)
            assert node is not None
            assert node["spec"]["tier"] == expected
