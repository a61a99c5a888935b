import copy
import re
from typing import Any

import pytest

from e2e.guest.power_cut import by_name, shortcomings

DAX = {"mount": "rw,relatime,dax=always", "mapSync": "accepted", "isPmem": 1}
PLAIN = {"mount": "rw,relatime", "mapSync": "Operation not supported", "isPmem": 0}
GOOD: dict[str, Any] = {
    "lastAcknowledged": 88,
    "firstBoot": {"/mnt/subject": DAX, "/mnt/control": PLAIN},
    "secondBoot": {
        "/mnt/subject": DAX,
        "/mnt/control": PLAIN,
        "/mnt/virtio-pmem": PLAIN | {"mount": "rw,relatime,dax=always"},
        "/mnt/disk": PLAIN,
        "verified": {"lost": [], "control": 3},
    },
}


def test_a_run_as_it_must_be_has_no_shortcomings() -> None:
    assert shortcomings(GOOD) == []


@pytest.mark.parametrize(
    ("boot", "what", "change", "said"),
    [
        ("secondBoot", "verified", {"lost": [17]}, r"1 of 89 acknowledged records are lost or wrong: \[17\]"),
        ("secondBoot", "verified", {"control": 89}, "the power cut was none"),
        ("firstBoot", "/mnt/subject", {"isPmem": 0}, "firstBoot: the NVDIMM is not DAX"),
        ("secondBoot", "/mnt/subject", {"mapSync": "accepted, and smaps does not say so"}, "the NVDIMM is not DAX"),
        ("firstBoot", "/mnt/control", {"isPmem": 1}, "the control is DAX"),
        ("secondBoot", "/mnt/virtio-pmem", {"mapSync": "accepted"}, "/mnt/virtio-pmem passes for persistent memory"),
        ("secondBoot", "/mnt/virtio-pmem", {"mount": "rw"}, "is not mounted with DAX"),
        ("secondBoot", "/mnt/disk", {"isPmem": 1}, "/mnt/disk passes for persistent memory"),
    ],
)
def test_each_thing_that_is_wrong_is_told(boot: str, what: str, change: dict[str, Any], said: str) -> None:
    found = copy.deepcopy(GOOD)
    found[boot][what] = found[boot][what] | change
    (sentence,) = shortcomings(found)
    assert re.search(said, sentence)


def test_facts_are_found_by_folder_or_by_name() -> None:
    said = [{"what": "prepared", "folder": "/mnt/x", "isPmem": 1}, {"what": "done"}]
    assert by_name(said) == {"/mnt/x": {"isPmem": 1}, "done": {}}
