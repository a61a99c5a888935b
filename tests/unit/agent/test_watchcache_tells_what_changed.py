"""Whatever a list or a watch leaves out, the changes lead to the set as it is."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.agent.watchcache import Change, ExpiredError, WatchCache, WatchError

Item = dict[str, Any]


def item(name: str, uid: str, version: str) -> Item:
    return {"metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": version}}


def listed(cache: WatchCache, items: Iterable[Item], version: str) -> list[Change]:
    """Take a list in pages of two."""
    cache.begin_list()
    rest = list(items)
    changes = []
    while rest:
        changes += cache.page(rest[:2])
        rest = rest[2:]
    return changes + cache.end_list(version)


def told(changes: list[Any]) -> list[tuple[str, str]]:
    return [(c.type, c.object["metadata"]["uid"] if c.object else "") for c in changes]


def test_a_first_list_adds_everything_and_says_that_it_is_all():
    cache = WatchCache()
    assert told(listed(cache, [item("a", "1", "5"), item("b", "2", "6")], "9")) == [
        ("ADDED", "1"),
        ("ADDED", "2"),
        ("SYNC", ""),
    ]
    assert cache.resource_version == "9"


def test_a_second_list_tells_the_difference():
    cache = WatchCache()
    listed(cache, [item("a", "1", "5"), item("b", "2", "6"), item("c", "3", "7")], "9")
    changes = listed(cache, [item("a", "1", "5"), item("b", "2", "10"), item("d", "4", "11")], "12")
    assert told(changes) == [("MODIFIED", "2"), ("ADDED", "4"), ("DELETED", "3"), ("SYNC", "")]


def test_an_object_made_again_under_its_name_is_another():
    cache = WatchCache()
    listed(cache, [item("a", "1", "5")], "9")
    assert told(listed(cache, [item("a", "2", "10")], "12")) == [("DELETED", "1"), ("ADDED", "2"), ("SYNC", "")]
    late = {"type": "DELETED", "object": item("a", "1", "13")}
    assert cache.event(late) == []


def test_a_bookmark_moves_on_and_changes_nothing():
    cache = WatchCache()
    listed(cache, [], "9")
    assert cache.event({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}}) == []
    assert cache.resource_version == "20"


def test_what_is_known_already_is_not_told_again():
    cache = WatchCache()
    listed(cache, [item("a", "1", "5")], "9")
    assert cache.event({"type": "MODIFIED", "object": item("a", "1", "5")}) == []


def test_an_expired_version_asks_for_a_list():
    cache = WatchCache()
    listed(cache, [], "9")
    with pytest.raises(ExpiredError, match="too old"):
        cache.event({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})
    assert cache.resource_version == ""


@pytest.mark.parametrize("event", [{"type": "ERROR", "object": {"code": 500, "message": "storage"}}, {"type": "ADDED"}])
def test_any_other_error_ends_the_watch(event: Item):
    cache = WatchCache()
    listed(cache, [], "9")
    with pytest.raises(WatchError):
        cache.event(event)


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "delete", "remake"]), st.sampled_from(["see", "miss"])),
    max_size=25,
)


@given(STEPS)
def test_after_any_history_seen_or_missed_a_list_leads_to_the_truth(steps: list[tuple[str, str, str]]):
    """The changes, applied in order, always give the set that the server had at the last list."""
    versions = map(str, itertools.count(100))
    uids = map(str, itertools.count(1))
    server: dict[str, Item] = {}
    cache = WatchCache()
    view: dict[str, Item] = {}

    def apply(changes: list[Any]) -> None:
        for change in changes:
            if change.type == "DELETED":
                gone = change.object["metadata"]
                assert view.pop(gone["name"])["metadata"]["uid"] == gone["uid"]
            elif change.type != "SYNC":
                name = change.object["metadata"]["name"]
                assert (change.type == "ADDED") == (name not in view)
                view[name] = change.object

    apply(listed(cache, [], next(versions)))
    missed = False
    for name, action, seen in steps:
        missed = missed or seen == "miss"
        events = []
        if action in ("delete", "remake") and name in server:
            events.append({"type": "DELETED", "object": server.pop(name)})
            events[-1]["object"]["metadata"]["resourceVersion"] = next(versions)
        if action in ("put", "remake"):
            known = server.get(name)
            uid = known["metadata"]["uid"] if known else next(uids)
            server[name] = item(name, uid, next(versions))
            events.append({"type": "MODIFIED" if known else "ADDED", "object": server[name]})
        if not missed:
            for event in events:
                apply(cache.event(event))
            assert view == server
    apply(listed(cache, server.values(), next(versions)))
    assert view == server
