"""The link to the API server breaks or falls silent."""

from __future__ import annotations

from tests.api.agent.harness import Lab, eventually, held
from tests.api.agent.proxy import Link


def test_a_run_that_ends_while_the_link_is_cut_delivers_its_result_later(lab: Lab):
    with Link(lab.server) as link:
        agent = lab.agent(kubeconfig=lab.own_kubeconfig(link.url)).wait_ready()
        with held(agent):
            lab.submit("offline")
            lab.began("offline")
            link.cut()
            lab.submit("meanwhile")
        eventually(lambda: agent.metric("omnixan_agent_unsent_results") == 1, "the result waits")
        assert lab.status("offline")["state"] == "Running"
        link.mend()
        status = lab.ended("offline")
        assert status["state"] == "Succeeded" and sum(status["result"]["counts"].values()) == 1000
        assert lab.ended("meanwhile")["state"] == "Succeeded"
        eventually(lambda: agent.metric("omnixan_agent_unsent_results") == 0, "nothing waits any more")


def test_a_run_that_ends_while_the_link_is_silent_delivers_its_result_later(lab: Lab):
    with Link(lab.server) as link:
        agent = lab.agent(kubeconfig=lab.own_kubeconfig(link.url)).wait_ready()
        with held(agent):
            lab.submit("silent")
            lab.began("silent")
            link.freeze()
        eventually(lambda: agent.metric("omnixan_agent_unsent_results") == 1, "the result waits")
        eventually(lambda: "no answer in time" in agent.log(), "the agent notices")
        assert lab.status("silent")["state"] == "Running"
        link.thaw()
        assert lab.ended("silent")["state"] == "Succeeded"
        lab.submit("after")
        assert lab.ended("after")["state"] == "Succeeded"


def test_a_run_deleted_while_the_link_is_cut_is_forgotten(lab: Lab):
    with Link(lab.server) as link:
        agent = lab.agent(kubeconfig=lab.own_kubeconfig(link.url)).wait_ready()
        with held(agent):
            lab.submit("forgotten")
            lab.began("forgotten")
            link.cut()
            lab.kube.delete("QuantumRun", "forgotten")
        eventually(lambda: agent.metric("omnixan_agent_unsent_results") == 1, "the result waits")
        link.mend()
        eventually(lambda: agent.metric("omnixan_agent_unsent_results") == 0, "the result is dropped")
        assert lab.kube.list("QuantumRun") == []


def test_the_agent_is_ready_only_after_the_api_server_has_answered(lab: Lab):
    with Link(lab.server, up=False) as link:
        agent = lab.agent(kubeconfig=lab.own_kubeconfig(link.url))
        eventually(lambda: agent.metric("omnixan_agent_worker_ready") == 1, "the worker is warm")
        assert agent.http("/livez")[0] == 200
        status, problem = agent.http("/readyz")
        assert status == 503 and "API server" in problem
        link.mend()
        agent.wait_ready()


def test_heartbeats_go_on_soon_after_the_link_is_back(lab: Lab):
    with Link(lab.server) as link:
        agent = lab.agent(kubeconfig=lab.own_kubeconfig(link.url))
        agent.wait_ready()
        eventually(lab.lease, "there is a heartbeat")
        link.cut()
        eventually(lambda: "heartbeat: " in agent.log(), "a heartbeat failed")
        before = lab.lease()["spec"]["renewTime"]
        link.mend()
        eventually(lambda: lab.lease()["spec"]["renewTime"] > before, "the heartbeat is back")
