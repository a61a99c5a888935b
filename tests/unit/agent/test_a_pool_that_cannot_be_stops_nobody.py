"""The agent's pool of memory: open as the settings ask for it, or a reason why not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.modules import together
from omnixan.edge_network.agent.pooling import PoolOfMemory, show
from omnixan.edge_network.agent.settings import from_environment
from omnixan.edge_network.memory_pooling.pool import MemoryPooling
from omnixan.edge_network.quantum.circuit import Circuit

GOOD = dict.fromkeys(("NODE_NAME", "POD_NAMESPACE", "POD_NAME", "POOL", "CLUSTER"), "x") | {"QUBITS": "1"}


def opened(**settings: str) -> PoolOfMemory:
    pool = PoolOfMemory(from_environment(GOOD | settings))
    pool.open()
    return pool


def test_nothing_is_said_of_a_pool_that_nobody_asked_for() -> None:
    pool = opened()
    assert pool.sizes is None and pool.stats() is None and pool.modules().conditions == ()


def said_by_a_worker(lent: str) -> dict[str, Any]:
    """What a worker says of a pool of 16 MiB of which so much is lent."""
    with MemoryPooling("16Mi", "1Mi", quantum_circuits=False) as its, its.lease(lent):
        return asdict(its.stats())


def test_what_the_worker_has_lent_shows_in_the_figures_until_the_worker_is_gone() -> None:
    pool = opened(POOL_SIZE="16Mi", BLOCK_SIZE="1Mi")
    assert pool.sizes == (16 << 20, 1 << 20)
    before = pool.modules().facts["memory"]
    pool.hear(said_by_a_worker("3Mi"))
    during = pool.modules().facts["memory"]
    pool.hear(None)
    after = pool.modules().facts["memory"]
    assert (before["pool"], before["used"], during["used"]) == (16 << 20, 0, 3 << 20)
    assert all(0 <= float(during[share]) <= 1 for share in ("external", "internal"))
    assert after == before


def test_a_worker_without_its_pool_says_why_and_another_one_may_have_it() -> None:
    pool = opened(POOL_SIZE="16Mi", BLOCK_SIZE="1Mi")
    pool.hear({"refused": {"reason": "KernelLacks", "message": "too many open files"}})
    (said,) = pool.modules().conditions
    assert (said.ready, said.reason, said.message) == (False, "KernelLacks", "too many open files")
    assert not pool.modules().facts and pool.stats() is None
    pool.hear(said_by_a_worker("1Mi"))
    (said,) = pool.modules().conditions
    assert said.ready and pool.modules().facts["memory"]["used"] == 1 << 20


@pytest.mark.parametrize(("cache", "kept"), [("true", True), ("false", False)])
def test_programs_are_remembered_in_the_pool_if_it_shall_remember_some(cache: str, kept: bool) -> None:
    assert opened().circuits is None, "without a pool the engine has a cache of its own"
    pool = opened(POOL_SIZE="4Mi", BLOCK_SIZE="1Mi", CIRCUIT_CACHE=cache)
    circuits, program = pool.circuits, Circuit(1, 0, (), ())
    assert circuits is not None
    circuits.put("program", "parsed", program, 1000)
    assert (circuits.get("program", "parsed") is program) is kept


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"POOL_SIZE": "4096Ti"}, "PoolTooLarge"), ({"POOL_SIZE": "3Mi", "BLOCK_SIZE": "2Mi"}, "BadRequest")],
)
def test_a_pool_that_cannot_be_is_a_reason_and_no_error(settings: dict[str, str], reason: str) -> None:
    pool = opened(**settings)
    (said,) = pool.modules().conditions
    assert (said.ready, said.reason) == (False, reason) and pool.sizes is None and not pool.modules().facts


def test_metrics_of_a_pool_go_with_it() -> None:
    metrics = Metrics(from_environment(GOOD), "1")
    pool = opened(POOL_SIZE="4Mi", BLOCK_SIZE="1Mi")
    show(metrics, None, pool.stats(), together(pool.modules()))
    assert b'omnixan_agent_pool_bytes{kind="total"} 4.194304e+06' in metrics.exposition()
    assert b'omnixan_agent_module_ready{condition="MemoryPoolReady"} 1.0' in metrics.exposition()
    show(metrics, None, None, together())
    assert b"omnixan_agent_pool_bytes{" not in metrics.exposition()
    assert b"omnixan_agent_module_ready{" not in metrics.exposition()
