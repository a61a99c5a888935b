"""Recorded devices report their calibrations, and the real operator places by them.

The probabilities below are what docs/esp.md's closed form gives for these devices. tests/unit has the form, e2e/bench/esp
compares it with what the emulators measure; here it is the way from a node's status to a job's.
"""

from __future__ import annotations

from typing import Any

from tests.api.client import Object
from tests.api.omnixan_operator.harness import Agents, Operator, Site, wait

BELL = {"lima": "0.9631", "quito": "0.9308", "guadalupe": "0.9674"}
"""Predicted success probability of a Bell pair."""
GHZ4 = {"lima": "0.8752", "quito": "0.7918", "guadalupe": "0.9102"}
"""Of four entangled qubits."""
CHAIN = (
    'OPENQASM 3.0; include "stdgates.inc"; qubit[4] q; bit[4] c; '
    "h q[0]; cx q[0], q[1]; cx q[1], q[2]; cx q[2], q[3]; c = measure q;"
)


def devices(site: Site, agents: Agents, count: int, *names: str) -> dict[str, str]:
    """Nodes that emulate these devices, of which the EdgeCluster takes the first `count`; device -> node."""
    nodes = {name: site.node(name, name) for name in names}
    agents.devices = {node: name for name, node in nodes.items()}
    pools = [
        site.pool(name, name, minNodes=int(number < count), maxNodes=1, qpu={"backend": "emulator", "device": name})
        for number, name in enumerate(names)
    ]
    site.cluster(count, *pools)
    site.is_so("EdgeCluster", "ec", "Ready")
    return nodes


def placed(site: Site, name: str) -> Any:
    """Where a job was placed, as its status says."""
    job: Object = wait(f"{name} is placed", lambda: _with_node(site.kube.get("QuantumJob", name)))
    return job["status"]["placement"]


def _with_node(job: Object) -> Object | None:
    return job if job.get("status", {}).get("placement", {}).get("node") else None


def shots(count: int) -> Object:
    return {"primitive": {"sampler": {"shots": count}}}


def test_the_better_device_is_taken_until_its_queue_costs_more_than_it_gains(site: Site, agents: Agents) -> None:
    nodes = devices(site, agents, 2, "quito", "guadalupe")
    site.job("first")
    first = site.is_so("QuantumJob", "first", "Complete")["status"]["placement"]
    assert first["node"] == nodes["guadalupe"]
    assert first["predicted"] == {"successProbability": BELL["guadalupe"], "waitSeconds": "0"}
    assert "rejected" not in first and BELL["guadalupe"] in first["reason"]

    agents.work = False
    site.job("long", **shots(1_000_000))  # four minutes of the device
    assert placed(site, "long")["node"] == nodes["guadalupe"]
    site.job("evades")
    evades = placed(site, "evades")
    assert evades["node"] == nodes["quito"]
    assert evades["predicted"] == {"successProbability": BELL["quito"], "waitSeconds": "0"}
    site.job("insists", requirements={"minSuccessProbability": "0.95"})
    insists = placed(site, "insists")
    assert insists["node"] == nodes["guadalupe"]
    assert insists["predicted"] == {"successProbability": BELL["guadalupe"], "waitSeconds": "255.4"}
    assert insists["rejected"] == [
        {"node": nodes["quito"], "constraint": "minSuccessProbability", "actual": BELL["quito"], "required": "0.95"}
    ]
    agents.work = True
    for name in ("long", "evades", "insists"):
        site.is_so("QuantumJob", name, "Complete")


def test_a_floor_that_no_device_reaches_is_waited_for_and_says_so_node_by_node(
    site: Site, agents: Agents, operator: Operator
) -> None:
    nodes = devices(site, agents, 2, "lima", "quito", "guadalupe")
    program = {"inline": {"data": CHAIN}}
    site.job("strict", program=program, requirements={"minSuccessProbability": "0.9"})
    site.job("easy", program=program)
    easy = site.is_so("QuantumJob", "easy", "Complete")["status"]["placement"]
    assert (easy["node"], easy["predicted"]["successProbability"]) == (nodes["lima"], GHZ4["lima"])
    waiting = site.is_so("QuantumJob", "strict", "Placed", "False", "NoNodeFits")["status"]
    assert waiting["placement"]["rejected"] == [
        {"node": nodes[name], "constraint": "minSuccessProbability", "actual": GHZ4[name], "required": "0.9"}
        for name in ("lima", "quito")
    ]
    assert "with a predicted success probability under 0.9" in waiting["placement"]["reason"]
    operator.settled()
    assert not site.kube.list("QuantumRun", labelSelector=f"edge.omnixan.io/job-uid={uid(site, 'strict')}")

    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 3}})
    placement = site.is_so("QuantumJob", "strict", "Complete")["status"]["placement"]
    assert placement["node"] == nodes["guadalupe"]
    assert placement["predicted"] == {"successProbability": GHZ4["guadalupe"], "waitSeconds": "0"}


def test_a_device_that_becomes_better_gets_the_job_that_waits_for_it(site: Site, agents: Agents) -> None:
    nodes = devices(site, agents, 1, "quito")
    site.job("strict", program={"inline": {"data": CHAIN}}, requirements={"minSuccessProbability": "0.9"})
    site.is_so("QuantumJob", "strict", "Placed", "False", "NoNodeFits")
    agents.devices = {nodes["quito"]: "guadalupe"}  # as after a repair, and a calibration that shows it
    placement = site.is_so("QuantumJob", "strict", "Complete")["status"]["placement"]
    assert placement["predicted"]["successProbability"] == GHZ4["guadalupe"]


def uid(site: Site, job: str) -> str:
    return str(site.kube.get("QuantumJob", job)["metadata"]["uid"])
