"""Modules of an EdgeCluster on the real operator: what agents are given, and what is said of it."""

from __future__ import annotations

from typing import Any

from omnixan.edge_network.api.meta import API_VERSION, CLAIM_LABEL, MEMORY_TIER_LABEL
from tests.api.client import Object
from tests.api.omnixan_operator.harness import APPS, Agents, Site, micro_time, wait

LEVEL = "pod-security.kubernetes.io/enforce"
MODULES = {"persistentMemory": {}, "memoryPooling": {"poolSize": "512Mi"}}


def template(site: Site) -> Object:
    spec: Object = site.kube.get("DaemonSet", "ec-gateway", api_version=APPS)["spec"]["template"]["spec"]
    return spec


def has_folder(site: Site) -> bool:
    return any("hostPath" in volume for volume in template(site)["volumes"])


def labels(site: Site, suffix: str = "g0") -> dict[str, str]:
    found: dict[str, str] = site.kube.get("Node", f"{site.mark}-{suffix}", api_version="v1")["metadata"]["labels"]
    return found


def label(site: Site, suffix: str, **changes: Any) -> None:
    site.kube.patch("Node", f"{site.mark}-{suffix}", {"metadata": {"labels": changes}}, "", "v1")


def level(site: Site, wanted: str | None) -> None:
    site.kube.patch("Namespace", site.mark, {"metadata": {"labels": {LEVEL: wanted}}}, "", "v1")


def report(site: Site, tier: str | None, reason: str = "Durable", suffix: str = "g0") -> None:
    """What an agent says of both modules; without a tier that its persistent memory is not in use."""
    condition = {"message": "", "lastTransitionTime": micro_time()[:19] + "Z", "observedGeneration": 1}
    said = [
        condition | {"type": "PersistentMemoryReady", "status": str(tier is not None), "reason": reason},
        condition | {"type": "MemoryPoolReady", "status": "True", "reason": "PoolOpen"},
    ]
    status = ({"persistentMemory": {"tier": tier}} if tier else {}) | {"conditions": said}
    twin = {"apiVersion": API_VERSION, "kind": "EdgeNode", "metadata": {"name": f"{site.mark}-{suffix}"}}
    site.kube.apply(twin | {"status": status}, "omnixan-agent-modules", "status", force=True)


def ready(site: Site, agents: Agents, **modules: Any) -> None:
    """An EdgeCluster of one node that is Ready."""
    site.node("g0")
    site.cluster(1, modules=modules or MODULES)
    site.is_so("EdgeCluster", "ec", "Ready")


def test_a_tier_is_labelled_as_the_agent_says_it_and_goes_with_the_claim(site: Site, agents: Agents) -> None:
    ready(site, agents)
    assert has_folder(site) and [c["name"] for c in template(site)["initContainers"]] == ["handover"]
    site.is_so("EdgeCluster", "ec", "ModulesReady", "False", "ModulesStarting")
    report(site, "T3-file")
    found = site.is_so("EdgeCluster", "ec", "ModulesReady", "True", "ModulesReady")
    pool = found["status"]["pools"][0]
    assert (pool["persistentMemoryReady"], pool["memoryPoolingReady"]) == (1, 1)
    assert pool["modules"]["persistentMemory"]["pmemPath"] == "/mnt/pmem0"
    wait("the node is labelled", lambda: labels(site).get(MEMORY_TIER_LABEL) == "T3-file")
    label(site, "g0", **{MEMORY_TIER_LABEL: "T0-device-dax"})
    wait("a label of somebody's is put right", lambda: labels(site).get(MEMORY_TIER_LABEL) == "T3-file")
    report(site, "T1-fsdax")
    wait("the label follows", lambda: labels(site).get(MEMORY_TIER_LABEL) == "T1-fsdax")
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 0}})
    wait("the claim is gone", lambda: CLAIM_LABEL not in labels(site))
    assert MEMORY_TIER_LABEL not in labels(site), "both go in one write"


def test_a_memory_that_refuses_takes_no_node_from_jobs(site: Site, agents: Agents) -> None:
    ready(site, agents, persistentMemory={"mode": "dax"})
    report(site, "T1-fsdax")
    wait("the node is labelled", lambda: MEMORY_TIER_LABEL in labels(site))
    report(site, None, "NoDAX")
    found = site.is_so("EdgeCluster", "ec", "ModulesReady", "False", "ModulesNotReady")
    said = next(c["message"] for c in found["status"]["conditions"] if c["type"] == "ModulesReady")
    assert f"persistentMemory on 1 of 1 nodes: {site.mark}-g0 (NoDAX)" in said
    assert found["status"]["pools"][0]["persistentMemoryReady"] == 0
    wait("there is no tier any more", lambda: MEMORY_TIER_LABEL not in labels(site))
    assert found["status"]["phase"] == "Ready"
    site.job()
    site.is_so("QuantumJob", "bell", "Complete")


def test_a_namespace_that_forbids_the_folder_costs_the_module_and_no_agent(site: Site, agents: Agents) -> None:
    level(site, "restricted")
    ready(site, agents)
    found = site.is_so("EdgeCluster", "ec", "ModulesReady", "False", "NamespaceNotPrivileged")
    assert found["status"]["phase"] == "Ready" and found["status"]["pools"][0]["modules"].keys() == {"memoryPooling"}
    assert not has_folder(site) and "initContainers" not in template(site)
    environment = {entry["name"] for entry in template(site)["containers"][0]["env"]}
    assert "POOL_SIZE" in environment and "PMEM_PATH" not in environment
    level(site, "privileged")
    wait("the folder is given as soon as it can be", lambda: has_folder(site))
    level(site, "baseline")
    wait("and taken away, before pods are refused", lambda: not has_folder(site))
    assert "initContainers" not in template(site)


def test_what_is_left_of_a_claim_that_was_torn_off_is_taken_away(site: Site, agents: Agents) -> None:
    site.node("left")
    label(site, "left", **{MEMORY_TIER_LABEL: "T3-file"})
    wait("the label is gone", lambda: MEMORY_TIER_LABEL not in labels(site, "left"))


def test_without_modules_nothing_of_them_is_there(site: Site, agents: Agents) -> None:
    site.node("g0")
    site.cluster(1)
    found = site.is_so("EdgeCluster", "ec", "Ready")
    assert {c["type"] for c in found["status"]["conditions"]} <= {"Ready", "NodesAvailable", "Reconciling"}
    assert "modules" not in found["status"]["pools"][0] and not has_folder(site)
