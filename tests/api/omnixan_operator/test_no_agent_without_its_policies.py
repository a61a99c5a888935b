"""Agents are started only while the admission policies that confine them are in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.client import Kube
from tests.api.enforcement import ADMISSION, enforced, policies
from tests.api.omnixan_operator.harness import APPS, Agents, Operator, Site, wait
from tests.cases.chart import container, one, render

BINDING = "ValidatingAdmissionPolicyBinding"


@pytest.fixture(scope="module")
def operator(
    kubeconfig: Path, control_plane: Kube, analyzer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator with the chart's setting of what confines agents."""
    environment = {e["name"]: e.get("value") for e in container(render(), "operator")["env"]}
    log = tmp_path_factory.mktemp("operator") / "log"
    running = Operator(kubeconfig, analyzer, log, CONFINEMENT=str(environment["CONFINEMENT"]))
    running.start()
    yield running
    assert running.stop() == 0, log.read_text()


def stalled(site: Site) -> str:
    """Why the EdgeCluster is stalled, if it is for the policies; else nothing."""
    found = site.condition("EdgeCluster", "ec", "Stalled")
    return str(found["message"]) if found.get("reason") == "PoliciesMissing" else ""


def test_without_the_policies_no_agent_is_started_and_with_them_it_is(
    site: Site, agents: Agents, control_plane: Kube
) -> None:
    site.node("g0")
    site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready", "False", "PoliciesMissing")
    assert "omnixan-edge-edgenodes (the policy is missing)" in stalled(site)
    assert [a["metadata"]["name"] for a in site.kube.list("ServiceAccount", "v1")] == ["ec-agent"]
    assert site.kube.list("DaemonSet", APPS) == []

    with enforced(control_plane, policies(render())):
        site.is_so("EdgeCluster", "ec", "Ready")
        assert not stalled(site)
        assert [d["metadata"]["name"] for d in site.kube.list("DaemonSet", APPS)] == ["ec-gateway"]

        name = "omnixan-edge-quantumruns"
        control_plane.delete(BINDING, name, ADMISSION)
        wait("it is noticed", lambda: f"{name} (its binding is missing)" in stalled(site))
        site.kube.delete("DaemonSet", "ec-gateway", APPS)
        site.kube.patch("EdgeCluster", "ec", {"spec": {"region": "elsewhere"}})
        wait("the change is seen", lambda: site.kube.get("EdgeCluster", "ec")["status"]["observedGeneration"] == 2)
        assert site.kube.list("DaemonSet", APPS) == []

        control_plane.apply(one(render(), BINDING, name), "tests", force=True)
        wait("the agents are back", lambda: site.kube.list("DaemonSet", APPS))
        site.is_so("EdgeCluster", "ec", "Ready")
        assert not stalled(site)
