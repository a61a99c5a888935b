"""The agent's memory: what can be wrong with it, how it says so, and that it comes back."""

from __future__ import annotations

import asyncio
import errno
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest

from omnixan.edge_network.agent import storage as module
from omnixan.edge_network.agent.backoff import Backoff
from omnixan.edge_network.agent.storage import MemoryReport, Storage
from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import Corrupt
from omnixan.edge_network.persistent_memory.memory import FILE

SIZE = 1 << 20


@asynccontextmanager
async def opened(path: Path, mode: str = "auto", size: int = SIZE) -> AsyncIterator[Storage]:
    storage = Storage(str(path), mode, size)
    try:
        await storage.open()
        yield storage
    finally:
        await storage.close()


def listing(path: Path) -> list[str]:
    return [found.name for found in path.iterdir()]


def said(storage: Storage) -> MemoryReport:
    report = storage.report()
    assert report is not None
    return report


async def works_without(storage: Storage) -> MemoryReport:
    """Nothing is durable, nothing raises; return what is said."""
    assert not storage.ready and not await storage.put("a", b"x") and not await storage.delete("a")
    assert not await storage.snapshot("a", b"x", [(0, 1)])
    assert await storage.get("a") is None and await storage.keys() == []
    report = said(storage)
    assert not report.ready and report.last_checkpoint is None
    return report


async def test_without_a_path_there_is_none_and_nothing_to_report():
    storage = Storage(None, "auto", SIZE)
    assert not await storage.open() and not storage.wanted and storage.report() is None
    assert not await storage.put("a", b"x") and await storage.keys() == []
    await storage.run(mock.AsyncMock())  # returns: there is nothing to open
    await storage.close()


async def test_what_was_put_is_there_in_the_next_life(tmp_path: Path):
    async with opened(tmp_path) as storage:
        assert await storage.put("a", b"1", {"k": "v"}) and await storage.put("b/1", b"2") and await storage.put("b/2", b"3")
        assert await storage.delete("a", "never", prefix="b/2")
        report = said(storage)
        assert report.ready and report.tier and report.proof and report.size == SIZE and report.used > 0
        assert report.last_checkpoint is not None and str(tmp_path) in report.message
    async with opened(tmp_path) as storage:
        assert await storage.keys() == ["b/1"] and await storage.get("b/1") == (b"2", {})
        assert said(storage).last_checkpoint is None


async def test_writes_happen_in_the_order_of_the_calls_whoever_waits(tmp_path: Path):
    async with opened(tmp_path) as storage:
        for number in range(50):
            storage.put("a", str(number).encode())
            storage.delete("b")
            storage.put("b", str(number).encode())
        await storage.delete("a")
    async with opened(tmp_path) as storage:
        assert await storage.keys() == ["b"] and await storage.get("b") == (b"49", {})


async def test_a_path_that_is_not_there_is_named_and_not_made(tmp_path: Path):
    async with opened(tmp_path / "pmem") as storage:
        report = await works_without(storage)
    assert report.reason == "MediumMissing" and str(tmp_path / "pmem") in report.message
    assert not (tmp_path / "pmem").exists()


async def test_a_path_that_may_not_be_written_is_named(tmp_path: Path):
    (tmp_path / "theirs").mkdir()
    refused = OSError(errno.EROFS, "Read-only file system")
    with mock.patch("omnixan.edge_network.persistent_memory.opening.os.open", side_effect=refused):
        async with opened(tmp_path / "theirs") as storage:
            assert (await works_without(storage)).reason == "MediumReadOnly"


async def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path: Path):
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch("omnixan.edge_network.persistent_memory.opening.os.posix_fallocate", side_effect=full):
        async with opened(tmp_path) as storage:
            assert (await works_without(storage)).reason == "MediumFull"
    assert listing(tmp_path) == []


async def test_dax_that_is_not_there_is_no_lower_tier(tmp_path: Path):
    async with opened(tmp_path, "dax") as storage:
        report = await works_without(storage)
    assert report.reason == "NoDAX" and "mode=dax" in report.message and not listing(tmp_path)


async def test_two_agents_on_one_memory_the_second_works_without_until_the_first_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "Backoff", lambda first, most: Backoff(0.01, 0.02))
    changes: list[str] = []
    second = Storage(str(tmp_path), "auto", SIZE, lambda: changes.append(said(second).reason))
    async with opened(tmp_path) as first:
        await first.put("a", b"1")
        assert not await second.open()
        assert (await works_without(second)).reason == "StoreLocked"
        back = asyncio.Event()

        async def on_open() -> None:
            back.set()

        running = asyncio.create_task(second.run(on_open))
    await asyncio.wait_for(back.wait(), 20)
    assert await second.get("a") == (b"1", {}) and said(second).ready
    assert changes == ["StoreLocked", said(second).reason]  # said once, however often it was tried
    running.cancel()
    await second.close()


async def test_a_newer_medium_and_a_spoilt_one_are_refused_and_left_as_they_are(tmp_path: Path):
    async with opened(tmp_path) as storage:
        await storage.put("a", b"1")
    file = tmp_path / FILE
    good = file.read_bytes()
    newer = bytearray(good)
    for slot in (0, 4096):
        newer[slot + 8 : slot + 12] = struct.pack("<I", 99)
        body = bytes(newer[slot : slot + 12]) + bytes(4) + bytes(newer[slot + 16 : slot + 128])
        newer[slot + 12 : slot + 16] = struct.pack("<I", crc32c(body))
    spoilt = bytearray(good)
    spoilt[100] ^= 1
    spoilt[4096 + 100] ^= 1
    for content, reasons in (
        (newer, {"NewerFormat"}),
        (spoilt, {"Corrupt", "NotAStore"}),
        (good[:8000], {"MediumUnsuitable"}),
    ):
        file.write_bytes(content)
        async with opened(tmp_path) as storage:
            assert (await works_without(storage)).reason in reasons
        assert file.read_bytes() == bytes(content)


async def test_a_damaged_value_is_told_apart_from_one_that_is_not_there(tmp_path: Path):
    async with opened(tmp_path) as storage:
        await storage.put("a", b"precious" * 100)
        await storage.put("b", b"other")
    file = tmp_path / FILE
    spoilt = bytearray(file.read_bytes())
    spoilt[spoilt.index(b"precious") + 5] ^= 4
    file.write_bytes(spoilt)
    async with opened(tmp_path) as storage:
        with pytest.raises(Corrupt):
            await storage.get("a")
        assert await storage.get("b") == (b"other", {})


async def test_what_is_too_large_is_refused_and_what_fits_is_taken_after_that(tmp_path: Path):
    async with opened(tmp_path) as storage:
        assert not await storage.put("large", bytes(SIZE))
        report = said(storage)
        assert (report.ready, report.reason) == (False, "TooLarge") and "large" in report.message
        assert storage.ready and await storage.put("small", b"x") and said(storage).ready


async def test_a_memory_that_fails_is_given_back_and_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "Backoff", lambda first, most: Backoff(0.01, 0.02))
    async with opened(tmp_path) as storage:
        await storage.put("a", b"1")
        broken = OSError(errno.EIO, "Input/output error")
        with (
            mock.patch("omnixan.edge_network.persistent_memory.files.os.fdatasync", side_effect=broken),
            mock.patch("omnixan.edge_network.persistent_memory.files.os.pwritev", side_effect=broken),
        ):
            assert not await storage.put("b", b"2")
        assert not storage.ready and not said(storage).ready and "Input/output error" in said(storage).message
        back = asyncio.Event()

        async def on_open() -> None:
            back.set()

        running = asyncio.create_task(storage.run(on_open))
        await asyncio.wait_for(back.wait(), 20)
        assert await storage.get("a") == (b"1", {}) and await storage.put("b", b"2") and said(storage).ready
        running.cancel()


async def test_a_memory_keeps_the_size_that_it_was_made_with_and_says_so(tmp_path: Path):
    async with opened(tmp_path) as storage:
        await storage.put("a", b"1")
    async with opened(tmp_path, size=2 * SIZE) as storage:
        report = said(storage)
        assert report.ready and report.size == SIZE and f"{2 * SIZE} are asked for" in report.message
        assert await storage.get("a") == (b"1", {})
