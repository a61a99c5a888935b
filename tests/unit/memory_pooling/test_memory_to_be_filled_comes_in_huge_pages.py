"""Memory that is about to be filled: in huge pages where the kernel has them, and no worse off where it has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling import kernel
from omnixan.edge_network.memory_pooling.blocks import DO_WITHOUT
from omnixan.edge_network.memory_pooling.buffer import Buffer
from omnixan.edge_network.memory_pooling.errors import KernelLacks
from omnixan.edge_network.memory_pooling.kernel import HUGE, Backed
from tests.unit.memory_pooling.limits import NO_LIMITS

MIB = 1 << 20


def in_huge_pages(address: int) -> int:
    """Bytes of the mapping at `address` that this process has in huge pages, by the kernel's word."""
    found = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if "-" in first and not first.endswith(":"):
            begin, end = (int(part, 16) for part in first.split("-"))
            found = begin <= address < end
        elif found and first == "ShmemPmdMapped:":
            return int(rest.split()[0]) * 1024
    return 0


def addresses() -> int:
    """Bytes of addresses that this process has mapped."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * 4096


@pytest.fixture
def pool() -> MemoryPooling:
    return MemoryPooling("64MB", "16MB", trim_threshold="8MB", limits=NO_LIMITS)


def needs_huge_pages(length: int) -> None:
    """Skip where the kernel has not so many, as the one of a container's host may have none at all."""
    memfd = kernel.Memfd("probe", length)
    mapping = kernel.map_whole(memfd)
    if kernel.back_with_huge_pages(mapping.address, length) is not Backed.ALL:
        pytest.skip(f"this kernel has no huge pages for files in memory, or no {length // HUGE} are free")


def while_there_are_enough(
    length: int, monkeypatch: pytest.MonkeyPatch, acquire: Callable[[MemoryPooling], list[Buffer]]
) -> tuple[MemoryPooling, list[Buffer]]:
    """A new pool and what `acquire` takes of it, which has `length` bytes of huge pages if it asks for them rightly.

    Others may take what the look before found: then both are done again, in case they were only too few at this moment.
    """
    real, answers = kernel.back_with_huge_pages, list[Backed]()

    def recorded(address: int, asked: int) -> Backed:
        answers.append(real(address, asked))
        return answers[-1]

    for _ in range(10):
        needs_huge_pages(length)
        answers.clear()
        pool = MemoryPooling("64MB", "16MB", trim_threshold="8MB", limits=NO_LIMITS)
        with monkeypatch.context() as here:
            here.setattr(kernel, "back_with_huge_pages", recorded)
            buffers = acquire(pool)
        if Backed.PART not in answers:
            break
    return pool, buffers


def test_a_buffer_to_be_filled_is_in_huge_pages_and_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, (buffer,) = while_there_are_enough(8 * MIB, monkeypatch, lambda pool: [pool.acquire("8MB", fill=True)])
    assert buffer.address % HUGE == 0
    assert in_huge_pages(buffer.address) == 8 * MIB == pool.stats().resident_bytes
    assert not buffer.array().any()


def test_small_buffers_share_a_huge_page_and_the_rest_of_it_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(pool: MemoryPooling) -> list[Buffer]:
        return [pool.acquire("64KB", fill=True, tenant=f"t{number}") for number in range(32)]

    pool, buffers = while_there_are_enough(HUGE, monkeypatch, small)
    assert in_huge_pages(buffers[0].address) == 2 * MIB == pool.stats().resident_bytes
    for number, buffer in enumerate(buffers):
        assert not buffer.array().any()
        buffer.array()[:] = number + 1
    assert [int(buffer.array()[0]) for buffer in buffers] == list(range(1, 33))


def test_what_is_left_of_a_huge_page_goes_back_when_it_is_asked_for(pool: MemoryPooling) -> None:
    buffer = pool.acquire("64KB", fill=True)
    pool.trim(0)
    assert pool.stats().idle_bytes == 0
    assert pool.stats().resident_bytes == 64 << 10
    assert not buffer.array().any()


@pytest.mark.parametrize("answer", [Backed.PART, Backed.NEVER])
def test_where_there_are_none_it_is_there_all_the_same(
    pool: MemoryPooling, monkeypatch: pytest.MonkeyPatch, answer: Backed
) -> None:
    asked = []

    def none(address: int, length: int) -> Backed:
        asked.append(length)
        kernel.zero(address, 1)  # as the kernel leaves it
        return answer

    monkeypatch.setattr(kernel, "back_with_huge_pages", none)
    for size in ("64KB", "3MB", "16MB"):
        with pool.lease(size, fill=True) as buffer:
            assert pool.stats().resident_bytes - pool.stats().idle_bytes == buffer.nbytes
    assert len(asked) == 1  # looking for what is not there costs
    buffers = [pool.acquire("512KB", fill=True) for _ in range(DO_WITHOUT + 16 + 1)]  # the first 16 out of idle memory
    assert pool.stats().used_bytes == len(buffers) * MIB // 2
    assert len(asked) == (1 if answer is Backed.NEVER else 2)


@pytest.mark.parametrize("threshold", ["0", "1MB", "6MB"])
def test_what_is_left_of_huge_pages_counts_as_idle_and_is_bounded(threshold: str) -> None:
    pool = MemoryPooling("128MB", "16MB", trim_threshold=threshold)
    bound = int(threshold.removesuffix("MB")) << 20
    buffers = []
    for size in [4096, 65536, MIB + 4096, 3 * MIB + 5, 2 * MIB, 700_000] * 6:
        buffers.append(pool.acquire(size, fill=True))
        stats = pool.stats()
        assert stats.idle_bytes <= bound
        assert stats.resident_bytes == stats.used_bytes + stats.idle_bytes


def test_large_buffers_leave_nothing_of_a_huge_page_over() -> None:
    pool = MemoryPooling("128MB", "16MB")
    buffers = [pool.acquire(size, fill=True) for size in [MIB + 4096, 3 * MIB + 5, 2 * MIB, 5 * MIB] * 4]
    assert pool.stats().idle_bytes == 0
    assert pool.stats().resident_bytes == sum(-(-buffer.nbytes // 4096) * 4096 for buffer in buffers)


def test_a_request_that_fails_on_the_way_takes_nothing(pool: MemoryPooling, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, length: int) -> object:
        raise KernelLacks("memfd_create was refused: too many open files", "raise `ulimit -n`")

    with monkeypatch.context() as here:
        here.setattr("omnixan.edge_network.memory_pooling.blocks.Memfd", refused)
        for size in ("64KB", "16MB"):
            with pytest.raises(KernelLacks, match="too many open files"):
                pool.acquire(size, fill=True)
    assert pool.stats().free_bytes == 64 * MIB
    assert not pool.acquire("64MB", fill=True).array()[:: 1 << 20].any()


def test_ranges_of_addresses_are_aligned_and_leave_nothing_behind() -> None:
    before = addresses()
    pools = [MemoryPooling("8MB", "4MB") for _ in range(8)]
    for one in pools:
        assert one.acquire("4MB").address % HUGE == 0
        one.close()
    assert addresses() < before + 2 * HUGE
