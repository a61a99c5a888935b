from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.probes import Probes
from omnixan.edge_network.agent.settings import from_environment

ENVIRONMENT = {
    "NODE_NAME": "n1",
    "POD_NAMESPACE": "omnixan",
    "POD_NAME": "p",
    "POOL": "gateways",
    "CLUSTER": "ec",
    "REGION": "eu",
    "QUBITS": "8",
}


class Health:
    """What the two checks say, and where they are served."""

    alive = ""
    ready = "the quantum worker is not warm"
    port = 0


@pytest_asyncio.fixture
async def health() -> AsyncIterator[Health]:
    health = Health()
    metrics = Metrics(from_environment(ENVIRONMENT), "1.2.3")
    metrics.runs.labels("Failed", "TIMEOUT").inc()
    probes = Probes(0, metrics, alive=lambda: health.alive, ready=lambda: health.ready)
    await probes.start()
    health.port = probes.port
    yield health
    await probes.close()


async def get(health: Health, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{health.port}{path}") as answer:
        return answer.status, await answer.text()


async def test_each_probe_says_what_is_wrong_with_a_503(health: Health):
    assert await get(health, "/livez") == (200, "ok\n")
    assert await get(health, "/readyz") == (503, "the quantum worker is not warm\n")
    health.ready, health.alive = "", "no quantum worker for more than 300 s"
    assert await get(health, "/readyz") == (200, "ok\n")
    assert (await get(health, "/livez"))[0] == 503
    assert (await get(health, "/elsewhere"))[0] == 404


async def test_metrics_are_in_prometheus_format_under_the_promised_names(health: Health):
    status, text = await get(health, "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {
        "omnixan_agent_runs",
        "omnixan_agent_run_seconds",
        "omnixan_agent_queue_length",
        "omnixan_agent_unsent_results",
        "omnixan_agent_parse_seconds",
        "omnixan_agent_first_shot_seconds",
        "omnixan_agent_worker_ready",
        "omnixan_agent_resumed_iterations",
        "omnixan_agent_worker_restarts",
        "omnixan_build_info",
    } <= set(families)
    [sample] = families["omnixan_agent_runs"].samples
    assert (sample.name, sample.labels, sample.value) == (
        "omnixan_agent_runs_total",
        {"state": "Failed", "category": "TIMEOUT"},
        1.0,
    )
    [info] = families["omnixan_build_info"].samples
    assert info.labels == {
        "version": "1.2.3",
        "component": "node-agent",
        "cluster": "ec",
        "pool": "gateways",
        "region": "eu",
        "node": "n1",
        "backend": "simulator",
    }
