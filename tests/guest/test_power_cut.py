"""Our store on NVDIMMs of a real machine (emulated), whose power is cut after an acknowledged record of random number."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from e2e.cluster.steps import Steps
from e2e.guest.power_cut import (
    CACHED_DISK,
    CONTROL,
    DEVDAX,
    FORGETFUL,
    FSDAX,
    PLAIN_DISK,
    STORES,
    VIRTIO,
    power_cut,
    shortcomings,
)

pytestmark = pytest.mark.timeout(1500)  # a build and two boots; each wait inside has a bound of its own


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    seed = secrets.randbelow(1 << 32)
    print(f"\nagain: python -m e2e.guest --seed {seed}")
    return power_cut(seed, Steps())


@pytest.mark.parametrize("boot", ["firstBoot", "lastBoot"])
def test_a_dax_mount_is_proven_and_the_store_on_it_stands_at_t1(found, boot):
    mount, store = found[boot][FSDAX], found[boot][f"{FSDAX}/store"]
    assert (mount["mapSync"], mount["isPmem"], mount["tier"]) == ("accepted", 1, "T1")
    assert any("MAP_SYNC accepted" in line for line in mount["evidence"])
    assert store["tier"] == "T1"


@pytest.mark.parametrize("boot", ["firstBoot", "lastBoot"])
def test_a_store_on_a_device_dax_stands_at_t0(found, boot):
    assert found[boot][DEVDAX]["tier"] == "T0"


@pytest.mark.parametrize("path", STORES)
def test_every_acknowledged_record_is_there_after_a_power_cut(found, path):
    assert found["acknowledged"][0] > 20
    assert found["lastBoot"][path]["wrong"] == []
    assert found["lastBoot"][path]["there"] > 0.8 * found["acknowledged"][0], "what the workload deletes is a tenth"


def test_the_same_store_without_its_flush_lost_records_in_the_same_power_cut(found):
    assert found["lastBoot"][FORGETFUL]["wrong"]


def test_a_file_without_flush_lost_records_in_the_same_power_cut(found):
    assert found["lastBoot"][CONTROL]["there"] < found["acknowledged"][0]


def test_virtio_pmem_mounted_with_dax_is_told_from_persistent_memory(found):
    virtio, store = found["lastBoot"][VIRTIO], found["lastBoot"][f"{VIRTIO}/store"]
    assert "dax=always" in virtio["mount"].split(",")
    assert (virtio["mapSync"], virtio["isPmem"], virtio["tier"]) == ("Operation not supported", 0, "T3")
    assert virtio["daxRefused"] == "NoDAX"
    assert store == {"tier": "T3", "right": True}


@pytest.mark.parametrize(("disk", "tier"), [(CACHED_DISK, "T3"), (PLAIN_DISK, "T2")])
def test_the_same_store_stands_lower_on_an_ordinary_disk(found, disk, tier):
    assert (found["lastBoot"][disk]["tier"], found["lastBoot"][disk]["daxRefused"]) == (tier, "NoDAX")
    assert found["lastBoot"][f"{disk}/store"]["tier"] == tier


@pytest.mark.parametrize("boot", ["firstBoot", "lastBoot"])
def test_our_reading_of_ndctl_names_every_namespace(found, boot):
    modes = {"pmem0": "fsdax", "pmem1": "fsdax", "dax2.0": "devdax", "pmem3": "fsdax"}
    assert found[boot]["ndctl"] == {"state": "Found", "modes": modes}


def test_a_user_without_rights_has_a_store_at_t1(found):
    assert found["lastBoot"][f"{FSDAX}/nobody/store"] == {"tier": "T1", "user": 65534}


def test_nothing_else_is_wrong(found):
    assert shortcomings(found) == []
