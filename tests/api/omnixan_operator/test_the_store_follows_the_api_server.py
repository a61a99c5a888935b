"""The operator's client, store and resync against a real API server, in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omnixan_operator import kinds
from omnixan_operator.analysis import Analyzer
from omnixan_operator.apiserver import (
    AlreadyExistsError,
    ApiServer,
    ConflictError,
    InvalidError,
    NotFoundError,
    TransientError,
    load_configuration,
)
from omnixan_operator.events import Recorder
from omnixan_operator.feed import Feed
from omnixan_operator.keys import CLAIMS, Key
from omnixan_operator.metrics import Metrics
from omnixan_operator.queue import WorkQueue
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile import claims
from omnixan_operator.reconcile.context import Context
from omnixan_operator.resync import Resync
from omnixan_operator.settings import Settings
from omnixan_operator.store import Store
from tests.api.client import Kube
from tests.api.omnixan_operator.harness import BELL, wait

SPEC = {"clusterRef": {"name": "ec"}, "program": {"inline": {"data": BELL}}}


class Rig:
    """The parts between the API server and the queue."""

    def __init__(self, api: ApiServer, metrics: Metrics, namespace: str) -> None:
        self.api, self.metrics, self.namespace = api, metrics, namespace
        self.store = Store()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.feed = Feed(self.store, self.queue, time.monotonic)
        self.feed.start()
        self.feed.lead()
        self.resync = Resync(api, self.store, self.feed, metrics)
        self.context = Context(
            Settings("image"),
            self.store,
            self.feed,
            self.queue,
            api,
            Analyzer("/nowhere", self.queue.add, metrics, time.monotonic),
            Recorder(api, metrics, "pod", time.monotonic),
            metrics,
            lambda: datetime.now(UTC),
            time.monotonic,
        )

    def job(self, name: str) -> dict[str, object]:
        return {"metadata": {"name": name, "namespace": self.namespace}, "spec": SPEC}


@pytest.fixture
async def rig(kube: Kube, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    metrics = Metrics()
    api = ApiServer(await load_configuration(), metrics)
    yield Rig(api, metrics, kube.namespace)
    await api.close()


async def test_what_a_broken_watch_missed_is_found_by_a_resync(rig: Rig, kube: Kube) -> None:
    for name in ("stays", "deleted", "recreated"):
        rig.feed.put(kinds.QUANTUM_JOB, await rig.api.create(kinds.QUANTUM_JOB, rig.job(name)))
    kube.delete("QuantumJob", "deleted"), kube.delete("QuantumJob", "recreated")
    again = await rig.api.create(kinds.QUANTUM_JOB, rig.job("recreated"))
    await rig.api.create(kinds.QUANTUM_JOB, rig.job("unseen"))
    await rig.resync.compare(kinds.QUANTUM_JOB)
    known = {
        obj["metadata"]["name"]: obj["metadata"]["uid"]
        for obj in rig.store.all(kinds.QUANTUM_JOB)
        if obj["metadata"]["namespace"] == rig.namespace
    }
    assert set(known) == {"stays", "recreated", "unseen"} and known["recreated"] == again["metadata"]["uid"]
    woken = set()
    while len(rig.queue):
        taken = await rig.queue.take()
        assert taken is not None
        woken.add(taken.key)
    assert {Key("QuantumJob", rig.namespace, name) for name in ("deleted", "recreated", "unseen")} <= woken


async def test_a_new_leader_knows_what_its_watches_have_not_told_it_yet(rig: Rig, kube: Kube) -> None:
    for name in ("deleted", "changed"):
        rig.feed.put(kinds.QUANTUM_JOB, await rig.api.create(kinds.QUANTUM_JOB, rig.job(name)))
    kube.delete("QuantumJob", "deleted")
    kube.patch("QuantumJob", "changed", {"metadata": {"annotations": {"changed": "yes"}}})
    await rig.api.create(kinds.QUANTUM_JOB, rig.job("created"))
    await rig.resync.catch_up()
    known = {
        obj["metadata"]["name"]: obj["metadata"].get("annotations")
        for obj in rig.store.all(kinds.QUANTUM_JOB)
        if obj["metadata"]["namespace"] == rig.namespace
    }
    assert set(known) == {"changed", "created"} and known["changed"] == {"changed": "yes"}
    assert rig.metrics.missed_deletions.labels("QuantumJob")._value.get() == 0


async def test_a_resync_takes_nothing_out_that_is_newer_than_its_list(rig: Rig) -> None:
    job = await rig.api.create(kinds.QUANTUM_JOB, rig.job("new"))
    future = job | {"metadata": job["metadata"] | {"name": "future", "uid": "x", "resourceVersion": str(10**12)}}
    rig.feed.put(kinds.QUANTUM_JOB, future)
    await rig.resync.compare(kinds.QUANTUM_JOB)
    assert rig.store.get(kinds.QUANTUM_JOB, rig.namespace, "future") is not None


async def test_a_node_that_was_deleted_unseen_is_not_made_again(rig: Rig, kube: Kube) -> None:
    name = f"{rig.namespace}-n0"
    node = {"metadata": {"name": name, "labels": {"test": name}}}
    kube.create({"apiVersion": "v1", "kind": "Node"} | node)
    time_ = "2026-11-24T21:00:00Z"
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": ""}
    ready |= {"lastHeartbeatTime": time_, "lastTransitionTime": time_}
    rig.feed.put(kinds.NODE, kube.patch("Node", name, {"status": {"conditions": [ready]}}, "status", "v1"))
    pool = {"name": "p", "tier": "gateway", "nodeSelector": {"test": name}, "qpu": {"qubits": 8}}
    cluster = {"metadata": {"name": "ec", "namespace": rig.namespace}, "spec": {"nodes": 1, "pools": [pool]}}
    rig.feed.put(kinds.EDGE_CLUSTER, await rig.api.create(kinds.EDGE_CLUSTER, cluster))
    kube.delete("Node", name, "v1")
    with pytest.raises(ConflictError):
        await claims.reconcile(rig.context, CLAIMS)
    assert name not in {node["metadata"]["name"] for node in kube.list("Node", "v1")}


async def test_refusals_have_their_class(rig: Rig, kube: Kube) -> None:
    created = await rig.api.create(kinds.QUANTUM_JOB, rig.job("a"))
    with pytest.raises(AlreadyExistsError):
        await rig.api.create(kinds.QUANTUM_JOB, rig.job("a"))
    with pytest.raises(InvalidError):
        await rig.api.create(kinds.QUANTUM_JOB, rig.job("b") | {"spec": {}})
    with pytest.raises(NotFoundError):
        await rig.api.get(kinds.QUANTUM_JOB, rig.namespace, "c")
    kube.patch("QuantumJob", "a", {"metadata": {"labels": {"x": "y"}}})
    stale = {"name": "a", "namespace": rig.namespace, "resourceVersion": created["metadata"]["resourceVersion"]}
    with pytest.raises(ConflictError):
        await rig.api.apply_status(kinds.QUANTUM_JOB, {"metadata": stale, "status": {"observedGeneration": 1}})
    other = created | {"metadata": created["metadata"] | {"uid": "another"}}
    with pytest.raises(ConflictError):
        await rig.api.delete(kinds.QUANTUM_JOB, other)
    assert await rig.api.served(kinds.QUANTUM_JOB)
    assert not await rig.api.served(kinds.Kind("Nothing", "edge.omnixan.io/v1alpha1", "nothings"))


async def test_no_answer_is_transient(rig: Rig) -> None:
    configuration = await load_configuration()
    configuration.host = "https://127.0.0.1:1"
    nowhere = ApiServer(configuration, rig.metrics)
    with pytest.raises(TransientError, match="get /apis/edge"):
        await nowhere.get(kinds.QUANTUM_JOB, rig.namespace, "a")
    await nowhere.close()


async def test_an_equal_event_is_posted_once(rig: Rig, kube: Kube) -> None:
    job = await rig.api.create(kinds.QUANTUM_JOB, rig.job("a"))
    clock = [0.0]
    recorder = Recorder(rig.api, rig.metrics, "pod", lambda: clock[0])
    posting = asyncio.create_task(recorder.run())
    for note in ("one", "one", "two", "one"):
        recorder.warning(kinds.QUANTUM_JOB, job, Reason.NO_NODES, note)
    clock[0] = 601.0
    recorder.warning(kinds.QUANTUM_JOB, job, Reason.NO_NODES, "one")

    def notes() -> list[str]:
        return sorted(event["note"] for event in kube.list("Event", "events.k8s.io/v1"))

    await asyncio.to_thread(wait, "the events are there", lambda: notes() == ["one", "one", "two"])
    posting.cancel()
