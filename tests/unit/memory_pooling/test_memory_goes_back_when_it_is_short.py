"""Limits of control groups, versions 1 and 2, and what a pool does near them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling.cgroup import MemoryLimits
from omnixan.edge_network.memory_pooling.errors import PoolTooLarge

MIB = 1 << 20


class Files:
    """A control group in a folder."""

    def __init__(self, folder: Path, version: int) -> None:
        self.version = version
        self.group = folder / ("pods/mine" if version == 2 else "memory/pods/mine")
        self.group.mkdir(parents=True)
        member = "0::/pods/mine" if version == 2 else "4:memory:/pods/mine\n3:cpu:/other"
        (folder / "membership").write_text(member + "\n")
        self.limits = MemoryLimits(folder, folder / "membership", folder / "no-meminfo")

    def set(self, most: int | None, used: int, cache: int = 0, *, level: int = 0) -> None:
        folder = self.group if level == 0 else self.group.parent
        names = ("memory.max", "memory.current", "inactive_file")
        if self.version == 1:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        unlimited = "max" if self.version == 2 else str(2**63 - 4096)
        (folder / names[0]).write_text(f"{unlimited if most is None else most}\n")
        (folder / names[1]).write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cache}\nfile 7\n")


@pytest.fixture(params=[1, 2])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return Files(tmp_path, request.param)


def test_a_pool_larger_than_the_group_allows_is_refused(files: Files) -> None:
    files.set(64 * MIB, 0)
    with pytest.raises(PoolTooLarge, match=f"pool_size is {128 * MIB} bytes, and this process may have {64 * MIB} .*memory"):
        MemoryPooling("128MB", "64MB", limits=files.limits)
    MemoryPooling("64MB", "64MB", limits=files.limits)


def test_a_limit_further_up_counts(files: Files) -> None:
    files.set(None, 0)
    MemoryPooling("128MB", "64MB", limits=files.limits)
    files.set(64 * MIB, 0, level=1)
    with pytest.raises(PoolTooLarge):
        MemoryPooling("128MB", "64MB", limits=files.limits)


def test_the_machines_memory_is_a_limit(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 65536 kB\nMemFree: 1 kB\nMemAvailable: 32768 kB\n")
    limits = MemoryLimits(tmp_path, tmp_path / "none", tmp_path / "meminfo")
    with pytest.raises(PoolTooLarge, match="MemTotal"):
        MemoryPooling("128MB", "64MB", limits=limits)
    found = limits.tightest()
    assert found is not None
    assert (found.total, found.room) == (64 * MIB, 32 * MIB)


def test_inside_a_container_the_group_is_the_mount_itself(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "membership").write_text("0::/../../kubepods/x\n")
    found = MemoryLimits(tmp_path, tmp_path / "membership", tmp_path / "none").smallest()
    assert found is not None
    assert found.total == 1000


def test_nothing_readable_is_no_limit(tmp_path: Path) -> None:
    limits = MemoryLimits(tmp_path, tmp_path / "none", tmp_path / "none")
    assert limits.smallest() is limits.tightest() is None
    MemoryPooling("128MB", "64MB", limits=limits).check_pressure()


def test_idle_memory_goes_back_when_the_group_is_nearly_full(files: Files) -> None:
    files.set(256 * MIB, 16 * MIB)
    pool = MemoryPooling("16MB", "1MB", limits=files.limits)
    kept = pool.acquire("2MB")
    kept.array()[:] = 9
    buffers = [pool.acquire("1MB") for _ in range(8)]
    for buffer in buffers:
        buffer.array()[:] = 1
        buffer.release()
    assert pool.check_pressure() == 0
    assert pool.stats().resident_bytes == 10 * MIB
    files.set(256 * MIB, 250 * MIB, cache=100 * MIB)
    assert pool.check_pressure() == 0  # page cache is not what kills a process
    files.set(256 * MIB, 250 * MIB)
    assert pool.check_pressure() == 8 * MIB
    stats = pool.stats()
    assert (stats.resident_bytes, stats.idle_bytes, stats.trimmed_bytes) == (2 * MIB, 0, 8 * MIB)
    assert (kept.array() == 9).all()
    assert not pool.acquire("8MB").array().any()


def test_only_as_much_as_is_short_goes_back(files: Files) -> None:
    files.set(100 * MIB, 10 * MIB)
    pool = MemoryPooling("16MB", "1MB", limits=files.limits)
    for buffer in [pool.acquire("1MB") for _ in range(16)]:
        buffer.array()[:] = 1
        buffer.release()
    files.set(100 * MIB, 91 * MIB)  # not before: a slow machine would look meanwhile
    assert pool.check_pressure() + pool.stats().resident_bytes == 16 * MIB
    assert 6 * MIB <= pool.stats().trimmed_bytes <= 7 * MIB  # to 15 % of room: the limit less 91 MiB are 9


def test_a_working_pool_looks_on_its_own(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("omnixan.edge_network.memory_pooling.pool.time.monotonic", lambda: now[0])
    files.set(100 * MIB, 10 * MIB)
    pool = MemoryPooling("16MB", "1MB", limits=files.limits)
    pool.acquire("8MB").release()
    files.set(100 * MIB, 99 * MIB)
    pool.acquire("64KB").release()
    assert pool.stats().trimmed_bytes == 0, "it looked again at once"
    now[0] += 1
    pool.acquire("64KB").release()
    assert pool.stats().trimmed_bytes > 8 * MIB - 1


def test_a_threshold_bounds_what_is_idle() -> None:
    pool = MemoryPooling("16MB", "1MB", trim_threshold="1MB")
    live = pool.acquire("4MB")
    live.array()[:] = 1
    random = np.random.default_rng(5)
    for _ in range(200):
        buffer = pool.acquire(int(random.integers(1, 3 * MIB)))
        buffer.array()[:] = 1
        buffer.release()
        stats = pool.stats()
        assert stats.idle_bytes <= MIB
        assert stats.resident_bytes <= 5 * MIB
    assert pool.trim(0) <= MIB
    assert pool.stats().resident_bytes == 4 * MIB
