"""EdgeNode status and heartbeat: what is written, and above all what is not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.agent.harness import ENDLESS, PATIENCE_SECONDS, Lab, eventually
from tests.api.client import Kube, new_namespace

HEARTBEATS = 3
GAP_SECONDS = 10
LATE_SECONDS = 3


class Observed:
    """What was seen of two nodes until each had sent HEARTBEATS: node-1 idle, node-2 with a run that takes longer."""

    def __init__(self) -> None:
        self.node_versions: dict[str, set[str]] = {"node-1": set(), "node-2": set()}
        self.renewals: dict[str, set[str]] = {"node-1": set(), "node-2": set()}
        self.states: set[str] = set()

    def gaps(self, node: str) -> list[timedelta]:
        """The time between each heartbeat of a node and its next."""
        times = sorted(map(datetime.fromisoformat, self.renewals[node]))
        return [later - earlier for earlier, later in itertools.pairwise(times)]


def kept_by(kube: Kube, node: str) -> dict[str, Any]:
    """What an agent says of its persistent memory."""
    found: dict[str, Any] = kube.get("EdgeNode", node).get("status", {}).get("persistentMemory", {})
    return found


@pytest.fixture(scope="module")
def observed(control_plane: Kube, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with new_namespace(control_plane) as kube:
        lab = Lab(kube, kubeconfig, tmp_path_factory.mktemp("twin"))
        try:
            lab.grant()
            for node in ("node-1", "node-2"):
                lab.node(node)
                # Modules are on where nothing runs: their figures alone are no reason to write.
                modules = (
                    {"PMEM_PATH": str(lab.folder), "PMEM_SIZE": "16Mi", "POOL_SIZE": "128Mi"} if node == "node-1" else {}
                )
                lab.agent(node, QUBITS="22", **modules).wait_ready()
            for node in ("node-1", "node-2"):
                eventually(lambda node=node: lab.condition(node).get("status") == "True", "the node reports itself")
                eventually(lambda node=node: lab.lease(node), "there is a heartbeat")
            eventually(lambda: "lastCheckpoint" in kept_by(kube, "node-1"), "the twin is in the store, and that is told")
            lab.submit("long", ENDLESS, node="node-2", timeout=3600)
            lab.began("long")
            seen = Observed()
            end = time.monotonic() + PATIENCE_SECONDS
            while min(map(len, seen.renewals.values())) < HEARTBEATS:
                assert time.monotonic() < end, seen.renewals
                for node in ("node-1", "node-2"):
                    seen.node_versions[node].add(kube.get("EdgeNode", node)["metadata"]["resourceVersion"])
                    lease = lab.lease(node)
                    assert lease is not None
                    seen.renewals[node].add(lease["spec"]["renewTime"])
                seen.states.add(lab.status("long")["state"])
                time.sleep(0.2)
            yield seen
        finally:
            lab.close()


def test_an_idle_agent_writes_nothing_but_its_heartbeat(observed: Observed):
    assert len(observed.node_versions["node-1"]) == 1
    assert min(observed.gaps("node-1")) >= timedelta(seconds=GAP_SECONDS - 0.1)  # timers count in milliseconds


def test_a_long_run_does_not_starve_the_heartbeat(observed: Observed):
    assert observed.states == {"Running"}
    # An idle agent beside it tells what is the run's fault and what a busy machine's.
    on_time = max(timedelta(seconds=GAP_SECONDS), *observed.gaps("node-1"))
    assert max(observed.gaps("node-2")) < on_time + timedelta(seconds=LATE_SECONDS)
    assert len(observed.node_versions["node-2"]) == 1


def test_the_node_reports_what_it_is(lab: Lab):
    lab.agent(QUBITS="11").wait_ready()
    eventually(lambda: lab.condition().get("status") == "True", "the node reports itself")
    status = lab.kube.get("EdgeNode", "node-1")["status"]
    assert (status["backend"], status["qubits"]) == ("simulator", 11) and status["version"]
    assert lab.condition()["reason"] == "WorkerWarm"
    lease = eventually(lab.lease, "there is a heartbeat")
    assert lease["spec"]["holderIdentity"] == "node-1-pod-0" and lease["spec"]["leaseDurationSeconds"] == 40
    assert lease["metadata"]["labels"] == {"edge.omnixan.io/heartbeat": "true"}
    owner = lab.kube.get("EdgeNode", "node-1")
    assert [o["uid"] for o in lease["metadata"]["ownerReferences"]] == [owner["metadata"]["uid"]]


def test_an_edge_node_that_comes_late_or_again_gets_its_status(lab: Lab):
    lab.kube.delete("EdgeNode", "node-1")
    agent = lab.agent().wait_ready()
    eventually(lambda: "does not exist yet" in agent.log(), "it says so")
    for _ in range(2):
        lab.node()
        eventually(lambda: lab.condition().get("status") == "True", "the new EdgeNode has its status")
        lab.kube.delete("EdgeNode", "node-1")


def test_what_the_operator_writes_beside_it_stays(lab: Lab):
    node = {"apiVersion": "edge.omnixan.io/v1alpha1", "kind": "EdgeNode", "metadata": {"name": "node-1"}}
    ready = {"type": "Ready", "status": "False", "reason": "Waiting", "message": "", "observedGeneration": 1}
    ready["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    status = {"observedGeneration": 1, "conditions": [ready]}
    lab.kube.apply(node | {"status": status}, "omnixan-operator", "status")
    lab.agent().wait_ready()
    eventually(lambda: lab.condition().get("status") == "True", "the node reports itself")
    live = lab.kube.get("EdgeNode", "node-1")["status"]
    assert live["observedGeneration"] == 1
    assert {c["type"] for c in live["conditions"]} == {"Ready", "AgentReady"}
