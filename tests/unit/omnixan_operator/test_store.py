"""The store: newer wins, the deleted stay deleted, look-ups follow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omnixan_operator import kinds
from omnixan_operator.store import (
    EDGE_NODES_BY_CLUSTER,
    OPEN_JOBS_BY_CLUSTER,
    OPEN_RUNS_BY_NODE,
    RUNS_BY_JOB,
    Store,
)
from tests.unit.omnixan_operator.operator_makers import Object, job_object, meta


def run(name: str, node: str = "n1", job: str = "j", version: int = 1, state: str | None = None) -> Object:
    spec = {"nodeName": node, "attempt": 1, "jobRef": {"namespace": "t", "name": "x", "uid": job}}
    return {"metadata": meta(name, version=version), "spec": spec, "status": {"state": state} if state else {}}


def test_a_late_event_does_not_roll_back_the_answer_to_a_write() -> None:
    store = Store()
    store.put(kinds.QUANTUM_RUN, run("r", version=5, state="Running"))
    assert store.put(kinds.QUANTUM_RUN, run("r", version=4)) is None
    found = store.get(kinds.QUANTUM_RUN, "omnixan", "r")
    assert found is not None and found["status"] == {"state": "Running"}


def test_versions_are_numbers() -> None:
    store = Store()
    store.put(kinds.QUANTUM_RUN, run("r", version=9))
    assert store.put(kinds.QUANTUM_RUN, run("r", version=10, state="Running")) is not None


def test_a_version_alone_is_no_change_but_is_kept() -> None:
    store = Store()
    store.put(kinds.QUANTUM_RUN, run("r", version=1))
    assert store.put(kinds.QUANTUM_RUN, run("r", version=2)) is None
    found = store.get(kinds.QUANTUM_RUN, "omnixan", "r")
    assert found is not None and found["metadata"]["resourceVersion"] == "2"


def test_the_deleted_stay_deleted_unless_they_are_seen_later() -> None:
    store = Store()
    store.put(kinds.QUANTUM_RUN, run("r", version=1))
    change = store.remove(kinds.QUANTUM_RUN, "omnixan", "r", "uid-of-r", 7)
    assert change is not None and change.new is None and change.object["metadata"]["name"] == "r"
    assert store.put(kinds.QUANTUM_RUN, run("r", version=6)) is None
    assert store.get(kinds.QUANTUM_RUN, "omnixan", "r") is None
    # not deleted but out of the watch's label selector for a while: the same uid comes back, newer
    assert store.put(kinds.QUANTUM_RUN, run("r", version=8)) is not None


def test_the_deletion_of_a_namesake_does_not_delete_its_successor() -> None:
    store = Store()
    store.put(kinds.QUANTUM_RUN, run("r", version=1))
    successor = run("r", version=5)
    successor["metadata"]["uid"] = "another"
    store.put(kinds.QUANTUM_RUN, successor)
    assert store.remove(kinds.QUANTUM_RUN, "omnixan", "r", "uid-of-r", 4) is None
    assert store.get(kinds.QUANTUM_RUN, "omnixan", "r") is not None


def test_look_ups_follow_what_an_object_says() -> None:
    store = Store()
    store.put(kinds.QUANTUM_RUN, run("r", node="n1", version=1))
    assert store.count_by(OPEN_RUNS_BY_NODE, ("omnixan", "n1")) == 1
    assert [r["metadata"]["name"] for r in store.find(RUNS_BY_JOB, "j")] == ["r"]
    store.put(kinds.QUANTUM_RUN, run("r", node="n1", version=2, state="Failed"))
    assert store.count_by(OPEN_RUNS_BY_NODE, ("omnixan", "n1")) == 0
    assert len(store.find(RUNS_BY_JOB, "j")) == 1
    store.remove(kinds.QUANTUM_RUN, "omnixan", "r", "uid-of-r", 3)
    assert store.find(RUNS_BY_JOB, "j") == []


def test_only_open_jobs_are_found_by_their_cluster() -> None:
    store = Store()
    store.put(kinds.QUANTUM_JOB, job_object("a"))
    store.put(kinds.QUANTUM_JOB, job_object("b", status={"completionTime": "2026-11-24T21:00:00Z"}))
    store.put(kinds.QUANTUM_JOB, job_object("c", clusterRef={"namespace": "other", "name": "ec"}))
    assert [j["metadata"]["name"] for j in store.find(OPEN_JOBS_BY_CLUSTER, ("omnixan", "ec"))] == ["a"]


def test_edge_nodes_are_found_by_the_uid_of_their_owner() -> None:
    store = Store()
    owner = [{"kind": "EdgeCluster", "name": "ec", "uid": "u", "controller": True}]
    store.put(kinds.EDGE_NODE, {"metadata": meta("n", ownerReferences=owner), "spec": {}})
    store.put(kinds.EDGE_NODE, {"metadata": meta("m"), "spec": {}})
    assert [n["metadata"]["name"] for n in store.find(EDGE_NODES_BY_CLUSTER, "u")] == ["n"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(1, 30)), max_size=30))
def test_any_order_of_events_ends_with_the_newest(events: list[tuple[str, bool, int]]) -> None:
    """Events of distinct versions, in any order and any number of times: the newest of each object counts."""
    store = Store()
    newest: dict[str, tuple[int, bool]] = {}
    for name, deleted, number in events:
        version = 2 * number + deleted
        if deleted:
            store.remove(kinds.QUANTUM_RUN, "omnixan", name, f"uid-of-{name}", version)
        else:
            store.put(kinds.QUANTUM_RUN, run(name, node=f"{name}{version}", version=version))
        newest[name] = max(newest.get(name, (0, True)), (version, deleted))
    for name, (version, deleted) in newest.items():
        found = store.get(kinds.QUANTUM_RUN, "omnixan", name)
        assert (found is None) == deleted
        if found is not None:
            assert store.find(OPEN_RUNS_BY_NODE, ("omnixan", f"{name}{version}")) == [found]
    by_node = [store.count_by(OPEN_RUNS_BY_NODE, ("omnixan", f"{n}{v}")) for n in "ab" for v in range(70)]
    assert sum(by_node) == store.count(kinds.QUANTUM_RUN)
