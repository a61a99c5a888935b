from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.agent.queue import KEPT_OBJECTS, RunQueue

Run = dict[str, Any]


def run(name: str, created: str = "2026-01-01T00:00:00Z", state: str | None = None, **status: Any) -> Run:
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": created}
    return {"metadata": metadata, "status": {"state": state, **status} if state else {}}


def names(queue: RunQueue) -> list[str]:
    taken = []
    while (waiting := queue.take()) is not None:
        taken.append(waiting.name)
    return taken


def test_nothing_waits_at_first():
    assert RunQueue().take() is None


@given(st.permutations([(minute, letter) for minute in range(3) for letter in "abc"]))
def test_the_oldest_comes_first_and_of_one_second_the_first_by_name(order: list[tuple[int, str]]):
    queue = RunQueue()
    for minute, letter in order:
        queue.put(run(f"{letter}{minute}", f"2026-01-01T00:0{minute}:00Z"))
    assert names(queue) == [f"{letter}{minute}" for minute in range(3) for letter in "abc"]


def test_a_run_that_is_over_is_not_taken():
    queue = RunQueue()
    queue.put(run("a", state="Succeeded"))
    queue.put(run("b"))
    queue.put(run("b", state="Failed"))
    assert names(queue) == []


def test_a_run_is_taken_once_whatever_is_heard_of_it_until_it_is_gone():
    queue = RunQueue()
    queue.put(run("a"))
    assert names(queue) == ["a"]
    queue.put(run("a", state="Running"))
    assert names(queue) == []
    queue.gone("uid-a")
    queue.put(run("a"))
    assert names(queue) == ["a"]


def test_a_deleted_run_waits_no_longer():
    queue = RunQueue()
    queue.put(run("a"))
    queue.put(run("b"))
    queue.gone("uid-a")
    assert len(queue) == 1
    assert names(queue) == ["b"]


def test_peeking_takes_nothing():
    queue = RunQueue()
    assert queue.peek() is None
    queue.put(run("a"))
    first = queue.peek()
    assert first is not None and first == queue.take()


def test_a_run_found_running_was_interrupted_and_counts_how_often():
    queue = RunQueue()
    queue.put(run("a", state="Running"), inherited=True)
    queue.put(run("b", state="Running", restarts=3), inherited=True)
    queue.put(run("c"), inherited=True)
    queue.put(run("d"))
    taken = [queue.take() for _ in range(4)]
    assert [(w.restarts, w.inherited) for w in taken if w] == [(1, True), (4, True), (0, True), (0, False)]


def test_only_the_first_runs_are_kept_whole_and_stay_up_to_date():
    queue = RunQueue()
    for number in range(KEPT_OBJECTS + 5):
        queue.put(run(f"r{number:03d}"))
    queue.put(run("r000") | {"spec": {"new": True}})
    queue.put(run(f"r{KEPT_OBJECTS:03d}") | {"spec": {"new": True}})
    taken = [queue.take() for _ in range(KEPT_OBJECTS + 5)]
    kept = [w.object is not None for w in taken if w]
    assert kept == [True] * KEPT_OBJECTS + [False] * 5
    assert taken[0] is not None and taken[0].object is not None and taken[0].object["spec"] == {"new": True}


def test_a_run_that_an_earlier_agent_knew_waits_until_the_api_server_tells_more():
    queue = RunQueue()
    queue.restore(run("a"), begun=True, restarts=1)
    queue.restore(run("b"), begun=False, restarts=0)
    queue.finished("uid-c")
    queue.restore(run("c"), begun=True, restarts=0)
    queue.put(run("a", state="Running", restarts=4), inherited=True)
    queue.put(run("b"), inherited=True)
    taken = [queue.take() for _ in range(3)]
    assert [(w.uid, w.inherited, w.restarts) for w in taken if w] == [("uid-a", True, 5), ("uid-b", True, 0)]
    assert queue.known == {"uid-a", "uid-b", "uid-c"}
    queue.gone("uid-c")
    assert queue.known == {"uid-a", "uid-b"}
