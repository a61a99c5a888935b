"""What decides on a tier: the kernel's and the device's answers, not the mount table; and the choice by mode."""

from __future__ import annotations

import itertools
import mmap
import os
from pathlib import Path

import pytest

from omnixan.edge_network.persistent_memory import MediumMissing, MediumUnsuitable, Mode, Tier, dax, libpmem, prove
from omnixan.edge_network.persistent_memory.medium import PAGE
from omnixan.edge_network.persistent_memory.mode import choose
from omnixan.edge_network.persistent_memory.mounts import MOUNTINFO, Mount, block_device, dax_device, mount_of


def sysfs(folder: Path, number: int, *, cache: str, fua: str, name: str = "nvme0n1", partition: str = "") -> Path:
    """A /sys with one block device behind `number` (an st_dev)."""
    disk = folder / "sys" / "devices" / name
    (disk / "queue").mkdir(parents=True)
    (disk / "queue" / "write_cache").write_text(f"{cache}\n")
    (disk / "queue" / "fua").write_text(f"{fua}\n")
    if partition:
        (disk / partition).mkdir()
    link = folder / "sys" / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(disk / partition)
    return folder / "sys"


def mountinfo(folder: Path, number: int, kind: str, source: str, options: str) -> Path:
    table = folder / "mountinfo"
    device = f"{os.major(number)}:{os.minor(number)}"
    lines = (
        "20 1 0:999 / /other rw - ext4 /dev/sdz rw",
        f"27 1 {device} / /mnt\\040x rw shared:1 - {kind} {source} {options}",
    )
    table.write_text("\n".join(lines))
    return table


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder on a file system that keeps its files on a disk and has no DAX."""
    found = prove(tmp_path).tiers
    if Tier.EMULATION in found or Tier.T1 in found:
        pytest.skip("the tests' folder is in memory or on DAX")
    return tmp_path


def number(folder: Path) -> int:
    return folder.stat().st_dev


@pytest.mark.parametrize(
    ("cache", "fua", "tiers"),
    [
        ("write back", "0", (Tier.T3,)),
        ("write back", "1", (Tier.T2, Tier.T3)),
        ("write through", "0", (Tier.T2, Tier.T3)),
    ],
)
def test_a_direct_write_counts_only_where_the_device_confirms_single_writes(
    cache: str, fua: str, tiers: tuple[Tier, ...], disk: Path
) -> None:
    try:
        os.close(os.open(disk / "try", os.O_RDWR | os.O_CREAT | os.O_DIRECT))
    except OSError:
        tiers = (Tier.T3,)
    proof = prove(disk, sys=sysfs(disk, number(disk), cache=cache, fua=fua))
    assert proof.tiers == tiers and proof.evidence[-1] == f"best: {tiers[0].label}"
    assert any("block device nvme0n1" in line for line in proof.evidence)


def test_a_partition_answers_for_its_disk(tmp_path: Path) -> None:
    found = block_device(259, sysfs(tmp_path, 259, cache="write back", fua="1", partition="nvme0n1p1"))
    assert found is not None and found.name == "nvme0n1p1" and found.confirms_writes


def test_without_a_known_device_it_is_an_ordinary_file(disk: Path) -> None:
    (disk / "nothing").mkdir()
    proof = prove(disk, sys=disk / "nothing")
    assert proof.tiers == (Tier.T3,) and "no block device is known" in proof.evidence[-2]


@pytest.mark.parametrize("name", ["zram0", "ram3"])
def test_a_disk_in_memory_is_an_emulation(name: str, disk: Path) -> None:
    proof = prove(disk, sys=sysfs(disk, number(disk), cache="write through", fua="0", name=name))
    assert proof.tiers == (Tier.EMULATION,) and "nothing here survives" in proof.evidence[-2]


@pytest.mark.parametrize(("kind", "options"), [("tmpfs", "rw"), ("ramfs", "rw"), ("overlay", "rw,volatile")])
def test_a_file_system_that_keeps_nothing_is_an_emulation(kind: str, options: str, disk: Path) -> None:
    proof = prove(disk, mountinfo=mountinfo(disk, number(disk), kind, "none", options))
    assert proof.best is Tier.EMULATION and "nothing here survives a power cut" in proof.evidence[-2]


def test_tmpfs_itself_is_an_emulation_also_where_it_takes_o_direct() -> None:
    table = mount_of(Path("/dev/shm").stat().st_dev) if Path("/dev/shm").is_dir() else None
    if table is None or table.kind != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs here")
    assert prove("/dev/shm").tiers == (Tier.EMULATION,)


def test_a_mount_option_is_shown_and_not_believed(disk: Path) -> None:
    proof = prove(disk, mountinfo=mountinfo(disk, number(disk), "ext4", "/dev/pmem0", "rw,dax=always"))
    assert not proof.best.is_dax
    assert any("dax=always" in line and "not believed" in line for line in proof.evidence)
    assert any(line.startswith("MAP_SYNC refused") for line in proof.evidence)


def test_an_accepted_map_sync_is_t1_and_libpmem_is_asked(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's acceptance is played here; on real DAX it is given in the guest's tests."""

    def accepted(fd: int, length: int, *, readonly: bool) -> mmap.mmap:
        return mmap.mmap(fd, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)

    monkeypatch.setattr(dax, "sync_mapping", accepted)
    proof = prove(disk)
    assert proof.best is Tier.T1 and Tier.T3 in proof.tiers
    assert any("MAP_SYNC accepted" in line for line in proof.evidence)
    assert any("libpmem" in line for line in proof.evidence)


def test_forced_granularity_is_told_and_never_asked(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMEM2_FORCE_GRANULARITY", "BYTE")
    monkeypatch.setattr(dax, "sync_mapping", lambda fd, length, **_: mmap.mmap(fd, length, prot=mmap.PROT_READ))
    assert any("PMEM2_FORCE_GRANULARITY=BYTE is set" in line for line in prove(disk).evidence)


def test_a_proof_leaves_nothing_behind_and_changes_no_file(tmp_path: Path) -> None:
    existing = tmp_path / "store"
    existing.write_bytes(bytes(PAGE))
    existing.chmod(0o400)
    before = existing.stat()
    prove(tmp_path)
    assert f"tried on {existing} itself" in prove(existing).evidence
    prove(tmp_path / "not there yet")
    assert list(tmp_path.iterdir()) == [existing]
    assert existing.stat().st_mtime_ns == before.st_mtime_ns


def test_paths_that_are_no_medium_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediumMissing, match="no such folder"):
        prove(tmp_path / "no" / "store")
    with pytest.raises(MediumUnsuitable, match="not a device-dax"):
        prove("/dev/null")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(MediumUnsuitable, match="neither a file"):
        prove(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MediumMissing):
        prove(tmp_path / "file" / "below")


def test_evidence_cannot_move_a_cursor_or_grow_without_bound(disk: Path) -> None:
    proof = prove(disk, mountinfo=mountinfo(disk, number(disk), "ext4", "\x1b[2Jevil", "rw," + "o" * 5000))
    assert all(line.isprintable() and len(line) <= 300 for line in proof.evidence)


def test_a_device_dax_is_known_by_its_character_device(tmp_path: Path) -> None:
    """/dev/zero stands in for the device: the kernel maps it, sysfs (a double) calls it a device-dax."""
    device = tmp_path / "sys" / "devices" / "dax0.0"
    device.mkdir(parents=True)
    (device / "size").write_text("532676608\n")
    (device / "align").write_text("2097152\n")
    (tmp_path / "sys" / "bus" / "dax").mkdir(parents=True)
    (device / "subsystem").symlink_to(tmp_path / "sys" / "bus" / "dax")
    rdev = Path("/dev/zero").stat().st_rdev
    link = tmp_path / "sys" / "dev" / "char" / f"{os.major(rdev)}:{os.minor(rdev)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(device)
    proof = prove("/dev/zero", sys=tmp_path / "sys")
    assert proof.tiers == (Tier.T0,)
    assert "device-dax dax0.0: 532676608 bytes, mapped in units of 2097152" in proof.evidence[0]
    assert dax_device(rdev) is None  # the machine's own sysfs knows better


def test_the_mount_table_is_read_with_its_escapes(tmp_path: Path) -> None:
    found = mount_of(os.makedev(8, 1), mountinfo(tmp_path, os.makedev(8, 1), "ext4", "/dev/sda1", "rw,data=ordered"))
    assert found == Mount("ext4", "/dev/sda1", "/mnt x", frozenset({"rw", "data=ordered"}))
    assert mount_of(os.makedev(8, 2), tmp_path / "mountinfo") is None
    assert mount_of(os.makedev(8, 2), tmp_path / "not there") is None
    assert MOUNTINFO.exists()


SETS = [tiers for size in range(4) for tiers in itertools.combinations(Tier, size)]


@pytest.mark.parametrize("tiers", SETS, ids=lambda tiers: "+".join(t.name for t in tiers) or "nothing")
def test_the_choice_is_the_best_that_the_mode_allows(tiers: tuple[Tier, ...]) -> None:
    for order in itertools.permutations(tiers):
        dax_tier, auto, file = (choose(mode, order).tier for mode in (Mode.DAX, Mode.AUTO, Mode.FILE))
        assert auto == (tiers[0] if tiers else None)
        assert dax_tier == (tiers[0] if tiers and tiers[0] in (Tier.T0, Tier.T1) else None)
        assert file == next((t for t in tiers if t not in (Tier.T0, Tier.T1)), None)


def test_what_is_lower_than_asked_is_called_no_dax() -> None:
    choice = choose(Mode.DAX, [Tier.T2, Tier.T3])
    assert (choice.tier, choice.reason) == (None, "NoDAX")
    assert choice.message == "mode=dax was asked for and the proof found T2-direct"
    assert choose(Mode.FILE, [Tier.T0]).reason == "NoFileAccess"
    assert choose(Mode.AUTO, [Tier.EMULATION]).reason == "Emulation"
    assert choose(Mode.AUTO, [Tier.T3]).reason == "Proven"


def test_a_library_that_is_missing_is_named() -> None:
    with pytest.raises(libpmem.LibraryMissing, match="libnothing"):
        libpmem.load({}, names=("libnothing.so.9", "libnothing.so.8"))
    with pytest.raises(libpmem.LibraryMissing, match="pmem"):  # loads, and is something else
        libpmem.load({}, names=("libc.so.6", "libc.so.6"))


@pytest.mark.parametrize("variable", libpmem.FORCING)
def test_a_forced_library_is_refused_unless_allowed(variable: str) -> None:
    with pytest.raises(libpmem.ForcedGranularity, match=f"{variable}=1 is set"):
        libpmem.load({variable: "1"})
    try:
        assert libpmem.load({variable: "1"}, allow_forced=True).name in ("libpmem2", "libpmem")
    except libpmem.LibraryMissing:
        pytest.skip("libpmem is not installed")
