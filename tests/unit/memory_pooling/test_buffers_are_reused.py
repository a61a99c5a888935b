"""Buffers of a pool: whose bytes they hold, how long they are valid, what a request gets."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling import kernel
from omnixan.edge_network.memory_pooling.errors import (
    BadRequest,
    DoubleRelease,
    KernelLacks,
    PoolClosed,
    PoolError,
    PoolExhausted,
    TooScattered,
    UseAfterRelease,
)
from tests.unit.descriptors import open_descriptors
from tests.unit.memory_pooling.limits import NO_LIMITS

PAGE = 4096


@pytest.fixture
def pool() -> MemoryPooling:
    return MemoryPooling("1MB", "128KB", limits=NO_LIMITS)


def test_as_the_specification_writes_it() -> None:
    pool = MemoryPooling(pool_size="4GB", block_size="64MB", reuse_strategy="LRU", quantum_circuits=True)
    stats = pool.stats()
    assert stats.pool_bytes == stats.free_bytes == 4 << 30
    assert (stats.used_bytes, stats.resident_bytes, stats.external, stats.internal, stats.overhead) == (0, 0, 0.0, 0.0, 0.0)
    assert pool.circuits is not None
    assert MemoryPooling("1MB", "64KB", quantum_circuits=False).circuits is None


def test_the_same_tenant_gets_the_same_memory_again(pool: MemoryPooling) -> None:
    first = pool.acquire(10_000, tenant="a")
    first.array()[:] = 7
    address = first.address
    pool.release(first)
    again = pool.acquire(9_000, tenant="a")
    assert again.address == address
    assert (again.array() == 7).all()
    assert pool.stats().hits == 1


def test_zeros_on_request(pool: MemoryPooling) -> None:
    first = pool.acquire(10_000)
    first.array()[:] = 7
    first.release()
    assert not pool.acquire(10_000, zero=True).array().any()


def test_memory_is_there_when_it_is_touched_or_at_once_on_request(pool: MemoryPooling) -> None:
    pool.acquire("256KB", tenant="a").array()[:10] = 1
    assert pool.stats().resident_bytes == PAGE
    assert not pool.acquire("256KB", tenant="b", fill=True).array().any()
    assert pool.stats().resident_bytes == (256 << 10) + PAGE


@pytest.mark.parametrize("pieces", [1, 8])
def test_another_tenant_finds_zeros(pool: MemoryPooling, pieces: int) -> None:
    mine = [pool.acquire((1 << 20) // pieces, tenant="a") for _ in range(pieces)]
    for buffer in mine:
        buffer.array()[:] = 7
        buffer.release()
    theirs = pool.acquire(1 << 20, tenant="b")
    assert not theirs.array().any()


def test_bytes_that_come_back_to_a_tenant_after_another_had_them_are_zeros(pool: MemoryPooling) -> None:
    for tenant, value in (("a", 1), ("b", 2), ("a", 3)):
        buffer = pool.acquire(1 << 20, tenant=tenant)
        assert not buffer.array().any()
        buffer.array()[:] = value
        buffer.release()


def test_a_range_over_scattered_blocks_is_one_array(pool: MemoryPooling) -> None:
    buffers = [pool.acquire("64KB") for _ in range(16)]
    for number, buffer in enumerate(buffers):
        buffer.array()[:] = number
    for buffer in buffers[::2]:
        buffer.release()
    large = pool.acquire("512KB")
    values = large.array(np.uint32, 128 << 10)
    values[:] = np.arange(128 << 10)
    assert pool.stats().stitched == 1
    assert (values == np.arange(128 << 10)).all()
    for number, buffer in enumerate(buffers):
        if number % 2:
            assert (buffer.array() == number).all(), "somebody else's bytes were written"


def test_a_stitched_range_is_kept_for_the_next_request(pool: MemoryPooling) -> None:
    for _ in range(3):
        pool.acquire("1MB").release()
        small = [pool.acquire("64KB") for _ in range(16)]
        for buffer in small:
            buffer.release()
    assert pool.stats().stitched == 1


def test_views_are_no_copies_and_have_the_asked_shape(pool: MemoryPooling) -> None:
    buffer = pool.acquire(16 * 2**10 + 3)
    state = buffer.array(np.complex128)
    assert state.shape == (2**10,)
    state[-1] = 1j
    assert buffer.array("c16", (2, 2**9))[1, -1] == 1j
    assert buffer.view[16 * 2**10 - 8 : 16 * 2**10] == np.float64(1).tobytes()
    assert len(buffer.view) == len(buffer) == buffer.nbytes == 16 * 2**10 + 3
    assert state.ctypes.data == buffer.address
    assert buffer.address % PAGE == 0


@pytest.mark.parametrize(("dtype", "shape"), [("c16", 2**10 + 1), ("u1", (1, 20_000)), ("u1", (-1, 4)), (object, 1)])
def test_a_view_that_does_not_fit_is_refused(pool: MemoryPooling, dtype: object, shape: object) -> None:
    with pytest.raises(BadRequest):
        pool.acquire(16 * 2**10).array(dtype, shape)  # type: ignore[arg-type]


def test_a_release_twice_is_caught(pool: MemoryPooling) -> None:
    buffer = pool.acquire(5000)
    pool.release(buffer)
    with pytest.raises(DoubleRelease, match=r"5000 bytes \(generation 1\) was released before"):
        pool.release(buffer)
    other = pool.acquire(5000)
    with pytest.raises(DoubleRelease):  # also when somebody else has the memory now
        buffer.release()
    other.array()[:] = 1


def test_a_use_after_release_is_caught(pool: MemoryPooling) -> None:
    buffer = pool.acquire(5000)
    buffer.release()
    pool.acquire(5000)
    assert buffer.released
    for use in (buffer.array, lambda: buffer.view, lambda: buffer.address):
        with pytest.raises(UseAfterRelease, match="generation 1"):
            use()


def test_memory_is_given_to_nobody_while_a_view_of_it_lives(pool: MemoryPooling) -> None:
    buffer = pool.acquire("1MB", tenant="a")
    part = buffer.array(np.int32)[1000:1010]
    part[:] = 5
    buffer.release()
    assert pool.stats().used_bytes == 1 << 20
    with pytest.raises(PoolExhausted):
        pool.acquire(1, tenant="b")
    assert (part == 5).all()
    part[:] = 6
    del part
    assert pool.stats().used_bytes == 0
    assert not pool.acquire("1MB", tenant="b").array().any()


def test_a_memoryview_holds_the_memory_too(pool: MemoryPooling) -> None:
    buffer = pool.acquire("1MB")
    view = buffer.view[5:6]
    buffer.release()
    with pytest.raises(PoolExhausted):
        pool.acquire(1)
    view.release()
    pool.acquire("1MB")


def test_a_buffer_that_was_forgotten_is_released(pool: MemoryPooling) -> None:
    for _ in range(100):
        pool.acquire("1MB")
    array = pool.acquire("1MB").array()
    with pytest.raises(PoolExhausted):
        pool.acquire("1MB")
    del array
    assert pool.stats().leases == 0


def test_a_lease_ends_with_its_block(pool: MemoryPooling) -> None:
    with pytest.raises(ZeroDivisionError), pool.lease("1MB") as buffer:
        assert not buffer.released
        raise ZeroDivisionError
    assert buffer.released
    with pool.lease(1) as early:
        early.release()
    assert pool.stats().leases == 0


def test_more_than_is_free_is_refused_with_what_is(pool: MemoryPooling) -> None:
    pool.acquire("1MB").release()
    kept = pool.acquire("256KB")
    with pytest.raises(PoolExhausted, match="790528 bytes were asked for, 786432 of 1048576 are free") as refused:
        pool.acquire((768 << 10) + 1)
    assert isinstance(refused.value, MemoryError)
    assert pool.acquire("768KB").nbytes == 768 << 10
    kept.release()


def test_the_least_recently_used_goes_first() -> None:
    pool = MemoryPooling("512KB", "128KB", limits=NO_LIMITS)
    buffers = [pool.acquire("128KB", tenant=name) for name in "abcd"]
    for number in (2, 0, 3, 1):
        buffers[number].array()[:] = number + 1
        buffers[number].release()
    pool.acquire("64KB", tenant="x")  # takes the place of what c left
    for name, value in (("a", 1), ("d", 4), ("b", 2)):
        assert (pool.acquire("128KB", tenant=name).array() == value).all()


@pytest.mark.parametrize("size", [0, -1, "0MB", "lots", 1.5, None, True])
def test_a_size_that_cannot_be_is_refused(pool: MemoryPooling, size: object) -> None:
    with pytest.raises(BadRequest, match="size"):
        pool.acquire(size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"pool_size": "100MB"}, "pool_size='100MB'.*use 134217728"),
        ({"pool_size": "1MB"}, "pool_size='1MB'"),
        ({"pool_size": "4 GBs"}, "pool_size='4 GBs'"),
        ({"block_size": "48MB"}, "block_size='48MB'.*power of two"),
        ({"block_size": "4KB"}, "block_size='4KB'"),
        ({"reuse_strategy": "MRU"}, "reuse_strategy='MRU'.*LRU"),
        ({"trim_threshold": -5}, "trim_threshold=-5"),
    ],
)
def test_arguments_that_cannot_be_are_named(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        MemoryPooling(**arguments)  # type: ignore[arg-type]


def test_another_pools_buffer_is_refused(pool: MemoryPooling) -> None:
    buffer = MemoryPooling("1MB", "64KB").acquire(1)
    with pytest.raises(BadRequest, match="another pool"):
        pool.release(buffer)


def test_a_closed_pool_takes_no_requests_and_its_views_stay() -> None:
    with MemoryPooling("1MB", "64KB") as pool:
        buffer = pool.acquire(5000)
        array = buffer.array()
        array[:] = 3
        scattered = pool.acquire("512KB").array()
        scattered[:] = 4
    pool.close()
    buffer.release()
    with pytest.raises(PoolClosed, match="closed"):
        pool.acquire(5000)
    assert (array == 3).all()
    assert (scattered == 4).all()


def test_closing_gives_descriptors_and_mappings_back() -> None:
    def mapped() -> set[str]:
        return {line for line in Path("/proc/self/maps").read_text().splitlines() if "omnixan" in line}

    before = open_descriptors(), mapped()
    pool = MemoryPooling("1MB", "64KB")
    pool.acquire("1MB").array()[:] = 1
    assert open_descriptors() - before[0] and mapped() - before[1]
    pool.close()
    del pool
    assert open_descriptors() <= before[0] and mapped() <= before[1]


def test_a_forked_child_cannot_take_its_parents_memory(pool: MemoryPooling) -> None:
    pool.acquire(5000).release()
    pid = os.fork()
    if pid == 0:
        try:
            pool.acquire(5000)
        except PoolClosed as error:
            os._exit(42 if "forked" in str(error) else 1)
        except BaseException:
            os._exit(2)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
    pool.acquire(5000)


def test_threads_get_memory_of_their_own() -> None:
    pool = MemoryPooling("4MB", "256KB")
    wrong: list[str] = []

    def work(number: int) -> None:
        random = np.random.default_rng(number)
        for turn in range(300):
            size = int(random.integers(1, 300_000))
            try:
                with pool.lease(size, tenant=f"t{number % 3}") as buffer:
                    array = buffer.array()
                    array[:] = number * 16 + turn % 16
                    if not (array == number * 16 + turn % 16).all():
                        wrong.append(f"{number} {turn}")
                    del array
            except PoolError as error:
                wrong.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pool.stats().used_bytes == 0


def test_arrow_buffers_are_no_copies_and_hold_the_memory(pool: MemoryPooling, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def foreign_buffer(address: int, size: int, base: object) -> object:
        seen.update(address=address, size=size, base=base)
        return seen

    if "pyarrow" not in sys.modules:
        monkeypatch.setitem(sys.modules, "pyarrow", types.SimpleNamespace(foreign_buffer=foreign_buffer))  # type: ignore[arg-type]
    buffer = pool.acquire("1MB")
    buffer.arrow()
    assert seen["address"] == buffer.address
    assert seen["size"] == 1 << 20
    buffer.release()
    with pytest.raises(PoolExhausted):  # Arrow refers to its base as long as the buffer lives
        pool.acquire(1)
    seen.clear()
    pool.acquire("1MB")
    with pytest.raises(UseAfterRelease):
        buffer.arrow()


def test_a_kernel_without_memfd_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "memfd_create", missing)
    with pytest.raises(KernelLacks, match=r"memfd_create was refused: .*not implemented.*Linux 5\.1"):
        MemoryPooling("1MB", "64KB")


def test_a_range_of_too_many_pieces_is_refused_and_takes_nothing(
    pool: MemoryPooling, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers = [pool.acquire("64KB", tenant="a") for _ in range(16)]
    for buffer in buffers[::2]:
        buffer.release()
    real = kernel._mmap

    def at_most_three(address: int, length: int, rights: int, flags: int, fd: int, offset: int) -> int:
        nonlocal left
        left -= fd >= 0
        if left < 0 <= fd:
            ctypes.set_errno(errno.ENOMEM)
            return kernel._FAILED or 0
        return real(address, length, rights, flags, fd, offset)

    left = 3
    monkeypatch.setattr(kernel, "_mmap", at_most_three)
    with pytest.raises(TooScattered, match=r"pieces, more than this process may map; .*vm\.max_map_count"):
        pool.acquire("512KB", tenant="b")
    assert pool.stats().free_bytes == 512 << 10
    left = 1000
    pool.acquire("512KB", tenant="b")
