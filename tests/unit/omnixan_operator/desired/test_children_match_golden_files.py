"""Golden files: an EdgeCluster or QuantumJob in, the children out, as YAML that a person can review.

After a wanted change: `UPDATE_GOLDEN=1 pytest tests/unit/omnixan_operator/desired`, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan_operator import kinds
from omnixan_operator.decide.modules import judge
from omnixan_operator.desired.daemonset import daemon_set
from omnixan_operator.desired.edgenode import edge_node
from omnixan_operator.desired.quantumrun import quantum_run
from omnixan_operator.desired.resultmap import canonical, result_map
from omnixan_operator.desired.rolebinding import role_binding
from omnixan_operator.desired.serviceaccount import service_account
from omnixan_operator.kinds import Object

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.name.removesuffix(".in.yaml") for path in GOLDEN.glob("*.in.yaml"))
RESULT = {"summary": {"shots": 2, "distinctOutcomes": 1, "top": []}, "counts": {"11": 2}}


def children(parent: Object) -> list[Object]:
    if parent["kind"] == "EdgeCluster":
        cluster = EdgeCluster.model_validate(parent)
        made = [
            kinds.SERVICE_ACCOUNT.identify(service_account(cluster)),
            kinds.ROLE_BINDING.identify(role_binding(cluster, "omnixan-edge-agent")),
        ]
        for pool in cluster.spec.pools:
            made.append(
                kinds.DAEMON_SET.identify(
                    daemon_set(cluster, pool, "example.invalid/agent:1", judge(cluster, pool, "privileged").given)
                )
            )
            node = f"node-of-{pool.name}"
            made.append(kinds.EDGE_NODE.identify(edge_node(cluster, pool.name, pool.tier, node, drain=False)))
        return made
    job = QuantumJob.model_validate(parent)
    cluster = EdgeCluster.model_validate(yaml.safe_load((GOLDEN / "minimal-cluster.in.yaml").read_text()))
    return [
        kinds.QUANTUM_RUN.identify(quantum_run(job, cluster, "node-1", 2, "")),
        kinds.CONFIG_MAP.identify(result_map(job, canonical(RESULT))),
    ]


@pytest.mark.parametrize("case", CASES)
def test_children_are_as_reviewed(case: str) -> None:
    made = children(yaml.safe_load((GOLDEN / f"{case}.in.yaml").read_text()))
    golden = GOLDEN / f"{case}.out.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump_all(made, sort_keys=False, width=120))
    assert made == list(yaml.safe_load_all(golden.read_text()))


def test_there_are_cases() -> None:
    assert len(CASES) >= 4


def test_names_fit_where_they_are_used() -> None:
    """Label values have at most 63 characters, also with the longest names that the API takes."""
    parent: Any = yaml.safe_load((GOLDEN / "full-cluster.in.yaml").read_text())
    parent["metadata"]["name"] = "e" * 52
    parent["spec"]["pools"][0]["name"] = "p" * 20
    for child in children(parent):
        assert len(child["metadata"]["name"]) <= 253
        assert all(len(value) <= 63 for value in child["metadata"]["labels"].values())
