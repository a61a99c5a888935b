"""More jobs than places: nodes hold a few runs each, the rest waits at the operator and gets its turn fairly."""

from __future__ import annotations

from collections import Counter

from omnixan_operator.decide.dispatch import QUEUE_LIMIT
from tests.api.client import Kube, new_namespace
from tests.api.omnixan_operator.harness import AWHILE, Agents, Operator, Site, wait

MANY, FEW = 12, 3
EVERYBODY = {"namespaceSelector": {}}


def ready(site: Site, nodes: int = 1) -> None:
    for number in range(nodes):
        site.node(f"n{number}")
    site.cluster(nodes, tenants=EVERYBODY)
    site.is_ready()


def names(site: Site) -> set[str]:
    return {run["spec"]["jobRef"]["name"] for run in site.runs() if run.get("status", {}).get("state") != "Succeeded"}


def placed_or_queued(site: Site, name: str) -> bool:
    """Whether a job has found its place; for a moment it may be one that waits for its analysis."""
    found = site.condition("QuantumJob", name, "Placed")
    return found.get("status") == "True" or found.get("reason") == "Queued"


def test_a_node_holds_a_few_runs_and_the_rest_waits_without_a_write(site: Site, agents: Agents, operator: Operator) -> None:
    ready(site)
    agents.work = False
    for number in range(MANY):
        site.job(f"job-{number}")
    for number in range(MANY):
        wait("it is placed or queued", lambda n=number: placed_or_queued(site, f"job-{n}"))
    assert len(site.runs()) == QUEUE_LIMIT
    queued = [f"job-{n}" for n in range(MANY) if site.condition("QuantumJob", f"job-{n}", "Placed")["status"] == "False"]
    assert len(queued) == MANY - QUEUE_LIMIT
    assert {site.condition("QuantumJob", name, "Placed")["reason"] for name in queued} == {"Queued"}
    operator.settled(AWHILE)
    before = operator.requests()
    operator.settled()
    assert operator.requests() == before
    agents.work = True
    for number in range(MANY):
        site.is_so("QuantumJob", f"job-{number}", "Complete")
    operator.settled()
    written = sum(operator.requests().values()) - sum(before.values())
    # Of those that ran first one write is left (the end), of the queued ones three (run, result, end).
    assert written <= QUEUE_LIMIT * 2 + len(queued) * 3 + len(queued), operator.requests()


def test_two_tenants_get_places_in_turn(site: Site, agents: Agents, control_plane: Kube) -> None:
    ready(site)
    agents.work = False
    for number in range(MANY):
        site.job(f"many-{number:02}")
    wait("the node is full", lambda: len(site.runs()) == QUEUE_LIMIT)
    with new_namespace(control_plane) as tenant:
        few = Site(tenant)
        for number in range(FEW):
            site.job(f"few-{number}", kube=tenant)
        for number in range(FEW):
            few.is_so("QuantumJob", f"few-{number}", "Placed", "False", "Queued")
        for ended in range(1, FEW + 1):
            done = next(run for run in site.runs() if run["spec"]["jobRef"]["name"].startswith("many") and is_open(run))
            agents.succeed(done["metadata"]["name"])
            wait("the place is taken", lambda: len([run for run in site.runs() if is_open(run)]) == QUEUE_LIMIT)
            open_by = Counter(run["spec"]["jobRef"]["name"].split("-")[0] for run in site.runs() if is_open(run))
            assert open_by["few"] == min(ended, 2), "whoever has fewest, until both have as many"
        agents.work = True
        for number in range(FEW):
            few.is_so("QuantumJob", f"few-{number}", "Complete")
    for number in range(MANY):
        site.is_so("QuantumJob", f"many-{number:02}", "Complete")


def test_priority_orders_the_waiting_jobs_of_a_tenant_and_can_be_raised(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    for number in range(QUEUE_LIMIT):
        site.job(f"first-{number}")
    wait("the node is full", lambda: len(site.runs()) == QUEUE_LIMIT)
    for name, priority in (("low", -5), ("middle", 0), ("raised", -9)):
        site.job(name, priority=priority)
        site.is_so("QuantumJob", name, "Placed", "False", "Queued")
    site.kube.patch("QuantumJob", "raised", {"spec": {"priority": 7}})
    wait("the change is seen", lambda: settled(site, "raised"))
    for expected in ("raised", "middle", "low"):
        done = next(run for run in site.runs() if run["spec"]["jobRef"]["name"].startswith("first") and is_open(run))
        agents.succeed(done["metadata"]["name"])
        wait(f"{expected} has a run", lambda e=expected: e in names(site))
        assert not {"raised", "middle", "low"}.intersection(names(site)) - waited(expected)


def waited(until: str) -> set[str]:
    order = ["raised", "middle", "low"]
    return set(order[: order.index(until) + 1])


def test_a_job_that_fits_no_node_holds_up_nobody_and_neither_does_a_restart(
    site: Site, agents: Agents, operator: Operator
) -> None:
    ready(site)
    agents.work = False
    site.job("wide", requirements={"minQubits": 20}, priority=1000)
    site.is_so("QuantumJob", "wide", "Placed", "False", "NoNodeFits")
    for number in range(MANY):
        site.job(f"job-{number}")
    wait("the node is full", lambda: len(site.runs()) == QUEUE_LIMIT)
    operator.restart()
    agents.work = True
    for number in range(MANY):
        site.is_so("QuantumJob", f"job-{number}", "Complete")
    assert site.condition("QuantumJob", "wide", "Placed")["reason"] == "NoNodeFits"


def is_open(run: dict[str, object]) -> bool:
    status = run.get("status") or {}
    assert isinstance(status, dict)
    return status.get("state") not in ("Succeeded", "Failed")


def settled(site: Site, name: str) -> bool:
    job = site.kube.get("QuantumJob", name)
    return bool(job["status"]["observedGeneration"] == job["metadata"]["generation"])
