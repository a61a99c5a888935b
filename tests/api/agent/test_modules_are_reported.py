"""A real agent with modules: what it says of them on its EdgeNode, and that it works whatever becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnixan.edge_network.persistent_memory import prove
from tests.api.agent.harness import Lab, eventually, slow_program

MIB = 1 << 20


def conditions(lab: Lab) -> dict[str, tuple[str, str]]:
    status = lab.kube.get("EdgeNode", "node-1").get("status", {})
    return {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", ())}


def says(lab: Lab, **wanted: tuple[str, str]) -> dict[str, Any]:
    """The status, as soon as these conditions are so."""
    eventually(lambda: wanted.items() <= conditions(lab).items(), f"{wanted} is said")
    status: dict[str, Any] = lab.kube.get("EdgeNode", "node-1")["status"]
    return status


def completes(lab: Lab, run: str, *program: str) -> None:
    lab.submit(run, *program)
    eventually(lambda: lab.status(run).get("state") == "Succeeded", f"the run {run} succeeds")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pmem0"
    made.mkdir()
    return made


def test_both_modules_are_told_with_their_figures_and_taken_back_when_they_are_off(lab: Lab, folder: Path) -> None:
    asked = {"PMEM_PATH": str(folder), "PMEM_SIZE": "16Mi", "POOL_SIZE": "128Mi", "BLOCK_SIZE": "64Mi"}
    agent = lab.agent(**asked).wait_ready()
    best = prove(folder).best
    reason = "Emulation" if best == "emulation" else "Durable"
    status = says(lab, PersistentMemoryReady=("True", reason), MemoryPoolReady=("True", "PoolOpen"))
    memory = status["persistentMemory"]
    assert (memory["tier"], memory["size"]) == (best.label, 16 * MIB)
    assert memory["proof"][-1] == f"best: {best.label}"
    assert status["memory"]["pool"] == 128 * MIB
    assert status["memory"].keys() == {"pool", "used", "external", "internal", "overhead"}
    assert agent.metric("omnixan_agent_persistent_memory_bytes", kind="size", tier=best.label) == 16 * MIB
    assert agent.metric("omnixan_agent_pool_bytes", kind="total") == 128 * MIB
    assert agent.metric("omnixan_agent_module_ready", condition="MemoryPoolReady") == 1
    completes(lab, "with")
    assert agent.metric("omnixan_agent_pool_bytes", kind="resident") == 0, "states of 3 qubits are no matter for a pool"
    completes(lab, "wide", slow_program(1))
    eventually(lambda: agent.metric("omnixan_agent_pool_bytes", kind="idle") == 2 * MIB, "both buffers of a state are kept")
    agent.terminate()
    assert agent.wait() == 0
    agent = lab.agent(**asked | {"PMEM_PATH": "/nowhere"}).wait_ready()
    assert "persistentMemory" not in says(lab, PersistentMemoryReady=("False", "MediumMissing"))
    agent.terminate()
    assert agent.wait() == 0
    agent = lab.agent().wait_ready()
    eventually(lambda: conditions(lab) == {"AgentReady": ("True", "WorkerWarm")}, "nothing is said of modules that are off")
    assert "omnixan_agent_pool_bytes{" not in agent.http("/metrics")[1], "what is off has no series"
    assert not {"memory", "persistentMemory"} & lab.kube.get("EdgeNode", "node-1")["status"].keys()


def test_dax_where_there_is_none_is_refused_and_jobs_run(lab: Lab, folder: Path) -> None:
    if prove(folder).best.is_dax:
        pytest.skip("this machine's temporary folder has DAX")
    agent = lab.agent(PMEM_PATH=str(folder), PMEM_SIZE="16Mi", PMEM_MODE="dax").wait_ready()
    status = says(lab, PersistentMemoryReady=("False", "NoDAX"), AgentReady=("True", "WorkerWarm"))
    assert "persistentMemory" not in status and not list(folder.iterdir()), "nothing was written"
    completes(lab, "on-ordinary-memory")
    assert agent.process.poll() is None


@pytest.mark.parametrize(
    ("settings", "condition", "reason"),
    [
        ({"PMEM_PATH": "/nowhere/at/all"}, "PersistentMemoryReady", "MediumMissing"),
        ({"POOL_SIZE": "4096Ti"}, "MemoryPoolReady", "PoolTooLarge"),
        ({"POOL_SIZE": "100Mi", "BLOCK_SIZE": "64Mi"}, "MemoryPoolReady", "BadRequest"),
    ],
)
def test_what_cannot_be_is_told_and_stops_nothing(lab: Lab, settings: dict[str, str], condition: str, reason: str) -> None:
    lab.agent(**settings).wait_ready()
    says(lab, **{condition: ("False", reason), "AgentReady": ("True", "WorkerWarm")})
    completes(lab, "without")
