"""Which modules a pool's agents are given."""

from __future__ import annotations

from typing import Any

import pytest

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan_operator.decide.modules import Given, judge
from tests.unit.omnixan_operator.operator_makers import cluster, pool


def made(modules: Any = None, override: Any = None, limit: str | None = None, own_limit: str | None = None) -> EdgeCluster:
    of_pool: dict[str, Any] = {"modules": override} if override else {}
    of_pool |= {"agent": {"resources": {"limits": {"memory": own_limit}}}} if own_limit else {}
    spec: dict[str, Any] = {"modules": modules} if modules is not None else {}
    spec |= {"agent": {"resources": {"limits": {"memory": limit}}}} if limit else {}
    return cluster(pools=[pool(**of_pool)], **spec)


def judged(level: str | None = "privileged", **more: Any) -> Given:
    found = made(**more)
    return judge(found, found.spec.pools[0], level)


def test_nothing_is_given_that_was_not_asked_for() -> None:
    for level in (None, "restricted", "privileged"):
        for modules in (None, {}):
            found = judged(level, modules=modules)
            assert found.given == found.asked and found.given.wire() == {} and not found.withheld


@pytest.mark.parametrize(
    ("path", "level", "given"),
    [
        ("/mnt/pmem0", "restricted", False),
        ("/mnt/pmem0", "baseline", False),
        ("/mnt/pmem0", "privileged", True),
        ("/mnt/pmem0", None, True),
        ("/dev/dax0.0", "restricted", True),  # a device plugin gives it: no folder of the node is mounted
    ],
)
def test_a_folder_of_the_node_needs_a_privileged_namespace(path: str, level: str | None, given: bool) -> None:
    found = judged(level, modules={"persistentMemory": {"pmemPath": path}, "memoryPooling": {}})
    assert (found.given.persistent_memory is not None) is given
    assert found.given.memory_pooling is not None, "one module does not take the other away"
    assert [w.reason for w in found.withheld] == ([] if given else ["NamespaceNotPrivileged"])
    if not given:
        assert "label it pod-security.kubernetes.io/enforce=privileged" in found.withheld[0].message


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, None),  # without resources the limit is made to fit
        ({"limit": "4607Mi"}, "PoolExceedsMemory"),
        ({"limit": "4608Mi"}, None),
        ({"limit": "4831838208"}, None),
        ({"limit": "2Gi", "own_limit": "5Gi"}, None),
        ({"limit": "5Gi", "own_limit": "2Gi"}, "PoolExceedsMemory"),
        ({"override": {"memoryPooling": {"poolSize": "1Gi"}}, "limit": "2Gi"}, None),
        ({"override": {"memoryPooling": {"enabled": False}}, "limit": "1Gi"}, None),
        ({"override": {"memoryPooling": {"poolSize": "100Mi"}}}, "PoolNotInBlocks"),
        ({"override": {"memoryPooling": {"blockSize": "1Gi"}}}, None),
    ],
)
def test_a_pool_of_memory_must_fit(more: dict[str, Any], reason: str | None) -> None:
    found = judged(modules={"memoryPooling": {}, "persistentMemory": {}}, **more)
    assert [w.reason for w in found.withheld] == ([reason] if reason else [])
    assert found.given.persistent_memory is not None
    assert (found.given.memory_pooling is None) is (reason is not None or found.asked.memory_pooling is None)


def test_a_limit_that_is_too_low_is_told_with_what_it_must_be() -> None:
    (withheld,) = judged(modules={"memoryPooling": {}}, limit="2Gi").withheld
    assert "memory limit of 2048Mi: raise agent.resources.limits.memory to 4608Mi, or lower poolSize" in withheld.message
