import copy
import re
from typing import Any

import pytest

from e2e.guest.power_cut import CONTROL, DEVDAX, EXPECTED, FORGETFUL, FSDAX, STORES, VIRTIO, by_path, shortcomings, summary

STORE = f"{FSDAX}/store"


def _good() -> dict[str, Any]:
    found: dict[str, Any] = {"seed": 1, "kernel": "6.1", "lastAcknowledged": 88} | copy.deepcopy(EXPECTED)
    for path in STORES:
        found["secondBoot"][path] |= {"wrong": [], "there": 81, "inFlight": 1, "openSeconds": 0.1}
    found["secondBoot"][CONTROL] = {"there": 3}
    found["secondBoot"][FORGETFUL] = {"there": 0, "wrong": ["record 0 is lost"]}
    return found


def test_a_run_as_it_must_be_has_no_shortcomings() -> None:
    assert shortcomings(_good()) == []


@pytest.mark.parametrize(
    ("boot", "path", "change", "said"),
    [
        ("secondBoot", STORE, {"wrong": ["record 17 is lost"]}, "/mnt/fsdax/store: record 17 is lost"),
        ("secondBoot", DEVDAX, {"wrong": ["record 17 is lost"]}, "/dev/dax2.0: record 17 is lost"),
        ("secondBoot", CONTROL, {"there": 89}, "the power cut was none"),
        ("firstBoot", FSDAX, {"isPmem": 0}, "firstBoot, /mnt/fsdax: .*'isPmem': 0"),
        ("secondBoot", FSDAX, {"mapSync": "accepted, and smaps does not say so"}, "secondBoot, /mnt/fsdax"),
        ("secondBoot", FSDAX, {"tier": "T3"}, "'tier': 'T3'.* where .*'tier': 'T1'"),
        ("firstBoot", "/mnt/control", {"isPmem": 1}, "firstBoot, /mnt/control"),
        ("secondBoot", STORE, {"tier": "T3"}, "secondBoot, /mnt/fsdax/store"),
        ("secondBoot", VIRTIO, {"tier": "T1"}, "secondBoot, /mnt/virtio-pmem"),
        ("secondBoot", VIRTIO, {"mount": "rw"}, "secondBoot, /mnt/virtio-pmem"),
        ("secondBoot", VIRTIO, {"daxRefused": ""}, "secondBoot, /mnt/virtio-pmem"),
        ("secondBoot", f"{VIRTIO}/store", {"right": False}, "secondBoot, /mnt/virtio-pmem/store"),
        ("secondBoot", "/mnt/plain-disk/store", {"tier": "T3"}, "secondBoot, /mnt/plain-disk/store"),
        ("secondBoot", FORGETFUL, {"wrong": []}, "a forgotten flush would not be found"),
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
    found["secondBoot"][STORE]["wrong"] = ["a"]
    found["secondBoot"][DEVDAX]["wrong"] = ["b", "c"]
    assert summary(found)["wrong"] == 3
    assert summary(found)["acknowledged"] == 89
