"""The operator's process: it ends well when asked, and badly when a part of it died."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnixan_operator.main import PartDiedError, _until_stopped

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
"""


def start(**environment: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(ROOT / part) for part in ("operator", "node_agent"))
    clean = {name: value for name, value in os.environ.items() if name not in ("AGENT_IMAGE", "KUBECONFIG")}
    return subprocess.Popen(
        [sys.executable, "-m", "omnixan_operator.main"],
        env=clean | {"PYTHONPATH": paths, "METRICS_HOST": "127.0.0.1", "METRICS_PORT": "0"} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An operator whose API server does not answer."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(NOWHERE)
    running = start(AGENT_IMAGE="i", KUBECONFIG=str(kubeconfig))
    yield running
    running.kill()
    running.wait()


def test_it_waits_for_the_api_server_and_ends_when_asked(waiting: subprocess.Popen[str]) -> None:
    assert waiting.stderr is not None
    for line in waiting.stderr:
        if "waiting for the API server" in line:
            break
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(30) == 0


def test_a_missing_setting_is_named() -> None:
    running = start()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 2 and said.startswith("omnixan-operator: AGENT_IMAGE is not set")


def test_a_cluster_that_cannot_be_found_ends_it() -> None:
    running = start(AGENT_IMAGE="i")
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1 and "the operator ends" in said


async def test_the_death_of_any_part_is_the_death_of_all() -> None:
    async def dies() -> None:
        raise ValueError("because")

    async def lives() -> None:
        await asyncio.Event().wait()

    living = asyncio.create_task(lives())
    with pytest.raises(PartDiedError, match="worker 3 died") as raised:
        await _until_stopped([living, asyncio.create_task(dies(), name="worker 3")], asyncio.Event())
    assert isinstance(raised.value.__cause__, ValueError)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    await asyncio.wait_for(_until_stopped([living], stop), 10)
    living.cancel()
