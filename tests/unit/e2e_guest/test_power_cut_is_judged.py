import copy
import re
from typing import Any

import pytest

from e2e.guest.power_cut import CONTROL, DEVDAX, EXPECTED, FORGETFUL, FSDAX, STORES, VIRTIO, by_path, shortcomings, summary

STORE = f"{FSDAX}/store"


def _good() -> dict[str, Any]:
    found: dict[str, Any] = {"seed": 1, "kernel": "6.1", "acknowledged": [89]} | copy.deepcopy(EXPECTED)
    for path in STORES:
        found["lastBoot"][path] |= {"wrong": [], "there": 81, "inFlight": 1, "openSeconds": 0.1}
    found["lastBoot"][CONTROL] = {"there": 3}
    found["lastBoot"][FORGETFUL] = {"there": 0, "wrong": ["record 0 is lost"]}
    return found


def test_a_run_as_it_must_be_has_no_shortcomings() -> None:
    assert shortcomings(_good()) == []


@pytest.mark.parametrize(
    ("boot", "path", "change", "said"),
    [
        ("lastBoot", STORE, {"wrong": ["record 17 is lost"]}, "/mnt/fsdax/store: record 17 is lost"),
        ("lastBoot", DEVDAX, {"wrong": ["record 17 is lost"]}, "/dev/dax2.0: record 17 is lost"),
        ("lastBoot", CONTROL, {"there": 89}, "the power cut was none"),
        ("firstBoot", FSDAX, {"isPmem": 0}, "firstBoot, /mnt/fsdax: .*'isPmem': 0"),
        ("lastBoot", FSDAX, {"mapSync": "accepted, and smaps does not say so"}, "lastBoot, /mnt/fsdax"),
        ("lastBoot", FSDAX, {"tier": "T3"}, "'tier': 'T3'.* where .*'tier': 'T1'"),
        ("firstBoot", "/mnt/control", {"isPmem": 1}, "firstBoot, /mnt/control"),
        ("lastBoot", STORE, {"tier": "T3"}, "lastBoot, /mnt/fsdax/store"),
        ("lastBoot", VIRTIO, {"tier": "T1"}, "lastBoot, /mnt/virtio-pmem"),
        ("lastBoot", VIRTIO, {"mount": "rw"}, "lastBoot, /mnt/virtio-pmem"),
        ("lastBoot", VIRTIO, {"daxRefused": ""}, "lastBoot, /mnt/virtio-pmem"),
        ("lastBoot", f"{VIRTIO}/store", {"right": False}, "lastBoot, /mnt/virtio-pmem/store"),
        ("lastBoot", "/mnt/plain-disk/store", {"tier": "T3"}, "lastBoot, /mnt/plain-disk/store"),
        ("lastBoot", FORGETFUL, {"wrong": []}, "a forgotten flush would not be found"),
    ],
)
def test_each_thing_that_is_wrong_is_told(boot: str, path: str, change: dict[str, Any], said: str) -> None:
    found = _good()
    found[boot][path] = found[boot][path] | change
    (sentence,) = shortcomings(found)
    assert re.search(said, sentence)


def test_facts_about_a_path_are_put_together() -> None:
    said = [{"what": "device", "path": "/x", "isPmem": 1}, {"what": "store", "path": "/x", "tier": "T1"}, {"what": "done"}]
    assert by_path(said) == {"/x": {"isPmem": 1, "tier": "T1"}}


def test_a_summary_counts_what_is_wrong_in_all_stores() -> None:
    found = _good()
    found["lastBoot"][STORE]["wrong"] = ["a"]
    found["lastBoot"][DEVDAX]["wrong"] = ["b", "c"]
    assert summary(found)["wrong"] == 3
    assert summary(found)["acknowledged"] == [89]
