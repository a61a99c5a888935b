"""Agents that are killed, asked to end, or end again and again."""

from __future__ import annotations

import os
import signal

from tests.api.agent.harness import ENDLESS, Lab, alive, descendants, eventually, held, slow_program


def test_a_killed_agents_run_is_run_again_and_ends_as_if_nothing_had_happened(lab: Lab):
    program = slow_program(150)
    first = lab.agent().wait_ready()
    lab.submit("undisturbed", program)
    undisturbed = lab.ended("undisturbed")
    assert undisturbed["state"] == "Succeeded", undisturbed
    with held(first):
        lab.submit("disturbed", program)
        begun = lab.began("disturbed")
        first.kill()
    lab.agent().wait_ready()
    status = lab.ended("disturbed")
    assert status["state"] == "Succeeded", status
    assert status["result"] == undisturbed["result"]
    assert status["restarts"] == 1
    assert status["startTime"] > begun["startTime"]


def test_an_agent_that_is_asked_to_end_finishes_its_run_first(lab: Lab):
    agent = lab.agent().wait_ready()
    with held(agent):
        lab.submit("short", slow_program(100))
        lab.began("short")
        lab.submit("later")
        agent.terminate()
        eventually(lambda: lab.condition().get("reason") == "ShuttingDown", "the agent says that it ends")
    assert agent.wait() == 0
    assert lab.status("short")["state"] == "Succeeded"
    assert lab.status("later") == {}
    condition = lab.condition()
    assert (condition["status"], condition["reason"]) == ("False", "ShuttingDown")
    lab.agent().wait_ready()
    assert lab.ended("later")["state"] == "Succeeded"
    eventually(lambda: lab.condition()["reason"] == "WorkerWarm", "the new agent reports itself")


def test_a_run_longer_than_the_grace_period_is_left_to_the_next_agent(lab: Lab):
    agent = lab.agent(SHUTDOWN_GRACE_SECONDS="1").wait_ready()
    _, *below = descendants(agent.process.pid)
    with held(agent):  # however fast the machine is, the run outlasts the grace period
        lab.submit("long")
        lab.began("long")
        agent.terminate()
        assert agent.wait() == 0
        eventually(lambda: not any(map(alive, below)), "the workers went with their agent")
    assert lab.status("long")["state"] == "Running"
    lab.agent().wait_ready()
    assert lab.ended("long")["state"] == "Succeeded"


def test_a_run_that_ends_its_agent_again_and_again_is_given_up(lab: Lab):
    lab.submit("poison")
    lab.kube.patch("QuantumRun", "poison", {"status": {"state": "Running", "restarts": 5}}, "status")
    lab.submit("neighbour")
    lab.agent().wait_ready()
    error = lab.ended("poison")["error"]
    assert (error["category"], error["reason"]) == ("AGENT_RESTARTED", "TooManyRestarts")
    assert lab.ended("neighbour")["state"] == "Succeeded"


def test_a_worker_that_dies_costs_its_run_and_no_other(lab: Lab):
    agent = lab.agent(QUBITS="22").wait_ready()
    lab.submit("victim", ENDLESS)
    _, worker, _ = lab.computes(agent, "victim")
    lab.submit("next")
    os.kill(worker, signal.SIGKILL)
    error = lab.ended("victim")["error"]
    assert (error["category"], error["reason"]) == ("BACKEND_ERROR", "WorkerDied")
    assert lab.ended("next")["state"] == "Succeeded"


def test_a_fork_server_that_dies_is_replaced(lab: Lab):
    agent = lab.agent().wait_ready()
    server, _ = descendants(agent.process.pid)
    os.kill(server, signal.SIGKILL)
    lab.submit("after")
    assert lab.ended("after")["state"] == "Succeeded"
    eventually(lambda: lab.condition()["status"] == "True", "the node is well")


def test_nothing_is_left_of_a_killed_agent(lab: Lab):
    agent = lab.agent(QUBITS="22").wait_ready()
    lab.submit("orphan", ENDLESS)
    below = lab.computes(agent, "orphan")
    agent.kill()
    eventually(lambda: not any(map(alive, below)), "all its processes are gone")
