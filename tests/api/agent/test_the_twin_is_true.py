"""EdgeNode status and heartbeat: what is written, and above all what is not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.agent.harness import ENDLESS, PATIENCE_SECONDS, Agent, Lab, eventually
from tests.api.client import Kube, new_namespace

HEARTBEATS = 3
GAP_SECONDS = 10
LATE_SECONDS = 3
LOOKS = 3
"""Times that is looked at two nodes, at most; as a rule the first one tells."""
IDLE, BUSY = "idle", "busy"


class Observed:
    """What was seen of two nodes until each had sent HEARTBEATS: one idle, one with a run that takes longer."""

    def __init__(self) -> None:
        self.node_versions: dict[str, set[str]] = {IDLE: set(), BUSY: set()}
        self.renewals: dict[str, set[str]] = {IDLE: set(), BUSY: set()}
        self.states: set[str] = set()

    def gaps(self, node: str) -> list[timedelta]:
        """The time between each heartbeat of a node and its next."""
        times = sorted(map(datetime.fromisoformat, self.renewals[node]))
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    @property
    def on_time(self) -> bool:
        """Whether the busy node's heartbeats came as the idle one's did: that tells the run's fault from the machine's."""
        most = max(timedelta(seconds=GAP_SECONDS), *self.gaps(IDLE))
        return max(self.gaps(BUSY)) < most + timedelta(seconds=LATE_SECONDS)


class Watching:
    """An idle node, and for each look beside it another one with a run of its own."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._looks: list[Observed] = []
        # Modules are on where nothing runs: their figures alone are no reason to write.
        self._start("node-1", PMEM_PATH=str(lab.folder), PMEM_SIZE="16Mi", POOL_SIZE="128Mi")
        eventually(lambda: "lastCheckpoint" in kept_by(lab.kube, "node-1"), "the twin is in the store, and that is told")

    def look(self, number: int) -> Observed:
        """What was seen at a look; the next one is made now."""
        if number == len(self._looks):
            self._looks.append(self._observe(f"node-{number + 2}", f"long-{number}"))
        return self._looks[number]

    def _start(self, node: str, **modules: str) -> Agent:
        self._lab.node(node)
        agent = self._lab.agent(node, QUBITS="22", **modules).wait_ready()
        eventually(lambda: self._lab.condition(node).get("status") == "True", "the node reports itself")
        eventually(lambda: self._lab.lease(node), "there is a heartbeat")
        return agent

    def _observe(self, busy: str, run: str) -> Observed:
        lab = self._lab
        agent = self._start(busy)
        lab.submit(run, ENDLESS, node=busy, timeout=3600)
        lab.began(run)
        seen = Observed()
        end = time.monotonic() + PATIENCE_SECONDS
        while min(map(len, seen.renewals.values())) < HEARTBEATS:
            assert time.monotonic() < end, seen.renewals
            for what, node in ((IDLE, "node-1"), (BUSY, busy)):
                seen.node_versions[what].add(lab.kube.get("EdgeNode", node)["metadata"]["resourceVersion"])
                lease = lab.lease(node)
                assert lease is not None
                seen.renewals[what].add(lease["spec"]["renewTime"])
            seen.states.add(lab.status(run)["state"])
            time.sleep(0.2)
        agent.clean()
        return seen


def kept_by(kube: Kube, node: str) -> dict[str, Any]:
    """What an agent says of its persistent memory."""
    found: dict[str, Any] = kube.get("EdgeNode", node).get("status", {}).get("persistentMemory", {})
    return found


@pytest.fixture(scope="module")
def watching(control_plane: Kube, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    with new_namespace(control_plane) as kube:
        lab = Lab(kube, kubeconfig, tmp_path_factory.mktemp("twin"))
        try:
            lab.grant()
            yield Watching(lab)
        finally:
            lab.close()


def test_an_idle_agent_writes_nothing_but_its_heartbeat(watching: Watching):
    observed = watching.look(0)
    assert len(observed.node_versions[IDLE]) == 1
    assert min(observed.gaps(IDLE)) >= timedelta(seconds=GAP_SECONDS - 0.1)  # timers count in milliseconds


def test_a_long_run_does_not_starve_the_heartbeat(watching: Watching):
    gaps = []
    for number in range(LOOKS):
        observed = watching.look(number)
        assert observed.states == {"Running"}
        assert len(observed.node_versions[BUSY]) == 1
        if observed.on_time:
            return
        gaps.append((observed.gaps(IDLE), observed.gaps(BUSY)))
    pytest.fail(f"a machine that stands still makes a heartbeat late now and then, but not in every look: {gaps}")


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
