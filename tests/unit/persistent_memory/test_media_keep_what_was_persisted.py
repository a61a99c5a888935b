"""Every medium shows what was written at once, and has what was persisted when it is opened again."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnixan.edge_network.persistent_memory import (
    Medium,
    MediumClosed,
    MediumError,
    MediumReadOnly,
    MediumUnsuitable,
    OutOfRange,
    Store,
    Tier,
    libpmem,
    prove,
)
from omnixan.edge_network.persistent_memory.dax import DaxMedium, _pages
from omnixan.edge_network.persistent_memory.files import PENDING, TRANSFER, DirectMedium, FileMedium
from omnixan.edge_network.persistent_memory.medium import LINE, PAGE
from tests.unit.descriptors import open_descriptors

SIZE = 16 * PAGE


def library() -> libpmem.Library | None:
    try:
        return libpmem.load()
    except libpmem.LibraryMissing:
        return None


def opened(kind: str, path: Path, size: int = SIZE, *, readonly: bool = False) -> Medium:
    """A medium of this kind on an ordinary file: the DAX ones are emulations here."""
    if not path.exists():
        path.write_bytes(bytes(size))
    flags = (os.O_RDONLY if readonly else os.O_RDWR) | (os.O_DIRECT if kind == "direct" else 0)
    try:
        fd = os.open(path, flags)
    except OSError as error:
        if kind == "direct" and error.errno == errno.EINVAL:
            pytest.skip("this file system knows no O_DIRECT")
        raise
    if kind == "file":
        return FileMedium(fd, str(path), size, readonly=readonly)
    if kind == "direct":
        return DirectMedium(fd, str(path), size, readonly=readonly)
    found = library() if kind == "dax-libpmem" else None
    if kind == "dax-libpmem" and found is None:
        os.close(fd)
        pytest.skip("libpmem2 is not installed")
    return DaxMedium(fd, str(path), size, Tier.EMULATION, found, readonly=readonly)


KINDS = ["file", "direct", "dax-msync", "dax-libpmem"]
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on this machine's disk, and one in memory (tmpfs, where older kernels refuse O_DIRECT)."""
    if request.param == "disk":
        yield tmp_path
        return
    if not Path("/dev/shm").is_dir():
        pytest.skip("no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


@kinds
def test_what_was_persisted_is_in_the_file_and_there_after_opening_again(kind: str, folder: Path) -> None:
    path = folder / "m"
    medium = opened(kind, path)
    medium.write(100, b"first")
    medium.write(3 * PAGE - 2, b"across")
    medium.persist((100, 5), (3 * PAGE - 2, 6))
    with path.open("rb") as file:  # through another descriptor
        assert file.read()[100:105] == b"first"
    medium.close()
    again = opened(kind, path, readonly=True)
    assert bytes(again.read(100, 5)) == b"first" and bytes(again.read(3 * PAGE - 2, 6)) == b"across"
    again.close()


@pytest.mark.parametrize("reader", KINDS)
@kinds
def test_a_store_of_one_tier_opens_on_every_other(kind: str, reader: str, tmp_path: Path) -> None:
    state, changed = bytearray(os.urandom(3 << 20)), [(5, 100), (1 << 20, 70_000)]
    with Store.open(opened(kind, tmp_path / "m", 16 << 20)) as store:
        store.put("small", b"s", meta={"by": kind})
        store.put("state", state)
        for offset, length in changed:
            state[offset : offset + length] = bytes(length)
        store.snapshot("state", state, changed)
    with Store.open(opened(reader, tmp_path / "m", 16 << 20)) as store:
        small, large = store.get("small"), store.get("state")
        assert small is not None and (small.value, small.meta) == (b"s", {"by": kind})
        assert large is not None and large.value == state
        for number in range(6):  # through a compaction too
            state[0] = number
            store.put("state", state)
    with Store.open(opened(kind, tmp_path / "m", 16 << 20, readonly=True), readonly=True) as store:
        large = store.get("state")
        assert large is not None and large.value == state and not store.verify().damaged


@kinds
def test_what_was_written_is_visible_before_it_is_persisted(kind: str, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    medium.write(PAGE - 4, b"spanning pages")
    assert bytes(medium.read(PAGE - 6, 18)) == b"\0\0spanning pages\0\0"
    medium.close()


@kinds
@pytest.mark.parametrize("data", [b"bytes", bytearray(b"array"), memoryview(b"12345"), memoryview(b"read only")[:4]])
def test_any_buffer_is_taken_as_bytes(kind: str, data: bytes, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    medium.write(8, data)
    medium.persist((8, len(data)))
    assert medium.read(8, len(data)) == data
    medium.close()


@kinds
def test_buffers_of_larger_items_are_taken_as_bytes(kind: str, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    numbers = array("d", [1.5, -2.25])
    medium.write(16, numbers)
    medium.persist((16, 16))
    assert medium.read(16, 16) == numbers.tobytes()
    medium.close()


@kinds
def test_reading_gives_no_way_to_write(kind: str, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    medium.write(0, b"x")
    assert medium.read(0, 1).readonly  # while it waits
    medium.persist((0, 1))
    assert medium.read(0, 1).readonly
    medium.close()


@kinds
def test_a_view_outlives_its_medium(kind: str, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    medium.write(0, b"kept")
    medium.persist((0, 4))
    view = medium.read(0, 4)
    medium.close()
    medium.close()  # a second time does nothing
    assert bytes(view) == b"kept"


@kinds
def test_after_closing_every_call_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    medium.close()
    for call in (lambda: medium.read(0, 1), lambda: medium.write(0, b"x"), lambda: medium.persist((0, 1))):
        with pytest.raises(MediumClosed, match="is closed"):
            call()


@kinds
@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, SIZE + 1), (SIZE, 1), (SIZE + 1, 0), (0, -1)])
def test_ranges_outside_are_refused_with_their_numbers(kind: str, offset: int, length: int, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    with pytest.raises(OutOfRange, match=rf"offset={offset} length={length} is outside 0..{SIZE}"):
        medium.read(offset, length)
    with pytest.raises(OutOfRange):
        medium.persist((offset, length))
    if length >= 0:
        with pytest.raises(OutOfRange):
            medium.write(offset, bytes(length))
    medium.close()


@kinds
def test_opened_for_reading_it_refuses_writes(kind: str, tmp_path: Path) -> None:
    opened(kind, tmp_path / "m").close()
    medium = opened(kind, tmp_path / "m", readonly=True)
    with pytest.raises(MediumReadOnly, match="opened for reading only"):
        medium.write(0, b"x")
    medium.close()


@kinds
def test_the_granularity_is_a_line_on_dax_and_a_page_on_files(kind: str, tmp_path: Path) -> None:
    medium = opened(kind, tmp_path / "m")
    assert isinstance(medium, Medium)
    assert medium.granularity == (LINE if kind == "dax-libpmem" else PAGE)
    assert medium.tier is {"file": Tier.T3, "direct": Tier.T2}.get(kind, Tier.EMULATION)
    medium.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SIZE - 1), st.integers(0, 3 * PAGE), st.integers(1, 255)),
        st.tuples(st.just("persist"), st.integers(0, SIZE - 1), st.integers(0, 3 * PAGE), st.just(0)),
    ),
    max_size=12,
)


@kinds
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_story_of_writes_and_persists_ends_as_a_plain_buffer_would(
    kind: str, steps: list[tuple[str, int, int, int]], tmp_path: Path
) -> None:
    path = tmp_path / "story"
    path.unlink(missing_ok=True)
    medium = opened(kind, path)
    model, durable = bytearray(SIZE), bytearray(SIZE)
    unsure = bytearray(SIZE)  # 1 where a write after the last persist may or may not be durable
    for what, offset, length, value in steps:
        length = min(length, SIZE - offset)
        if what == "write":
            medium.write(offset, bytes([value]) * length)
            model[offset : offset + length] = bytes([value]) * length
            unsure[offset : offset + length] = b"\1" * length
        else:
            medium.persist((offset, length))
            durable[offset : offset + length] = model[offset : offset + length]
            unsure[offset : offset + length] = bytes(length)
        assert medium.read(0, SIZE) == model
    medium.close()
    after = path.read_bytes()
    assert all(unsure[i] or after[i] == durable[i] for i in range(SIZE))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The real calls, written down."""
    calls: list[str] = []
    sync, send = os.fdatasync, os.pwritev

    def fdatasync(fd: int) -> None:
        calls.append("fdatasync")
        sync(fd)

    def pwritev(fd: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
        calls.append(f"{'confirmed ' if flags & os.RWF_DSYNC else ''}write {offset}+{sum(map(len, buffers))}")
        return send(fd, buffers, offset, flags)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(os, "pwritev", pwritev)
    return calls


def test_a_file_is_flushed_once_for_all_ranges_and_not_at_all_when_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    medium = opened("file", tmp_path / "m")
    calls = counted(monkeypatch)
    medium.write(0, b"a")
    medium.write(5000, b"b")
    medium.persist((0, 1), (5000, 1))
    assert calls == ["write 0+1", "write 5000+1", "fdatasync"]
    medium.persist((0, 1))
    assert calls.count("fdatasync") == 1
    medium.close()


def test_direct_pages_side_by_side_go_in_one_confirmed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medium = opened("direct", tmp_path / "m")
    calls = counted(monkeypatch)
    medium.write(PAGE + 10, b"x" * PAGE)
    assert calls == []
    medium.persist((PAGE + 10, PAGE))
    assert calls == [f"confirmed write {PAGE}+{2 * PAGE}"]
    medium.close()


def test_direct_pages_apart_are_followed_by_one_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medium = opened("direct", tmp_path / "m")
    calls = counted(monkeypatch)
    medium.write(0, b"a")
    medium.write(4 * PAGE, b"b")
    medium.write(8 * PAGE, b"not asked for")
    medium.persist((0, 1), (4 * PAGE, 1))
    assert calls == [f"write 0+{PAGE}", f"write {4 * PAGE}+{PAGE}", "fdatasync"]
    medium.close()
    assert (tmp_path / "m").read_bytes()[8 * PAGE :][:13] == bytes(13)  # a page that waits is dropped, not sent


def test_large_direct_writes_do_not_wait_in_memory_and_persist_flushes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (PENDING + 600) * PAGE
    medium = opened("direct", tmp_path / "m", size)
    data = os.urandom(TRANSFER + PAGE)
    medium.write(PAGE, b"overwritten below")
    calls = counted(monkeypatch)
    medium.write(100, b"edge")
    medium.write(PAGE, data)
    assert calls == [f"write {PAGE}+{TRANSFER}", f"write {PAGE + TRANSFER}+{PAGE}"]
    assert medium.read(PAGE, len(data)) == data
    medium.persist((0, size))
    assert calls[2:] == [f"write 0+{PAGE}", "fdatasync"]
    medium.close()
    assert (tmp_path / "m").read_bytes()[100 : PAGE + len(data)] == b"edge" + bytes(PAGE - 104) + data


def test_many_small_direct_writes_are_sent_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = PENDING + 1
    medium = opened("direct", tmp_path / "m", pages * PAGE)
    calls = counted(monkeypatch)
    for page in range(pages):
        medium.write(page * PAGE + 7, page.to_bytes(4, "big"))
    assert calls and "fdatasync" not in calls
    medium.persist((0, pages * PAGE))
    assert calls[-1] == "fdatasync"
    medium.close()
    content = (tmp_path / "m").read_bytes()
    assert all(int.from_bytes(content[p * PAGE + 7 : p * PAGE + 11], "big") == p for p in range(pages))


@pytest.mark.parametrize(("kind", "call"), [("file", "fdatasync"), ("direct", "fdatasync"), ("direct", "pwritev")])
def test_after_a_failed_flush_nothing_more_is_called_durable(
    kind: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reports a lost page once: the next fdatasync would say "done"."""
    medium = opened(kind, tmp_path / "m")
    ranges = [(0, 1)] if call == "pwritev" else [(0, 1), (5 * PAGE, 1)]
    for offset, _ in ranges:
        medium.write(offset, b"x")

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(MediumError, match="Input/output error") as caught:
            medium.persist(*ranges)
    assert caught.value.errno == errno.EIO and caught.value.path == str(tmp_path / "m")
    with pytest.raises(MediumError, match="Input/output error"):
        medium.persist(*ranges)
    with pytest.raises(MediumError, match="Input/output error"):
        medium.write(0, b"y")
    medium.close()


class Recorder:
    """A library that puts the bytes where they belong and writes down what was asked of it."""

    name = "recorder"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.target = 0

    def granularity(self, fd: int) -> libpmem.Granularity:
        raise libpmem.LibraryFailed("does not know")

    def attach(self, fd: int, address: int, size: int, granularity: libpmem.Granularity) -> Recorder:
        self.target = address
        self.calls.append(f"attach {size} {granularity.name}")
        return self

    def copy(self, offset: int, data: bytes) -> None:
        ctypes.memmove(self.target + offset, data, len(data))
        self.calls.append(f"copy {offset}+{len(data)}")

    def drain(self) -> None:
        self.calls.append("drain")

    def close(self) -> None:
        self.calls.append("forget")


def test_on_dax_every_write_is_flushed_by_the_library_and_a_persist_is_one_fence(tmp_path: Path) -> None:
    path, library = tmp_path / "m", Recorder()
    path.write_bytes(bytes(SIZE))
    medium = DaxMedium(os.open(path, os.O_RDWR), str(path), SIZE, Tier.EMULATION, library)
    assert medium.granularity == LINE and medium.flushed_by == "recorder"
    medium.write(0, b"header")
    medium.write(PAGE, b"body")
    medium.persist((0, 6), (PAGE, 4))
    medium.write(8, b"commit")
    medium.persist((8, 6))
    medium.close()
    asked = ["attach 65536 CACHE_LINE", "copy 0+6", "copy 4096+4", "drain", "copy 8+6", "drain", "forget"]
    assert library.calls == asked
    assert path.read_bytes()[:14] == b"header\0\0commit"


@given(
    ranges=st.lists(st.tuples(st.integers(0, 20 * PAGE), st.integers(0, 5 * PAGE)), max_size=6).map(tuple),
)
def test_msync_gets_whole_pages_that_cover_every_range_once(ranges: tuple[tuple[int, int], ...]) -> None:
    merged = _pages(ranges)
    covered = {page for start, end in merged for page in range(start // PAGE, end // PAGE)}
    assert covered == {page for o, n in ranges if n for page in range(o // PAGE, (o + n - 1) // PAGE + 1)}
    assert all(start % PAGE == end % PAGE == 0 and start < end for start, end in merged)
    assert all(one[1] < two[0] for one, two in itertools.pairwise(merged))


def test_msync_is_asked_for_the_pages_of_every_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medium = opened("dax-msync", tmp_path / "m")
    assert isinstance(medium, DaxMedium) and medium._map is not None
    flush, asked = medium._map.flush, []

    class Recording:
        def flush(self, start: int, length: int) -> None:
            asked.append((start, length))
            flush(start, length)

    with monkeypatch.context() as patch:
        patch.setattr(medium, "_map", Recording())
        medium.persist((SIZE - 1, 1), (PAGE + 5, 2 * PAGE), (PAGE, 0))
    assert asked == [(PAGE, 3 * PAGE), (SIZE - PAGE, PAGE)]
    medium.close()


def test_a_failed_msync_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medium = opened("dax-msync", tmp_path / "m")
    assert isinstance(medium, DaxMedium)
    medium.write(0, b"x")
    real = medium._map

    class Failing:
        def flush(self, *_: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(medium, "_map", Failing())
        with pytest.raises(MediumError, match="msync failed: Input/output error"):
            medium.persist((0, 1))
    assert medium._map is real
    with pytest.raises(MediumError, match="Input/output error"):
        medium.persist((0, 1))
    medium.close()


def test_map_sync_is_refused_on_an_ordinary_file_by_name(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(bytes(SIZE))
    if Tier.T1 in prove(path).tiers:
        pytest.skip("this folder is on DAX")
    before = open_descriptors()
    with pytest.raises(MediumUnsuitable, match="refused MAP_SYNC"):
        DaxMedium(os.open(path, os.O_RDWR), str(path), SIZE, Tier.T1, None)
    assert open_descriptors() <= before


def test_a_device_dax_without_libpmem_is_refused_because_msync_means_nothing_there() -> None:
    with pytest.raises(MediumUnsuitable, match="no msync"):
        DaxMedium(os.open("/dev/zero", os.O_RDWR), "/dev/zero", SIZE, Tier.T0, None)


def test_what_msync_persisted_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(bytes(SIZE))
    code = (
        "import os,signal,sys\n"
        "from omnixan.edge_network.persistent_memory import Tier\n"
        "from omnixan.edge_network.persistent_memory.dax import DaxMedium\n"
        f"m = DaxMedium(os.open(sys.argv[1], os.O_RDWR), sys.argv[1], {SIZE}, Tier.EMULATION, None)\n"
        "m.write(5000, b'survives'); m.persist((5000, 8)); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    assert path.read_bytes()[5000:5008] == b"survives"
