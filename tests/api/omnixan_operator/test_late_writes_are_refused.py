"""What a former leader still had on its way when it was frozen, sent again after its successor has gone on.

Without the chart's admission policies, which refuse all of it: this is what the objects themselves refuse.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from omnixan.edge_network.api.meta import CLAIM_LABEL
from omnixan_operator import kinds
from omnixan_operator.apiserver import (
    AlreadyExistsError,
    ApiServer,
    ConflictError,
    InvalidError,
    NotFoundError,
    load_configuration,
)
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.reconcile.claims import FIELD_MANAGER
from tests.api.omnixan_operator.harness import Agents, Operator, Site, wait


@dataclass
class Before:
    """The site as the former leader saw it last, and what is there now."""

    api: ApiServer
    site: Site
    seen: dict[str, Object]

    def version(self, name: str, **more: Any) -> Object:
        """Metadata that stand for an object as it was seen."""
        metadata = self.seen[name]["metadata"]
        where = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
        return {"metadata": where | more}


@pytest.fixture
async def before(
    operator: Operator, site: Site, agents: Agents, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Before]:
    """A job that was seen running by the one, and has been brought to its end by the other."""
    agents.work = False
    node = site.node("n0")
    site.cluster(1)
    site.is_so("EdgeCluster", "ec", "Ready")
    site.job()
    job = site.is_so("QuantumJob", "bell", "Placed")
    run = site.runs()[0]
    names = {"daemonSet": ("DaemonSet", "ec-gateway", "apps/v1"), "account": ("ServiceAccount", "ec-agent", "v1")}
    seen = {"job": job, "run": run, "node": site.kube.get("Node", node, api_version="v1")}
    seen |= {"cluster": site.kube.get("EdgeCluster", "ec"), "twin": site.kube.get("EdgeNode", node)}
    seen |= {key: site.kube.get(kind, name, api_version=version) for key, (kind, name, version) in names.items()}
    agents.succeed(run["metadata"]["name"])
    site.is_so("QuantumJob", "bell", "Complete")
    for kind, name, version in (*names.values(), ("Node", node, "v1"), ("EdgeCluster", "ec", ""), ("EdgeNode", node, "")):
        change = {"metadata": {"labels": {"changed": "meanwhile"}}}
        site.kube.patch(kind, name, change, "", version or "edge.omnixan.io/v1alpha1")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    api = ApiServer(await load_configuration(), Metrics())
    yield Before(api, site, copy.deepcopy(seen))
    await api.close()


async def test_the_same_attempt_is_not_made_again(before: Before) -> None:
    run = {"metadata": {k: before.seen["run"]["metadata"][k] for k in ("name", "namespace")}}
    with pytest.raises(AlreadyExistsError):
        await before.api.create(kinds.QUANTUM_RUN, run | {"spec": before.seen["run"]["spec"]})


@pytest.mark.parametrize(
    ("kind", "name"), [(kinds.QUANTUM_JOB, "job"), (kinds.EDGE_CLUSTER, "cluster"), (kinds.EDGE_NODE, "twin")]
)
async def test_a_status_is_not_written_over_a_newer_object(before: Before, kind: Kind, name: str) -> None:
    with pytest.raises(ConflictError):
        await before.api.apply_status(kind, before.version(name) | {"status": {"observedGeneration": 0}})


async def test_a_job_that_is_over_stays_over_even_without_a_version(before: Before) -> None:
    manifest = before.version("job", resourceVersion=None)
    status = before.seen["job"]["status"]
    with pytest.raises((InvalidError, ConflictError)):
        await before.api.apply_status(kinds.QUANTUM_JOB, manifest | {"status": status})


async def test_an_assignment_does_not_move(before: Before) -> None:
    status = copy.deepcopy(before.site.kube.get("QuantumJob", "bell")["status"])
    manifest = before.version("job", resourceVersion=None)
    status["run"]["node"] = "elsewhere"
    with pytest.raises(InvalidError):
        await before.api.merge(
            kinds.Kind("QuantumJob", kinds.QUANTUM_JOB.api_version, "quantumjobs"),
            before.site.mark,
            "bell/status",
            manifest | {"status": status},
            "omnixan-operator",
        )


@pytest.mark.parametrize(("kind", "name"), [(kinds.DAEMON_SET, "daemonSet"), (kinds.SERVICE_ACCOUNT, "account")])
async def test_a_child_is_not_put_back_to_what_was_wanted_once(before: Before, kind: Kind, name: str) -> None:
    with pytest.raises(ConflictError):
        await before.api.apply(kind, before.version(name))


@pytest.mark.parametrize("value", ["gateway.0123456789", None])
async def test_a_node_is_neither_claimed_nor_given_back(before: Before, value: str | None) -> None:
    patch = before.version("node", labels={CLAIM_LABEL: value})
    with pytest.raises(ConflictError):
        if value is None:
            await before.api.merge(kinds.NODE, "", patch["metadata"]["name"], patch, FIELD_MANAGER)
        else:
            await before.api.apply(kinds.NODE, patch, FIELD_MANAGER)
    assert before.site.claims()["n0"].startswith("gateway.")


async def test_what_was_made_anew_under_the_same_name_is_not_deleted(before: Before) -> None:
    name = before.seen["daemonSet"]["metadata"]["name"]
    before.site.kube.delete("DaemonSet", name, "apps/v1")
    wait("it is made again", lambda: before.site.kube.get("DaemonSet", name, api_version="apps/v1"))
    with pytest.raises(ConflictError):
        await before.api.delete(kinds.DAEMON_SET, before.seen["daemonSet"])


async def test_an_object_that_is_gone_does_not_come_back_by_a_status_or_a_change(before: Before) -> None:
    before.site.kube.delete("QuantumJob", "bell")
    with pytest.raises((NotFoundError, ConflictError)):
        await before.api.apply_status(kinds.QUANTUM_JOB, before.version("job") | {"status": {"observedGeneration": 0}})
    gone = {"metadata": before.version("daemonSet")["metadata"] | {"name": "never-there"}}
    with pytest.raises(ConflictError):
        await before.api.apply(kinds.DAEMON_SET, gone)
