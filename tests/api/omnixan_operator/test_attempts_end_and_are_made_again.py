"""Attempts that end without a result: what is tried again, where, and how often, on the real operator."""

from __future__ import annotations

import pytest

from tests.api.client import Kube, Object, RefusedError
from tests.api.omnixan_operator.harness import AWHILE, HELD, Agents, Operator, Site, wait


def ready(site: Site, nodes: int = 1, autonomy: str = "5s") -> None:
    for number in range(nodes):
        site.node(f"n{number}")
    site.cluster(nodes, site.pool(autonomyDuration=autonomy))
    site.is_ready()


def run_of(site: Site, attempt: int) -> Object:
    found: Object = wait(
        f"attempt {attempt} has a run", lambda: next((r for r in site.runs() if r["spec"]["attempt"] == attempt), None)
    )
    return found


def fall_silent(site: Site, agents: Agents, node: str) -> None:
    """The node's last heartbeat lasts a second; those of all others last on."""
    for found in site.kube.list("EdgeNode"):
        name = found["metadata"]["name"]
        agents.beat(name, found["metadata"]["uid"], 1 if name == node else HELD)


def test_a_broken_backend_is_tried_again_on_another_node(site: Site, agents: Agents) -> None:
    ready(site, 2)
    agents.work = False
    site.job()
    first = run_of(site, 1)
    agents.fail(first["metadata"]["name"], category="BACKEND_ERROR", reason="WorkerDied", message="the worker died")
    second = run_of(site, 2)
    assert second["spec"]["nodeName"] != first["spec"]["nodeName"]
    assert second["spec"]["execution"] == first["spec"]["execution"], "the same seed, so the same result"
    wait("the failed run is deleted", lambda: len(site.runs()) == 1)
    agents.work = True
    job = site.is_so("QuantumJob", "bell", "Complete")
    (attempt,) = job["status"]["attempts"]
    assert (attempt["attempt"], attempt["category"]) == (1, "BACKEND_ERROR")
    assert attempt["node"] == first["spec"]["nodeName"] and attempt["message"] == "the worker died"
    assert attempt["endTime"] and attempt["startTime"] and job["status"]["run"]["attempt"] == 2


def test_the_backoff_limit_ends_it(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job(backoffLimit=1)
    for number in (1, 2):
        name = run_of(site, number)["metadata"]["name"]
        agents.fail(name, category="BACKEND_ERROR", reason="WorkerDied", message=f"death {number}")
    job = site.is_so("QuantumJob", "bell", "Failed", "True", "AttemptsExhausted")
    assert job["status"]["failure"]["category"] == "BACKEND_ERROR"
    assert [a["message"] for a in job["status"]["attempts"]] == ["death 1", "death 2"]


def test_a_silent_node_keeps_its_run_for_a_while_then_another_gets_it(site: Site, agents: Agents) -> None:
    ready(site, 2, autonomy="24h")
    agents.work = False
    site.job()
    first = run_of(site, 1)
    fall_silent(site, agents, first["spec"]["nodeName"])
    job = site.is_so("QuantumJob", "bell", "Detached")
    assert job["status"]["run"]["attempt"] == 1 and len(site.runs()) == 1, "it is not placed again yet"
    # Shortened only now, so that however slow the machine is the time before was seen.
    site.kube.patch("EdgeCluster", "ec", {"spec": {"pools": [site.pool(autonomyDuration="5s")]}})
    second = run_of(site, 2)
    assert second["spec"]["nodeName"] != first["spec"]["nodeName"]
    assert all(run["spec"]["attempt"] == 2 for run in site.runs()), "the first was deleted before the second was made"
    with pytest.raises(RefusedError) as late:
        agents.succeed(first["metadata"]["name"])
    assert late.value.code == 404
    agents.succeed(second["metadata"]["name"])
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert [(a["attempt"], a["category"]) for a in job["status"]["attempts"]] == [(1, "NODE_UNREACHABLE")]
    assert job["status"]["run"]["attempt"] == 2
    assert "Detached" not in {c["type"] for c in job["status"]["conditions"]}


def test_a_node_that_comes_back_in_time_keeps_its_run(site: Site, agents: Agents, operator: Operator) -> None:
    ready(site, 2, autonomy="24h")
    agents.work = False
    site.job()
    first = run_of(site, 1)
    node = first["spec"]["nodeName"]
    fall_silent(site, agents, node)
    site.is_so("QuantumJob", "bell", "Detached")
    site.is_told("bell", "Detached")
    operator.settled(AWHILE)
    before = operator.requests()
    operator.settled()
    assert operator.requests() == before, "nothing is written while it is borne"
    agents.beat(node, site.kube.get("EdgeNode", node)["metadata"]["uid"], HELD)
    wait("it is attached again", lambda: not site.condition("QuantumJob", "bell", "Detached"))
    agents.succeed(first["metadata"]["name"])
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert job["status"]["run"]["attempt"] == 1 and "attempts" not in job["status"]


def test_an_assignment_is_not_moved_backwards_by_hand(site: Site, agents: Agents, kube: Kube) -> None:
    ready(site, 2)
    agents.work = False
    site.job()
    site.kube.delete("QuantumRun", run_of(site, 1)["metadata"]["name"])
    run_of(site, 2)
    wait("status says so", lambda: site.kube.get("QuantumJob", "bell")["status"]["run"]["attempt"] == 2)
    for patch in ({"attempt": 1}, {"node": "elsewhere"}, None):
        with pytest.raises(RefusedError, match="an assignment cannot move backwards"):
            site.kube.patch("QuantumJob", "bell", {"status": {"run": patch}}, "status")
    agents.work = True
    site.is_so("QuantumJob", "bell", "Complete")
