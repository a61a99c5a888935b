"""What placement is told of nodes: their backend, calibration and queue, out of the store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.emulator.calibration import report
from omnixan_operator import kinds
from omnixan_operator.kinds import Object
from omnixan_operator.offers import Offers, shots_of
from omnixan_operator.store import Store

UID, OTHER = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "0a1b2c3d-4e5f-6071-8293-000000000000"


class World:
    """A store and what is being placed."""

    def __init__(self) -> None:
        self.store = Store()
        self.placing: dict[str, tuple[str, str]] = {}
        self._offers = Offers(self.store, self.placing)
        self._version = 0

    def put(self, kind: Any, name: str, spec: Object, status: Object, **metadata: Any) -> None:
        self._version += 1
        meta = {"name": name, "namespace": "omnixan", "uid": name, "resourceVersion": str(self._version)} | metadata
        self.store.put(kind, {"metadata": meta, "spec": spec, "status": status})

    def remove(self, kind: Any, name: str) -> None:
        self._version += 1
        self.store.remove(kind, "omnixan", name, name, self._version)

    def node(self, name: str, cluster: str = UID, **status: Any) -> None:
        owner = {"kind": "EdgeCluster", "name": "ec", "uid": cluster, "controller": True}
        ready = {"conditions": [{"type": "Ready", "status": "True", "message": "well"}]}
        self.put(kinds.EDGE_NODE, name, {"tier": "compute"}, ready | status, ownerReferences=[owner])

    def run(self, name: str, node: str, shots: int, state: str = "") -> None:
        spec = {"nodeName": node, "jobRef": {"uid": name}, "primitive": {"sampler": {"shots": shots}}}
        self.put(kinds.QUANTUM_RUN, name, spec, {"state": state} if state else {})

    def offers(self) -> dict[str, Any]:
        return {offer.node: offer for offer in self._offers.of(UID)}


def test_a_simulator_and_an_emulator_offer_what_they_are() -> None:
    world = World()
    world.node("sim", backend="simulator", qubits=12)
    world.node("lima", backend="emulator", qubits=5, calibration=report(devices.load("lima")))
    world.node("new")
    found = world.offers()
    assert (found["sim"].exact, found["sim"].qubits, found["sim"].quality, found["sim"].ready) == (True, 12, None, True)
    assert not found["lima"].exact and found["lima"].quality.id == devices.load("lima").id
    assert found["lima"].wait == 0
    assert found["new"].qubits == 0


def test_the_wait_is_the_device_time_of_the_unfinished_runs() -> None:
    world = World()
    world.node("lima", backend="emulator", qubits=5, calibration=report(devices.load("lima")))
    world.run("one", "lima", 1000)
    world.run("two", "lima", 3000)
    world.run("over", "lima", 100_000, "Succeeded")
    offer = world.offers()["lima"]
    assert offer.backlog == 2
    assert offer.wait == pytest.approx(4000 * offer.quality.shot_seconds())
    world.placing["three"] = ("omnixan", "lima")
    assert world.offers()["lima"].wait == pytest.approx(6000 * offer.quality.shot_seconds())


def test_a_run_is_counted_once_though_the_answer_to_its_creation_is_late() -> None:
    world = World()
    world.node("sim", backend="simulator", qubits=12)
    world.placing["one"] = ("omnixan", "sim")
    assert world.offers()["sim"].backlog == 1
    world.run("one", "sim", 1000)
    assert world.offers()["sim"].backlog == 1
    world.run("one", "sim", 1000, "Succeeded")
    assert world.offers()["sim"].backlog == 0


def test_a_new_calibration_is_seen_and_a_damaged_one_is_none() -> None:
    world = World()
    world.node("n", backend="emulator", qubits=5, calibration=report(devices.load("lima")))
    before = world.offers()["n"].quality
    world.node("n", backend="emulator", qubits=5, calibration=report(devices.load("quito")))
    after = world.offers()["n"].quality
    assert before.id != after.id == devices.load("quito").id
    world.node("n", backend="emulator", qubits=5, calibration=report(devices.load("lima")) | {"t1": "never"})
    assert world.offers()["n"].quality is None


@pytest.mark.parametrize(
    ("primitive", "shots"),
    [
        ({"sampler": {"shots": 77}}, 77),
        ({"sampler": {}}, 1024),
        ({}, 1024),
        ({"estimator": {"observables": []}}, 4096),
        ({"estimator": {"observables": [], "precision": "0.02"}}, 2500),
        ({"estimator": {"observables": [], "precision": "0.0000001"}}, 1_000_000),
    ],
)
def test_shots_of_a_queued_run_follow_from_its_primitive(primitive: dict[str, Any], shots: int) -> None:
    assert shots_of({"spec": {"primitive": primitive}}) == shots


def test_a_run_that_takes_the_place_of_a_longer_one_shortens_the_wait() -> None:
    world = World()
    world.node("dev", backend="emulator", qubits=5, calibration=report(devices.load("lima")))
    world.run("long", "dev", 100_000)
    before = world.offers()["dev"]
    world.run("long", "dev", 100_000, state="Succeeded")
    world.run("short", "dev", 1_000)
    after = world.offers()["dev"]
    assert before.backlog == after.backlog == 1 and after.wait < before.wait / 50


def test_a_node_that_did_not_change_offers_what_it_did() -> None:
    world = World()
    world.node("sim", backend="simulator", qubits=8)
    first = world.offers()["sim"]
    assert world.offers()["sim"] is first
    world.placing["on-its-way"] = ("omnixan", "sim")
    assert world.offers()["sim"].backlog == 1


def test_a_run_that_never_reached_the_api_server_gives_its_place_back() -> None:
    world = World()
    world.node("sim", backend="simulator", qubits=8)
    world.placing["lost"] = ("omnixan", "sim")
    assert world.offers()["sim"].backlog == 1
    del world.placing["lost"]
    assert world.offers()["sim"].backlog == 0


def test_a_node_that_left_offers_nothing_and_one_that_came_does() -> None:
    world = World()
    world.node("old", backend="simulator", qubits=8)
    assert set(world.offers()) == {"old"}
    world.node("new", backend="simulator", qubits=8)
    world.remove(kinds.EDGE_NODE, "old")
    assert set(world.offers()) == {"new"}


NAMES = st.sampled_from(["a", "b", "c"])
CHANGES = st.one_of(
    st.tuples(st.just("node"), NAMES, st.integers(1, 9), st.sampled_from([UID, OTHER])),
    st.tuples(st.just("gone"), NAMES, st.integers(1, 9), st.just(UID)),
    st.tuples(st.just("run"), NAMES, st.integers(1, 9), st.just(UID)),
    st.tuples(st.just("over"), NAMES, st.integers(1, 9), st.just(UID)),
    st.tuples(st.just("placing"), NAMES, st.integers(1, 9), st.just(UID)),
    st.tuples(st.just("placed"), NAMES, st.integers(1, 9), st.just(UID)),
    st.tuples(st.just("look"), NAMES, st.integers(1, 9), st.sampled_from([UID, OTHER])),
)


@given(st.lists(CHANGES, max_size=30))
def test_what_is_kept_is_what_would_be_made_anew(changes: list[tuple[str, str, int, str]]) -> None:
    world = World()
    kept = Offers(world.store, world.placing)
    for change, node, number, cluster in changes:
        match change:
            case "node":
                calibration = report(devices.load("lima")) if number % 2 else None
                world.node(node, cluster, backend="emulator", qubits=number, calibration=calibration)
            case "gone":
                world.remove(kinds.EDGE_NODE, node)
            case "run":
                world.run(f"run-{number}", node, 100 * number)
            case "over":
                world.run(f"run-{number}", node, 100 * number, "Succeeded")
            case "placing":
                world.placing[f"run-{number}"] = ("omnixan", node)
            case "placed":
                world.placing.pop(f"run-{number}", None)
            case "look":
                assert kept.of(cluster) == Offers(world.store, world.placing).of(cluster)
    for cluster in (UID, OTHER):
        assert kept.of(cluster) == Offers(world.store, world.placing).of(cluster)
