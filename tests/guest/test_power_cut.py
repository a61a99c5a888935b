"""Our store on an NVDIMM of a real machine (emulated), whose power is cut at an acknowledged record of random number."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from e2e.cluster.steps import Steps
from e2e.guest.power_cut import power_cut, shortcomings

pytestmark = pytest.mark.timeout(1500)  # a build and two boots; each wait inside has a bound of its own


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    seed = secrets.randbelow(1 << 32)
    print(f"\nagain: python -m e2e.guest --seed {seed}")
    return power_cut(seed, Steps())


def test_the_nvdimm_is_dax_by_the_kernels_and_by_libpmems_word(found):
    for boot in ("firstBoot", "secondBoot"):
        subject = found[boot]["/mnt/subject"]
        assert (subject["mapSync"], subject["isPmem"]) == ("accepted", 1), subject


def test_every_acknowledged_record_is_there_after_a_power_cut(found):
    assert found["lastAcknowledged"] >= 20
    assert found["secondBoot"]["verified"]["lost"] == []


def test_a_file_without_flush_lost_records_in_the_same_power_cut(found):
    assert found["secondBoot"]["verified"]["control"] <= found["lastAcknowledged"]


def test_a_mount_with_dax_does_not_make_virtio_pmem_persistent_memory(found):
    virtio = found["secondBoot"]["/mnt/virtio-pmem"]
    assert "dax=always" in virtio["mount"].split(",")
    assert (virtio["mapSync"], virtio["isPmem"]) == ("Operation not supported", 0)


def test_an_ordinary_disk_is_not_persistent_memory(found):
    disk = found["secondBoot"]["/mnt/disk"]
    assert (disk["mapSync"], disk["isPmem"]) == ("Operation not supported", 0)


def test_nothing_else_is_wrong(found):
    assert shortcomings(found) == []
