"""Two replicas: whatever happens to the one that leads, the other goes on, and nothing is done twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from e2e.cluster.apiserver import BareControlPlane
from e2e.gitops.replay import recorded
from tests.api.omnixan_operator.harness import AWHILE, Site, wait
from tests.api.omnixan_operator.replicas import HEARTBEAT_SECONDS, PacedAgents, Replica, Replicas

pytestmark = pytest.mark.timeout(900)  # its waits alone may take longer than a test may elsewhere
FAILOVER_SECONDS = 20.0
"""From the last renewal by a leader that stops to the moment at which another takes the Lease, at most."""
STEADY_SECONDS = float(os.environ.get("OMNIXAN_STEADY_SECONDS", "60"))
"""How long settled objects are watched; `make soak` takes longer."""
STEADY_EVIDENCE = os.environ.get("OMNIXAN_STEADY_EVIDENCE")
"""The file that what was seen meanwhile is written to, as JSON; `make soak` keeps it."""
SETTLED_OBJECTS, SETTLED_CLUSTERS = 500, 20
"""What is settled at least, and how many EdgeClusters are among it."""
FROZEN_SECONDS = 60.0
"""How long a frozen leader stays so, at least: longer than its Lease, its watches' silence and its requests may last."""
JOBS = 100
NODES = 4


@pytest.fixture(scope="module")
def replicas(analyzer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two replicas on an API server of their own."""
    with (
        BareControlPlane(audit=True) as plane,
        Replicas(plane, analyzer, tmp_path_factory.mktemp("replicas")) as found,
        recorded(plane.kubeconfig),
    ):
        yield found
        for member in found.members:
            assert not member.tracebacks(), member.tracebacks()


@pytest.fixture(scope="module")
def site(replicas: Replicas) -> Iterator[Site]:
    """Four nodes under an EdgeCluster."""
    own = Site(replicas.admin)
    for number in range(NODES):
        own.node(f"n{number}")
    own.cluster(NODES)
    yield own


@pytest.fixture(scope="module")
def agents(site: Site) -> Iterator[PacedAgents]:
    with PacedAgents(site.kube) as playing:
        site.is_so("EdgeCluster", "ec", "Ready")
        yield playing


@pytest.fixture
def both(replicas: Replicas) -> Replicas:
    """Both replicas up, whatever an earlier test did to them."""
    for member in replicas.members:
        if member.ended() is not None:
            member.start()
    replicas.leader()
    return replicas


def complete(site: Site, prefix: str) -> int:
    """How many of a test's jobs are over well."""
    jobs = [job for job in site.kube.list("QuantumJob") if job["metadata"]["name"].startswith(prefix)]
    return sum(job.get("status", {}).get("phase") == "Complete" for job in jobs)


def objects_by_kind(site: Site) -> dict[str, int]:
    """How many there are of the kinds that the operator reconciles, or makes runs of."""
    return {kind: len(site.kube.list(kind)) for kind in ("EdgeCluster", "EdgeNode", "QuantumJob", "QuantumRun")}


def every_job_has_one_result(replicas: Replicas, site: Site, prefix: str, since: int) -> None:
    """By the audit log: one run each, made once, finished once; one result, which is the run's."""
    jobs = [job for job in site.kube.list("QuantumJob") if job["metadata"]["name"].startswith(prefix)]
    maps = {m["metadata"]["name"]: m for m in site.kube.list("ConfigMap", "v1")}
    made = Counter(w.name for w in replicas.writes(since) if (w.verb, w.resource) == ("create", "quantumruns"))
    for job in jobs:
        status = job["status"]
        assert status["phase"] == "Complete" and not status.get("attempts"), status
        assert made[f"{job['metadata']['uid']}-1"] == 1 and f"{job['metadata']['uid']}-2" not in made
        text = maps[status["result"]["ref"]["name"]]["data"]["result.json"]
        assert hashlib.sha256(text.encode()).hexdigest() == status["result"]["ref"]["sha256"]


def nobody_wrote_after_its_successor(replicas: Replicas, since: int) -> None:
    """By the audit log: once the new leader has written, nothing of the former one is accepted."""
    pods = [write.pod for write in replicas.writes(since) if write.resource != "events"]
    terms = [pod for pod, _ in groupby(pods)]
    assert len(terms) == len(set(terms)) == 2, terms


def stop(how: str, leader: Replica) -> None:
    if how == "killed":
        leader.stop(signal.SIGKILL)
    elif how == "frozen":
        leader.signal(signal.SIGSTOP)
    else:
        leader.link.freeze()


def come_back(how: str, former: Replica) -> None:
    """The frozen process goes on, the cut line passes on what it held back; the process finds out and ends."""
    if how == "frozen":
        former.signal(signal.SIGCONT)
    elif how == "cut off":
        former.link.thaw()
    assert wait("the former leader ends", lambda: former.ended() is not None)
    assert former.ended() == (-9 if how == "killed" else 1)


@pytest.mark.parametrize("how", ["killed", "frozen", "cut off"])
def test_jobs_go_on_under_another_leader(both: Replicas, site: Site, agents: PacedAgents, how: str) -> None:
    since, prefix = both.audit_size(), how.split()[0]
    leader = both.leader()
    done = agents.finished
    for number in range(JOBS):
        site.job(f"{prefix}-{number}")
    agents.allowed = done + JOBS // 3
    wait("a third of the jobs is over", lambda: complete(site, prefix) == JOBS // 3)
    held = both.lease()
    stop(how, leader)
    stopped = time.monotonic()
    agents.allowed = done + 2 * JOBS // 3  # nodes do not wait for an operator
    seconds = both.left_behind_by(leader, held)
    print(f"\n{how}: another leads {seconds:.1f} s after the last renewal")
    assert 0 < seconds <= FAILOVER_SECONDS
    wait("the new leader tells what is over", lambda: complete(site, prefix) == 2 * JOBS // 3)
    if how == "frozen":
        time.sleep(max(0.0, stopped + FROZEN_SECONDS - time.monotonic()))  # how long it is away is the fault, not a wait
    come_back(how, leader)
    agents.allowed = done + JOBS
    wait("all jobs are over", lambda: complete(site, prefix) == JOBS)
    every_job_has_one_result(both, site, prefix, since)
    nobody_wrote_after_its_successor(both, since)


def test_a_leader_that_is_asked_to_end_hands_over_at_once(both: Replicas, site: Site, agents: PacedAgents) -> None:
    leader = both.leader()
    assert leader.stop() == 0
    assert both.taken_over_from(leader) < 10.0
    site.job("handed-over")
    agents.allowed = agents.finished + 1
    site.is_so("QuantumJob", "handed-over", "Complete")


def test_settled_objects_cost_no_write_and_a_restart_neither(both: Replicas, site: Site, agents: PacedAgents) -> None:
    missing = SETTLED_OBJECTS - sum(objects_by_kind(site).values())
    for number in range(SETTLED_CLUSTERS - 1):  # beside the one that all jobs are for
        site.node(f"s{number}", f"settled-{number}")
        site.cluster(1, site.pool(role=f"settled-{number}"), name=f"settled-{number}")
    for number in range(max(0, missing)):
        site.job(f"settled-{number}")
    agents.allowed = 1_000_000
    everything = len(site.kube.list("QuantumJob"))
    # Preparation: how fast is judged by e2e/load.
    wait("all jobs are over", lambda: complete(site, "") == everything, 240, every=0.5)
    for number in range(SETTLED_CLUSTERS - 1):
        site.is_ready(f"settled-{number}")
    both.leader().settled(AWHILE)
    objects = objects_by_kind(site)
    assert sum(objects.values()) >= SETTLED_OBJECTS and objects["EdgeCluster"] >= SETTLED_CLUSTERS
    since = both.audit_size()
    for member in both.members:
        assert member.stop() == 0
    for member in both.members:
        member.start()
    leader = both.leader()
    leader.settled()
    reconciles = leader.metric("omnixan_operator_reconcile_total")
    assert reconciles >= sum(objects.values())
    agents.pace = HEARTBEAT_SECONDS / 2
    time.sleep(STEADY_SECONDS)  # the behaviour under test is that nothing happens for so long
    if STEADY_EVIDENCE:
        seen = {"objects": objects, "restartedReplicas": len(both.members), "reconcilesOfTheNewLeader": int(reconciles)}
        told = {"steadySeconds": int(STEADY_SECONDS), "byTheOperatorsAccount": both.account_of(since)}
        Path(STEADY_EVIDENCE).write_text(json.dumps(seen | told))
    assert both.holder() == leader.pod
    assert both.writes(since) == []
    assert not sum((both.refused(member.pod, since) for member in both.members), Counter())
