"""The kubelet replaces the agent's token, in time or too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.agent.harness import Lab, eventually
from tests.api.agent.proxy import Link
from tests.api.client import Kube, Object
from tests.api.rotation import LEEWAY_SECONDS, Mount, answer, ending


def beat(lab: Lab) -> str:
    """When the heartbeat was renewed last."""
    lease: Object = eventually(lab.lease, "there is a heartbeat")
    return str(lease["spec"]["renewTime"])


def test_an_agent_goes_on_while_its_tokens_are_replaced_and_run_out(lab: Lab):
    with Link(lab.server) as link:
        mount = Mount(lab.kube, "agent", lab.folder / "account")
        agent = lab.agent(kubeconfig=lab.own_kubeconfig(link.url, token="account/token")).wait_ready()
        for number in range(2):
            mount.end(mount.turn())
            link.cut()  # a watch that is open when its token runs out stays open
            link.mend()
            before = beat(lab)
            lab.submit(f"run-{number}")
            assert lab.ended(f"run-{number}")["state"] == "Succeeded"
            eventually(lambda before=before: beat(lab) > before, "heartbeats go on")
        assert "Unauthorized" not in agent.log()

        mount.end(mount.current)
        eventually(lambda: "heartbeat: Unauthorized" in agent.log(), "the agent is refused")
        link.cut()
        link.mend()
        lab.submit("late")
        before = beat(lab)
        mount.turn()
        assert lab.ended("late")["state"] == "Succeeded"
        eventually(lambda: beat(lab) > before, "heartbeats go on")
        assert lab.condition()["status"] == "True" and agent.process.poll() is None


def test_a_token_that_ran_out_is_refused_as_one_whose_object_is_gone_but_a_minute_later(lab: Lab, kubeconfig: Path):
    key = kubeconfig.parent / "sa.key"
    if not key.exists():
        pytest.skip("the key by which this API server signs tokens is not known")
    mount = Mount(lab.kube, "agent", lab.folder / "account")
    real = mount.current

    def said(token: str) -> tuple[int, str]:
        user: Kube = lab.kube.with_token(token)
        return answer(user)

    assert said(ending(real, key, 10))[0] == 200
    assert said(ending(real, key, -LEEWAY_SECONDS / 2))[0] == 200
    expired = said(ending(real, key, -LEEWAY_SECONDS - 2))
    mount.end(real)
    assert expired == said(real) and expired[0] == 401
