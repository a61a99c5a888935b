"""Loops that go on where an agent was killed, and agents that work while the API server is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnixan.edge_network.api.quantumjob import QuantumJobSpec
from omnixan.edge_network.cli import local
from omnixan.edge_network.persistent_memory.memory import FILE, PersistentMemory
from omnixan.edge_network.quantum.qaoa.records import record_size
from tests.api.agent.harness import Agent, Lab, eventually, slow_program
from tests.api.agent.proxy import Link

LAYERS, SHOTS, NODES = 3, 200, 17


def maxcut(nodes: int, layers: int) -> dict[str, Any]:
    """A QAOA for the largest cut of a ring with some chords."""
    ring = [[a, (a + 1) % nodes] for a in range(nodes)] + [[a, a + 5] for a in range(0, nodes - 5, 2)]
    return {"qaoa": {"problem": {"maxcut": {"edges": ring}}, "layers": layers}}


ALGORITHM = maxcut(NODES, LAYERS)
SIXTY = {"optimizer": {"name": "COBYLA", "maxIterations": 60}, "algorithm": ALGORITHM, "shots": SHOTS}
"""A QAOA that looks at 15 starts, refines the best in 60 iterations and measures the finalists again."""
STRICT = SIXTY | {"checkpoint": {"everyIterations": 1}}
LONG_NODES = 20
LONG = STRICT | {"optimizer": {"name": "COBYLA", "maxIterations": 1000}, "algorithm": maxcut(LONG_NODES, 10)}
"""A QAOA of a minute: it is not done while an agent finds its API server again."""


@pytest.fixture
def memory(lab: Lab) -> Path:
    """Where agents have their memory."""
    folder = lab.folder / "memory"
    folder.mkdir()
    return folder


def agent(lab: Lab, memory: Path, **settings: Any) -> Agent:
    """Start an agent with a memory."""
    return lab.agent(**{"QUBITS": str(NODES), "PMEM_PATH": str(memory), "PMEM_SIZE": "4Mi"} | settings)


def reported(lab: Lab, name: str, least: int) -> int:
    """Wait until a run is reported to have done so many evaluations and return how many."""
    done: int = eventually(
        lambda: (n := (lab.status(name).get("progress") or {}).get("iteration", 0)) >= least and n, f"{name} did {least}"
    )
    return done


def logged(memory: Path) -> int:
    """Evaluations in the log of the one run that has one; its agent has ended."""
    with PersistentMemory(memory, readonly=True) as store:
        return sum(int(entry.meta["used"]) for entry in store.list("logs/")) // record_size(LAYERS, gradient=False)


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """Result and usage of the same loop without agents: nobody disturbs it."""
    spec = {"clusterRef": {"name": "none"}, "algorithm": ALGORITHM, "optimizer": SIXTY["optimizer"]}
    spec |= {"primitive": {"sampler": {"shots": SHOTS}}, "execution": {"seed": 7}}
    done = local.execute(QuantumJobSpec.model_validate(spec))
    assert done.usage is not None and done.failure is None
    return {"result": {"summary": done.summary, "counts": done.counts}, "usage": done.usage}


def test_a_loop_goes_on_where_its_agent_was_killed_twice_and_ends_as_if_nothing_had_happened(
    lab: Lab, memory: Path, expected: dict[str, Any]
):
    calm = agent(lab, memory).wait_ready()
    lab.submit("undisturbed", **STRICT)
    undisturbed = lab.ended("undisturbed")
    assert undisturbed["result"] == expected["result"] and "resumedFromIteration" not in undisturbed
    calm.kill()
    total = expected["result"]["summary"]["training"]["evaluations"]
    lab.submit("disturbed", **STRICT)
    for least in (total // 4, total // 2):
        working = agent(lab, memory).wait_ready()
        done = reported(lab, "disturbed", least)
        working.kill()
        known = logged(memory)
        assert done <= known < total, "what was reported is in the log"
    agent(lab, memory)
    status = lab.ended("disturbed")
    assert status["state"] == "Succeeded", status
    assert status["result"] == expected["result"]
    assert status["restarts"] == 2
    assert status["resumedFromIteration"] == known
    assert status["usage"]["shots"] == expected["usage"]["shots"], "nothing was run twice"


def test_without_being_told_to_wait_a_loop_loses_an_iteration_at_most(lab: Lab, memory: Path, expected: dict[str, Any]):
    first = agent(lab, memory).wait_ready()
    lab.submit("disturbed", **SIXTY)
    done = reported(lab, "disturbed", 30)
    first.kill()
    assert logged(memory) >= done - 1
    agent(lab, memory)
    status = lab.ended("disturbed")
    assert status["result"] == expected["result"] and status["resumedFromIteration"] >= done - 1


def test_what_is_run_twice_is_counted(lab: Lab, memory: Path, expected: dict[str, Any]):
    first = agent(lab, memory).wait_ready()
    lab.submit("anew", **SIXTY, checkpoint={"resume": False})
    done = reported(lab, "anew", 30)
    first.kill()
    done = lab.status("anew")["progress"]["iteration"]
    agent(lab, memory)
    status = lab.ended("anew")
    assert status["result"] == expected["result"] and "resumedFromIteration" not in status
    assert status["usage"]["shots"] == expected["usage"]["shots"] + done * SHOTS


def test_a_log_that_does_not_fit_is_dropped_with_an_event_and_the_answer_is_right(
    lab: Lab, memory: Path, expected: dict[str, Any]
):
    first = agent(lab, memory).wait_ready()
    lab.submit("other", **STRICT)
    reported(lab, "other", 20)
    first.kill()
    with PersistentMemory(memory) as store:
        (entry,) = store.list("logs/")
        record = store.get(entry.key)
        assert record is not None
        store.put(entry.key, bytes(record.value), meta={**record.meta, "print": "0" * 64})
    lost = logged(memory)
    agent(lab, memory)
    status = lab.ended("other")
    assert status["result"] == expected["result"] and "resumedFromIteration" not in status
    assert status["usage"]["shots"] == expected["usage"]["shots"] + lost * SHOTS
    (event,) = eventually(lambda: lab.kube.list("Event", "v1"), "an event tells of it")
    assert event["reason"] == "CheckpointDropped" and "tenant/other" in event["message"]


DEEP = slow_program(700)
"""A circuit of some seconds."""


def kept_steps(memory: Path) -> int:
    """Steps behind the state that is in the memory of an agent that has ended; 0 if there is none."""
    with PersistentMemory(memory, readonly=True) as store:
        return sum(int(entry.meta["used"]) for entry in store.list("logs/"))


def killed_on_its_way(lab: Lab, memory: Path, name: str) -> int:
    """Have an agent keep states of a deep circuit and kill it; returns the steps behind the last one."""
    working = agent(lab, memory).wait_ready()
    lab.submit(name, DEEP, checkpoint={"statevector": True, "interval": "1s"})
    eventually(lambda: b"logs/" in (memory / FILE).read_bytes(), "a state is in the memory")
    assert lab.status(name)["state"] == "Running"
    working.kill()
    return kept_steps(memory)


def test_a_circuit_goes_on_from_the_state_that_was_kept_of_it_with_the_counts_of_an_undisturbed_one(lab: Lab, memory: Path):
    calm = agent(lab, memory).wait_ready()
    lab.submit("undisturbed", DEEP)
    undisturbed = lab.ended("undisturbed")
    calm.kill()
    assert kept_steps(memory) == 0, "nobody asked for it"
    steps = killed_on_its_way(lab, memory, "disturbed")
    second = agent(lab, memory)
    status = lab.ended("disturbed")
    assert status["state"] == "Succeeded" and status["result"] == undisturbed["result"]
    assert status["resumedFromIteration"] == steps > 0 and status["restarts"] == 1
    assert status["usage"]["shots"] == undisturbed["usage"]["shots"]
    second.terminate()
    assert second.wait() == 0
    assert kept_steps(memory) == 0, "what is over is forgotten"


def test_a_state_that_does_not_fit_is_dropped_with_an_event_and_the_counts_are_right(lab: Lab, memory: Path):
    assert killed_on_its_way(lab, memory, "other") > 0
    with PersistentMemory(memory) as store:
        (entry,) = store.list("logs/")
        record = store.get(entry.key)
        assert record is not None
        store.put(entry.key, bytes(record.value)[:-1], meta=record.meta)
    agent(lab, memory)
    status = lab.ended("other")
    assert status["state"] == "Succeeded" and "resumedFromIteration" not in status
    (event,) = eventually(lambda: lab.kube.list("Event", "v1"), "an event tells of it")
    assert event["reason"] == "CheckpointDropped" and "the circuit of QuantumJob tenant/other" in event["message"]


def test_an_agent_that_starts_while_the_api_server_is_away_finishes_what_was_begun_and_reports_it_later(
    lab: Lab, memory: Path, expected: dict[str, Any]
):
    with Link(lab.server) as link:
        config = lab.own_kubeconfig(link.url)
        first = agent(lab, memory, kubeconfig=config).wait_ready()
        lab.submit("loop", **STRICT)
        reported(lab, "loop", 20)
        key = f"runs/{lab.submit('waiting', slow_program(5))['metadata']['uid']}".encode()
        eventually(lambda: key in (memory / FILE).read_bytes(), "the run that waits is in the memory")
        link.cut()
        first.kill()
        known = logged(memory)
        second = agent(lab, memory, kubeconfig=config).wait_ready()
        eventually(lambda: second.metric("omnixan_agent_unsent_results") == 2, "both runs end without the API server")
        assert lab.status("loop")["state"] == "Running" and lab.status("waiting") == {}
        second.kill()  # and results outlive the agent that has them
        third = agent(lab, memory, kubeconfig=config)
        eventually(lambda: third.metric("omnixan_agent_unsent_results") == 2, "the results are there again")
        link.mend()
        status = lab.ended("loop")
        assert status["result"] == expected["result"] and status["resumedFromIteration"] == known
        assert lab.ended("waiting")["state"] == "Succeeded"
        eventually(lambda: third.metric("omnixan_agent_unsent_results") == 0, "nothing waits any more")
        third.terminate()
        assert third.wait() == 0
    with PersistentMemory(memory, readonly=True) as store:
        assert [entry.key for entry in store.list()] == ["twin"]


def test_a_run_that_was_deleted_while_no_agent_looked_is_dropped_when_the_api_server_is_back(lab: Lab, memory: Path):
    with Link(lab.server) as link:
        settings = {"kubeconfig": lab.own_kubeconfig(link.url), "QUBITS": str(LONG_NODES)}
        first = agent(lab, memory, **settings).wait_ready()
        lab.submit("unwanted", **LONG)
        reported(lab, "unwanted", 5)
        link.cut()
        first.kill()
        lab.kube.delete("QuantumRun", "unwanted")
        lab.submit("next")
        second = agent(lab, memory, **settings)
        eventually(lambda: "goes on after" in second.log(), "the run goes on")
        link.mend()
        assert lab.ended("next")["state"] == "Succeeded"
        assert "run unwanted is gone while it runs" in second.log()
        second.terminate()
        assert second.wait() == 0
    with PersistentMemory(memory, readonly=True) as store:
        assert [entry.key for entry in store.list()] == ["twin"]


def test_two_agents_on_one_memory_both_work_and_one_of_them_without(lab: Lab, memory: Path):
    agent(lab, memory).wait_ready()
    lab.node("node-2")
    second = agent(lab, memory, node="node-2").wait_ready()
    lab.submit("on-the-second", node="node-2", **SIXTY)
    assert lab.ended("on-the-second")["state"] == "Succeeded"
    assert "StoreLocked" in second.log()
