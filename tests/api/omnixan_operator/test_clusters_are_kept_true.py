"""An EdgeCluster on the real operator: nodes, children, and what others do to them."""

from __future__ import annotations

from typing import Any

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import CLAIM_LABEL, MANAGED_BY_LABEL
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan_operator.desired.quantumrun import quantum_run
from tests.api.client import Kube, Object, RefusedError
from tests.api.omnixan_operator.harness import APPS, AWHILE, BELL, LEASE, Agents, Operator, Site, micro_time, wait

RBAC = "rbac.authorization.k8s.io/v1"


def members(site: Site) -> set[str]:
    return {node["metadata"]["name"].removeprefix(f"{site.mark}-") for node in site.kube.list("EdgeNode")}


def twin(site: Site, suffix: str) -> Object:
    return site.kube.get("EdgeNode", f"{site.mark}-{suffix}")


def pools(site: Site) -> dict[str, tuple[int, ...]]:
    status = site.kube.get("EdgeCluster", "ec")["status"]
    return {p["name"]: (p["desired"], p["claimed"], p["ready"], p["updated"]) for p in status["pools"]}


def test_nodes_are_claimed_and_children_made(site: Site, agents: Agents) -> None:
    for name in ("g0", "g1", "g2"):
        site.node(name)
    site.node("c0", "compute")
    compute = site.pool("compute", "compute", "compute", minNodes=1, qpu={"qubits": 16})
    created = site.cluster(3, site.pool(minNodes=1), compute, region="lab")
    cluster = site.is_so("EdgeCluster", "ec", "Ready")
    mark = created["metadata"]["uid"].replace("-", "")[:10]
    assert site.claims() == {"g0": f"gateway.{mark}", "g1": f"gateway.{mark}", "c0": f"compute.{mark}"}
    assert members(site) == {"g0", "g1", "c0"}
    wait("it is settled", lambda: not site.condition("EdgeCluster", "ec", "Reconciling"))
    assert pools(site) == {"gateway": (2, 2, 2, 2), "compute": (1, 1, 1, 1)}
    status = site.kube.get("EdgeCluster", "ec")["status"]
    assert (status["nodes"], status["readyNodes"], status["desiredNodes"], status["phase"]) == (3, 3, 3, "Ready")
    daemon_set = site.kube.get("DaemonSet", "ec-gateway", api_version=APPS)
    assert daemon_set["spec"]["template"]["spec"]["nodeSelector"] == {CLAIM_LABEL: f"gateway.{mark}"}
    labels = twin(site, "g0")["metadata"]["labels"]
    assert labels["edge.omnixan.io/region"] == "lab" and labels["edge.omnixan.io/tier"] == "gateway"
    owner = {"name": "ec", "uid": created["metadata"]["uid"], "controller": True}
    for kind, name, version in (
        ("ServiceAccount", "ec-agent", "v1"),
        ("RoleBinding", "ec-agent", RBAC),
        ("DaemonSet", "ec-compute", APPS),
    ):
        child = site.kube.get(kind, name, api_version=version)
        assert owner.items() <= child["metadata"]["ownerReferences"][0].items()
    assert cluster["status"]["selector"]


def test_scaling_follows_the_scale_subresource_and_back(site: Site, agents: Agents) -> None:
    for name in ("g0", "g1", "g2"):
        site.node(name)
    site.cluster(3)
    site.is_so("EdgeCluster", "ec", "Ready")
    wait("it is scaled", lambda: scaled(site, 1))
    wait("one node is left", lambda: members(site) == {"g0"} and set(site.claims()) == {"g0"})
    site.is_so("EdgeCluster", "ec", "Ready")
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 2}})
    wait("two nodes", lambda: members(site) == {"g0", "g1"})


def scaled(site: Site, nodes: int) -> bool:
    """Scale as kubectl does: read, write; again if the operator wrote its status in between."""
    scale = site.kube.get("EdgeCluster", "ec", "scale")
    path = site.kube.path("edge.omnixan.io/v1alpha1", "EdgeCluster", "ec", "scale")
    try:
        site.kube.request("PUT", path, scale | {"spec": {"replicas": nodes}})
    except RefusedError as error:
        if error.code != 409:
            raise
        return False
    return True


def test_a_busy_node_drains_first_and_a_drain_can_be_taken_back(site: Site, agents: Agents) -> None:
    site.node("g0"), site.node("g1")
    site.cluster(2)
    site.is_so("EdgeCluster", "ec", "Ready")
    agents.work = False
    site.job("one"), site.job("two")
    wait("both nodes are busy", lambda: len({run["spec"]["nodeName"] for run in site.runs()}) == 2)
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 1}})
    wait("a node drains", lambda: twin(site, "g1")["spec"]["drain"])
    site.is_so("EdgeNode", f"{site.mark}-g1", "Draining")
    site.is_so("EdgeCluster", "ec", "Ready", "False", "Draining")
    site.job("three")
    site.is_so("QuantumJob", "three", "Placed")
    assert site.kube.get("QuantumJob", "three")["status"]["run"]["node"] == f"{site.mark}-g0"
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 2}})
    wait("the drain is taken back", lambda: not twin(site, "g1")["spec"]["drain"])
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 1}})
    wait("it drains again", lambda: twin(site, "g1")["spec"]["drain"])
    agents.work = True
    wait("it is given back", lambda: set(site.claims()) == {"g0"} and members(site) == {"g0"})
    for name in ("one", "two", "three"):
        assert not site.is_so("QuantumJob", name, "Complete")["status"].get("attempts")


def test_what_is_changed_by_hand_is_put_right_and_foreign_fields_stay(site: Site, agents: Agents) -> None:
    site.node("g0")
    site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready")
    ours = site.kube.get("DaemonSet", "ec-gateway", api_version=APPS)
    image = ours["spec"]["template"]["spec"]["containers"][0]["image"]
    site.kube.request(
        "PATCH",
        site.kube.path(APPS, "DaemonSet", "ec-gateway"),
        {
            "metadata": {"labels": {"team": "edge"}, "annotations": {"note": "kept"}},
            "spec": {"template": {"spec": {"containers": [{"name": "agent", "image": "registry.invalid/evil:1"}]}}},
        },
        "application/strategic-merge-patch+json",
    )

    def image_now() -> str:
        pod = site.kube.get("DaemonSet", "ec-gateway", api_version=APPS)["spec"]["template"]["spec"]
        return str(pod["containers"][0]["image"])

    wait("the image is back", lambda: image_now() == image)
    metadata = site.kube.get("DaemonSet", "ec-gateway", api_version=APPS)["metadata"]
    assert metadata["labels"]["team"] == "edge" and metadata["annotations"]["note"] == "kept"
    for kind, name, version in (
        ("DaemonSet", "ec-gateway", APPS),
        ("ServiceAccount", "ec-agent", "v1"),
        ("RoleBinding", "ec-agent", RBAC),
        ("EdgeNode", f"{site.mark}-g0", "edge.omnixan.io/v1alpha1"),
    ):
        uid = site.kube.get(kind, name, api_version=version)["metadata"]["uid"]
        site.kube.delete(kind, name, version)
        again: Any = wait(f"{kind} {name} is back", lambda k=kind, n=name, v=version: site.kube.get(k, n, api_version=v))
        assert again["metadata"]["uid"] != uid
    site.kube.patch("DaemonSet", "ec-gateway", {"metadata": {"labels": {MANAGED_BY_LABEL: None}}}, "", APPS)
    wait(
        "our label is back",
        lambda: MANAGED_BY_LABEL in site.kube.get("DaemonSet", "ec-gateway", api_version=APPS)["metadata"]["labels"],
    )
    site.kube.patch("Node", f"{site.mark}-g0", {"metadata": {"labels": {CLAIM_LABEL: None, "team": "edge"}}}, "", "v1")
    wait("the claim is back", lambda: set(site.claims()) == {"g0"})
    assert site.kube.get("Node", f"{site.mark}-g0", api_version="v1")["metadata"]["labels"]["team"] == "edge"
    site.is_so("EdgeCluster", "ec", "Ready")


def test_a_removed_pool_drains_before_its_agents_go(site: Site, agents: Agents) -> None:
    site.node("g0"), site.node("c0", "compute")
    compute = site.pool("compute", "compute", "compute")
    site.cluster(2, site.pool(), compute)
    site.is_so("EdgeCluster", "ec", "Ready")
    agents.work = False
    site.job("bell", requirements={"tiers": ["compute"]})
    wait("a run on compute", site.runs)
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 1, "pools": [site.pool()]}})
    wait("the node drains", lambda: twin(site, "c0")["spec"]["drain"])
    assert site.kube.get("DaemonSet", "ec-compute", api_version=APPS)
    agents.work = True
    site.is_so("QuantumJob", "bell", "Complete")
    wait("node and DaemonSet are gone", lambda: members(site) == {"g0"} and len(site.kube.list("DaemonSet", APPS)) == 1)
    assert set(site.claims()) == {"g0"}


def test_of_two_clusters_the_older_gets_the_node(site: Site, agents: Agents, operator: Operator) -> None:
    older = site.cluster(1)["metadata"]["creationTimestamp"]
    site.is_so("EdgeCluster", "ec", "NodesAvailable", "False", "NoCandidateNodes")
    wait("a second has passed", lambda: micro_time()[:19] + "Z" > older)
    site.cluster(1, name="younger")
    site.is_so("EdgeCluster", "younger", "NodesAvailable", "False", "NoCandidateNodes")
    site.node("g0")
    site.is_so("EdgeCluster", "ec", "Ready")
    younger = site.is_so("EdgeCluster", "younger", "NodesAvailable", "False", "ClaimedByOther")
    assert younger["status"]["phase"] == "Short"
    site.kube.delete("EdgeCluster", "ec")
    wait("the younger one gets it", lambda: site.kube.get("EdgeCluster", "younger")["status"]["nodes"] == 1)


def test_a_node_moves_from_one_cluster_to_another(site: Site, agents: Agents) -> None:
    name = site.node("g0")
    old = site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready")
    new = site.cluster(1, name="other")
    site.is_so("EdgeCluster", "other", "NodesAvailable", "False", "ClaimedByOther")
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 0}})
    site.is_so("EdgeCluster", "other", "Ready")
    owner = site.kube.get("EdgeNode", name)["metadata"]["ownerReferences"][0]
    assert owner["uid"] == new["metadata"]["uid"] != old["metadata"]["uid"]
    events = [e["reason"] for e in site.kube.list("Event", "events.k8s.io/v1") if e["regarding"]["name"] == "other"]
    assert "NameTaken" not in events


def test_a_cluster_made_anew_waits_for_what_the_old_one_left(site: Site, agents: Agents) -> None:
    name = site.node("g0")
    site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready")
    site.kube.delete("EdgeCluster", "ec")
    new = site.cluster(1)
    wait("it claims the node", lambda: site.kube.get("EdgeCluster", "ec")["status"].get("nodes") == 1)
    assert not site.condition("EdgeCluster", "ec", "Stalled")
    for kind, child, version in (  # as the garbage collector does
        ("DaemonSet", "ec-gateway", APPS),
        ("ServiceAccount", "ec-agent", "v1"),
        ("RoleBinding", "ec-agent", RBAC),
        ("EdgeNode", name, "edge.omnixan.io/v1alpha1"),
    ):
        site.kube.delete(kind, child, version)
    site.is_so("EdgeCluster", "ec", "Ready")
    owner = site.kube.get("DaemonSet", "ec-gateway", api_version=APPS)["metadata"]["ownerReferences"][0]
    assert owner["uid"] == new["metadata"]["uid"]


def test_cordoned_and_unready_nodes_are_not_claimed_but_kept(site: Site, agents: Agents) -> None:
    site.node("g0"), site.node("g1", cordoned=True), site.node("g2", ready=False)
    site.cluster(3)
    site.is_so("EdgeCluster", "ec", "NodesAvailable", "False", "NoCandidateNodes")

    def others_are_passed_over() -> bool:
        message = site.condition("EdgeCluster", "ec", "NodesAvailable").get("message", "")
        return "2 matching nodes are cordoned or not Ready" in message and set(site.claims()) == {"g0"}

    wait("the good node is claimed, and it is said why the others are not", others_are_passed_over)
    site.kube.patch("Node", f"{site.mark}-g1", {"spec": {"unschedulable": None}}, "", "v1")
    site.set_ready(f"{site.mark}-g2", True)
    site.is_so("EdgeCluster", "ec", "Ready")
    site.kube.patch("Node", f"{site.mark}-g1", {"spec": {"unschedulable": True}}, "", "v1")
    site.set_ready(f"{site.mark}-g2", False)
    site.kube.patch("EdgeCluster", "ec", {"spec": {"region": "lab"}})
    wait("it was looked at", lambda: site.kube.get("EdgeCluster", "ec")["status"]["observedGeneration"] == 2)
    assert set(site.claims()) == {"g0", "g1", "g2"}


def test_a_node_is_not_ready_once_its_lease_runs_out(site: Site, agents: Agents) -> None:
    name = site.node("g0")
    site.cluster(1)
    site.is_so("EdgeNode", name, "Ready")
    agents.beat(name, twin(site, "g0")["metadata"]["uid"], seconds=1)
    site.is_so("EdgeNode", name, "Ready", "False", "HeartbeatLost")
    site.is_so("EdgeCluster", "ec", "Ready", "False", "NodesNotReady")
    agents.beat(name, twin(site, "g0")["metadata"]["uid"])
    site.is_so("EdgeNode", name, "Ready")
    assert site.kube.get("Lease", name, api_version=LEASE)


def test_a_paused_cluster_is_left_as_it_is(site: Site, agents: Agents) -> None:
    site.node("g0"), site.node("g1")
    site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready")
    site.kube.patch("EdgeCluster", "ec", {"metadata": {"annotations": {"edge.omnixan.io/paused": "true"}}})
    assert site.is_so("EdgeCluster", "ec", "Paused")["status"]["phase"] == "Paused"
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 2}})
    site.kube.delete("DaemonSet", "ec-gateway", APPS)
    wait("it was looked at", lambda: site.kube.get("EdgeCluster", "ec")["status"]["observedGeneration"] == 2)
    assert set(site.claims()) == {"g0"} and not site.kube.list("DaemonSet", APPS)
    site.kube.patch("EdgeCluster", "ec", {"metadata": {"annotations": {"edge.omnixan.io/paused": None}}})
    wait("it goes on", lambda: set(site.claims()) == {"g0", "g1"} and site.kube.list("DaemonSet", APPS))
    wait("it says so", lambda: not site.condition("EdgeCluster", "ec", "Paused"))


def test_an_object_of_somebody_else_is_not_taken_over(site: Site, agents: Agents) -> None:
    site.node("g0")
    foreign = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ec-agent", "labels": {"a": "b"}}}
    site.kube.create(foreign)
    site.cluster(1)
    cluster = site.is_so("EdgeCluster", "ec", "Stalled", "True", "NameTaken")
    assert "ServiceAccount ec-agent" in next(c["message"] for c in cluster["status"]["conditions"] if c["type"] == "Stalled")
    assert "ownerReferences" not in site.kube.get("ServiceAccount", "ec-agent", api_version="v1")["metadata"]


def test_a_child_that_is_refused_stalls_its_cluster_only(site: Site, agents: Agents, control_plane: Kube) -> None:
    site.node("g0"), site.node("o0", "other")
    site.cluster(1, site.pool(agent={"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}))
    site.cluster(1, site.pool(role="other"), name="good")
    cluster = site.is_so("EdgeCluster", "ec", "Stalled", "True", "ChildRejected")
    assert "DaemonSet ec-gateway" in next(c["message"] for c in cluster["status"]["conditions"] if c["type"] == "Ready")
    site.is_so("EdgeCluster", "good", "Ready")
    site.kube.patch("EdgeCluster", "ec", {"spec": {"pools": [site.pool(agent=None)]}})
    site.is_so("EdgeCluster", "ec", "Ready")


def test_settled_objects_cost_no_request_and_a_restart_writes_nothing(
    site: Site, agents: Agents, operator: Operator
) -> None:
    site.node("g0"), site.node("g1")
    site.cluster(2)
    site.is_ready()
    site.job()
    site.job("wide", requirements={"minQubits": 20})
    site.is_so("QuantumJob", "bell", "Complete")
    site.is_so("QuantumJob", "wide", "Placed", "False", "NoNodeFits")
    site.is_told("wide", "NoNodeFits")
    operator.settled(AWHILE)
    before = operator.requests(writes_only=False)
    reconciled = operator.metric("omnixan_operator_reconcile_total")
    name = f"{site.mark}-g0"
    agents.beat(name, twin(site, "g0")["metadata"]["uid"])
    site.kube.patch("Node", name, {"metadata": {"labels": {"team": "edge"}}}, "", "v1")
    site.kube.patch("QuantumJob", "bell", {"metadata": {"labels": {"team": "edge"}}})
    site.kube.patch("EdgeCluster", "ec", {"metadata": {"labels": {"team": "edge"}}})
    site.kube.patch("EdgeNode", name, {"metadata": {"labels": {"team": "edge"}}})
    wait("the changes were looked at", lambda: operator.metric("omnixan_operator_reconcile_total") > reconciled)
    operator.settled()
    assert operator.requests(writes_only=False) == before
    operator.restart()
    operator.settled()
    assert operator.metric("omnixan_operator_reconcile_total") > 5
    assert operator.requests(writes_only=False) == {}


def test_what_happened_while_the_operator_was_down_is_taken_over(site: Site, agents: Agents, operator: Operator) -> None:
    site.node("g0"), site.node("g1")
    site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready")
    agents.work = False
    operator.stop(9)
    # as if the operator had died between making the run and writing the status
    job = QuantumJob.model_validate(site.job())
    cluster = EdgeCluster.model_validate(site.kube.get("EdgeCluster", "ec"))
    made = quantum_run(job, cluster, f"{site.mark}-g0", 1, BELL)
    site.kube.create({"apiVersion": "edge.omnixan.io/v1alpha1", "kind": "QuantumRun"} | made)
    operator.start()
    site.is_so("QuantumJob", "bell", "Placed")
    agents.work = True
    ended = site.is_so("QuantumJob", "bell", "Complete")
    assert len(site.runs()) == 1 and ended["status"]["run"]["attempt"] == 1 and "attempts" not in ended["status"]
