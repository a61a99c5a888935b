"""Loops that go on where an agent was killed, and agents that work while the API server is away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from omnixan.edge_network.api.quantumjob import QuantumJobSpec
from omnixan.edge_network.cli import local
from omnixan.edge_network.persistent_memory.memory import FILE, PersistentMemory
from omnixan.edge_network.persistent_memory.proof import prove
from omnixan.edge_network.quantum.qaoa.records import record_size
from tests.api.agent.harness import Agent, Lab, eventually, slow_program
from tests.api.agent.proxy import Link

T = TypeVar("T")
TRIES = 5
"""Runs of which one at least is not over before its agent is killed."""
ENDED = ("Succeeded", "Failed")
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


@pytest.fixture
def quick_memory() -> Iterator[Path]:
    """As `memory`, where writing takes no time: a busy disk may take longer for it than an evaluation lasts."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def agent(lab: Lab, memory: Path, **settings: Any) -> Agent:
    """Start an agent with a memory."""
    return lab.agent(**{"QUBITS": str(NODES), "PMEM_PATH": str(memory), "PMEM_SIZE": "4Mi"} | settings)


def reported(lab: Lab, name: str, least: int) -> int:
    """Wait until a run is reported to have done so many evaluations, or to be over; how many are reported."""

    def so_far() -> tuple[int, bool] | None:
        status = lab.status(name)
        done = int((status.get("progress") or {}).get("iteration", 0))
        return (done, True) if done >= least or status.get("state") in ENDED else None

    done: int = eventually(so_far, f"{name} did {least}")[0]
    return done


def over(lab: Lab, memory: Path, name: str) -> bool:
    """Whether a run was over when its agent was killed: its result is told, or is in the memory, to be told."""
    uid = lab.kube.get("QuantumRun", name)["metadata"]["uid"]
    with PersistentMemory(memory, readonly=True) as store:
        waits = any(entry.key == f"letters/{uid}" for entry in store.list("letters/"))
    status = lab.status(name)
    assert status.get("state") != "Failed", status
    return waits or status.get("state") == "Succeeded"


def killed_at(lab: Lab, memory: Path, name: str, least: int, working: Agent) -> int | None:
    """Kill a run's agent as soon as it has reported so many evaluations; how many it had. None: the run was over by then."""
    done = reported(lab, name, least)
    working.kill()
    return None if over(lab, memory, name) else done


def in_time(lab: Lab, memory: Path, prefix: str, attempt: Callable[[str], T | None]) -> T:
    """What `attempt` makes of a run of the name that it gets; with None the run was over too soon, and another is tried."""
    for number in range(TRIES):
        if (found := attempt(f"{prefix}-{number}")) is not None:
            return found
        tidying = agent(lab, memory).wait_ready()
        for run in lab.kube.list("QuantumRun"):
            lab.ended(run["metadata"]["name"])
        tidying.terminate()
        assert tidying.wait() == 0
    raise AssertionError(f"{TRIES} runs in a row were over before their agent was killed")


def interrupted(lab: Lab, memory: Path, prefix: str, least: int, **spec: Any) -> tuple[str, int]:
    """A loop whose agent was killed when it had reported so many evaluations: its name, and how many were seen reported."""

    def attempt(name: str) -> tuple[str, int] | None:
        working = agent(lab, memory).wait_ready()
        lab.submit(name, **spec)
        done = killed_at(lab, memory, name, least, working)
        return None if done is None else (name, done)

    return in_time(lab, memory, prefix, attempt)


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

    def killed_twice(name: str) -> tuple[str, int] | None:
        lab.submit(name, **STRICT)
        known = 0
        for least in (total // 4, total // 2):
            done = killed_at(lab, memory, name, least, agent(lab, memory).wait_ready())
            known = logged(memory)
            if done is None or known == total:
                return None
            assert done <= known < total, "what was reported is in the log"
        return name, known

    disturbed, known = in_time(lab, memory, "disturbed", killed_twice)
    agent(lab, memory)
    status = lab.ended(disturbed)
    assert status["state"] == "Succeeded", status
    assert status["result"] == expected["result"]
    assert status["restarts"] == 2
    assert status["resumedFromIteration"] == known
    assert status["usage"]["shots"] == expected["usage"]["shots"], "nothing was run twice"


def test_without_being_told_to_wait_a_loop_loses_an_iteration_at_most(
    quick_memory: Path, lab: Lab, expected: dict[str, Any]
):
    disturbed, done = interrupted(lab, quick_memory, "disturbed", 30, **SIXTY)
    assert logged(quick_memory) >= done - 1
    agent(lab, quick_memory)
    status = lab.ended(disturbed)
    assert status["result"] == expected["result"] and status["resumedFromIteration"] >= done - 1


def test_what_is_run_twice_is_counted(lab: Lab, memory: Path, expected: dict[str, Any]):
    anew, seen = interrupted(lab, memory, "anew", 30, **SIXTY, checkpoint={"resume": False})
    made = lab.kube.get("QuantumRun", anew)  # a report that was on its way at the kill may come only now
    agent(lab, memory)
    status = lab.ended(anew)
    before = [v["status"] for v in (made, *lab.versions(made)) if "restarts" not in v["status"]]
    done = before[-1]["progress"]["iteration"]
    assert done >= seen and status["restarts"] == 1
    assert status["result"] == expected["result"] and "resumedFromIteration" not in status
    assert status["usage"]["shots"] == expected["usage"]["shots"] + done * SHOTS


def test_a_log_that_does_not_fit_is_dropped_with_an_event_and_the_answer_is_right(
    lab: Lab, memory: Path, expected: dict[str, Any]
):
    other, _ = interrupted(lab, memory, "other", 20, **STRICT)
    with PersistentMemory(memory) as store:
        (entry,) = store.list("logs/")
        record = store.get(entry.key)
        assert record is not None
        store.put(entry.key, bytes(record.value), meta={**record.meta, "print": "0" * 64})
    lost = logged(memory)
    agent(lab, memory)
    status = lab.ended(other)
    assert status["result"] == expected["result"] and "resumedFromIteration" not in status
    assert status["usage"]["shots"] == expected["usage"]["shots"] + lost * SHOTS
    (event,) = eventually(lambda: lab.kube.list("Event", "v1"), "an event tells of it")
    assert event["reason"] == "CheckpointDropped" and f"tenant/{other}" in event["message"]


DEEP = slow_program(700)
"""A circuit of some seconds."""
STATE = 1 << 20
"""Bytes of its state."""


def kept_steps(memory: Path) -> int:
    """Steps behind the state that is in the memory of an agent that has ended; 0 if there is none."""
    with PersistentMemory(memory, readonly=True) as store:
        return sum(int(entry.meta["used"]) for entry in store.list("logs/"))


def killed_on_its_way(lab: Lab, memory: Path, prefix: str) -> tuple[str, int]:
    """Have an agent keep states of a deep circuit and kill it; the run's name, and the steps behind the last state."""
    tier = prove(memory).best.label

    def attempt(name: str) -> tuple[str, int] | None:
        working = agent(lab, memory).wait_ready()
        used = stored(working, tier)
        lab.submit(name, DEEP, checkpoint={"statevector": True, "interval": "1s"})

        def on_its_way() -> bool:
            state = lab.status(name).get("state")
            return state in ENDED or (state == "Running" and stored(working, tier) >= used + STATE)

        eventually(on_its_way, "a state is in the memory, and the run is said to run")
        working.kill()
        return None if over(lab, memory, name) else (name, kept_steps(memory))

    return in_time(lab, memory, prefix, attempt)


def stored(working: Agent, tier: str) -> float:
    """Bytes that an agent's memory has in use; what is being written does not count."""
    return working.metric("omnixan_agent_persistent_memory_bytes", kind="used", tier=tier)


def test_a_circuit_goes_on_from_the_state_that_was_kept_of_it_with_the_counts_of_an_undisturbed_one(lab: Lab, memory: Path):
    calm = agent(lab, memory).wait_ready()
    lab.submit("undisturbed", DEEP)
    undisturbed = lab.ended("undisturbed")
    calm.kill()
    assert kept_steps(memory) == 0, "nobody asked for it"
    disturbed, steps = killed_on_its_way(lab, memory, "disturbed")
    second = agent(lab, memory)
    status = lab.ended(disturbed)
    assert status["state"] == "Succeeded" and status["result"] == undisturbed["result"]
    assert status["resumedFromIteration"] == steps > 0 and status["restarts"] == 1
    assert status["usage"]["shots"] == undisturbed["usage"]["shots"]
    second.terminate()
    assert second.wait() == 0
    assert kept_steps(memory) == 0, "what is over is forgotten"


def test_a_state_that_does_not_fit_is_dropped_with_an_event_and_the_counts_are_right(lab: Lab, memory: Path):
    other, steps = killed_on_its_way(lab, memory, "other")
    assert steps > 0
    with PersistentMemory(memory) as store:
        (entry,) = store.list("logs/")
        record = store.get(entry.key)
        assert record is not None
        store.put(entry.key, bytes(record.value)[:-1], meta=record.meta)
    agent(lab, memory)
    status = lab.ended(other)
    assert status["state"] == "Succeeded" and "resumedFromIteration" not in status
    (event,) = eventually(lambda: lab.kube.list("Event", "v1"), "an event tells of it")
    assert event["reason"] == "CheckpointDropped" and f"the circuit of QuantumJob tenant/{other}" in event["message"]


def test_an_agent_that_starts_while_the_api_server_is_away_finishes_what_was_begun_and_reports_it_later(
    lab: Lab, memory: Path, expected: dict[str, Any]
):
    with Link(lab.server) as link:
        config = lab.own_kubeconfig(link.url)

        def begun(name: str) -> tuple[str, str] | None:
            link.mend()
            first = agent(lab, memory, kubeconfig=config).wait_ready()
            lab.submit(name, **STRICT)
            reported(lab, name, 1)
            key = f"runs/{lab.submit(f'after-{name}', slow_program(5))['metadata']['uid']}".encode()

            def waits() -> bool:
                return key in (memory / FILE).read_bytes() or lab.status(name)["state"] in ENDED

            eventually(waits, "the run that waits is in the memory")
            reported(lab, name, 20)
            link.cut()
            first.kill()
            return None if over(lab, memory, name) else (name, f"after-{name}")

        loop, waiting = in_time(lab, memory, "loop", begun)
        known = logged(memory)
        second = agent(lab, memory, kubeconfig=config).wait_ready()
        eventually(lambda: second.metric("omnixan_agent_unsent_results") == 2, "both runs end without the API server")
        assert lab.status(loop)["state"] == "Running" and lab.status(waiting) == {}
        second.kill()  # and results outlive the agent that has them
        third = agent(lab, memory, kubeconfig=config)
        eventually(lambda: third.metric("omnixan_agent_unsent_results") == 2, "the results are there again")
        link.mend()
        status = lab.ended(loop)
        assert status["result"] == expected["result"] and status["resumedFromIteration"] == known
        assert lab.ended(waiting)["state"] == "Succeeded"
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
