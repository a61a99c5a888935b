"""Opening: all or nothing, one opener at a time, and every refusal names the path and what to do."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omnixan.edge_network.persistent_memory import (
    Medium,
    MediumBusy,
    MediumFull,
    MediumMissing,
    MediumReadOnly,
    MediumUnsuitable,
    Mode,
    StoreLocked,
    Tier,
    TierTooLow,
    libpmem,
    open_medium,
    prove,
)
from omnixan.edge_network.persistent_memory.dax import DaxMedium
from omnixan.edge_network.persistent_memory.files import DirectMedium, FileMedium
from omnixan.edge_network.persistent_memory.medium import PAGE
from omnixan.edge_network.persistent_memory.proof import Proof
from tests.unit.descriptors import open_descriptors

SIZE = 64 * PAGE


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() <= before


def test_a_new_file_has_all_its_blocks_and_is_zero(tmp_path: Path) -> None:
    with_size = open_medium(tmp_path / "store", SIZE)
    assert with_size.size == SIZE and bytes(with_size.read(0, SIZE)) == bytes(SIZE)
    status = (tmp_path / "store").stat()
    assert status.st_size == SIZE and status.st_blocks * 512 >= SIZE
    assert status.st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "store"]
    with_size.close()


def test_what_was_persisted_is_there_for_the_next_opener_without_a_size(tmp_path: Path) -> None:
    medium = open_medium(tmp_path / "store", SIZE)
    medium.write(PAGE, b"kept")
    medium.persist((PAGE, 4))
    medium.close()
    again = open_medium(tmp_path / "store")
    assert again.size == SIZE and bytes(again.read(PAGE, 4)) == b"kept"
    again.close()


@pytest.mark.parametrize(
    ("tiers", "mode", "kind"),
    [
        ((Tier.T3,), "auto", FileMedium),
        ((Tier.T2, Tier.T3), "auto", DirectMedium),
        ((Tier.T2, Tier.T3), "file", DirectMedium),
        ((Tier.T1, Tier.T3), "file", FileMedium),
        ((Tier.EMULATION,), "auto", FileMedium),
    ],
)
def test_the_medium_is_the_one_of_the_proven_tier(
    tiers: tuple[Tier, ...], mode: str, kind: type[Medium], tmp_path: Path
) -> None:
    if Tier.T2 in tiers:
        try:
            os.close(os.open(tmp_path / "try", os.O_RDWR | os.O_CREAT | os.O_DIRECT))
        except OSError:
            pytest.skip("this file system knows no O_DIRECT")
    path = tmp_path / "store"
    medium = open_medium(path, SIZE, mode, proof=Proof(str(path), tiers, ()))
    assert type(medium) is kind and medium.tier in tiers and not medium.tier.is_dax
    medium.write(1, b"x")
    medium.persist((1, 1))
    assert path.read_bytes()[1:2] == b"x"
    medium.close()


def test_dax_where_there_is_none_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    if prove(tmp_path).best.is_dax:
        pytest.skip("this folder is on DAX")
    with pytest.raises(TierTooLow, match="mode=dax was asked for and the proof found") as caught:
        open_medium(tmp_path / "store", SIZE, Mode.DAX)
    assert caught.value.reason == "NoDAX" and "mode=auto" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_proof_that_no_longer_holds_ends_in_a_named_error(tmp_path: Path) -> None:
    """A namespace was turned into another mode in between: the kernel has the last word."""
    if prove(tmp_path).best.is_dax:
        pytest.skip("this folder is on DAX")
    path = tmp_path / "store"
    with pytest.raises(MediumUnsuitable, match="refused MAP_SYNC"):
        open_medium(path, SIZE, proof=Proof(str(path), (Tier.T1,), ()))


def test_a_second_opener_is_locked_out_until_the_first_closes(tmp_path: Path) -> None:
    path = tmp_path / "store"
    first = open_medium(path, SIZE)
    for readonly in (False, True):
        with pytest.raises(StoreLocked, match="holds this store") as caught:
            open_medium(path, readonly=readonly)
        assert caught.value.path == str(path)
    view = first.read(0, 10)
    first.close()
    open_medium(path).close()  # also while a view of the first one is kept
    assert bytes(view) == bytes(10)
    del view


@pytest.mark.parametrize("kind", [FileMedium, DaxMedium])
def test_a_kept_view_keeps_no_lock(kind: type[Medium], tmp_path: Path) -> None:
    path = tmp_path / "store"
    open_medium(path, SIZE).close()
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    if kind is DaxMedium:
        medium: Medium = DaxMedium(fd, str(path), SIZE, Tier.EMULATION, None)
    else:
        medium = FileMedium(fd, str(path), SIZE)
    view = medium.read(0, 1)
    medium.close()
    open_medium(path).close()
    assert bytes(view) == b"\0"
    del view


def test_a_new_file_and_its_name_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []

    def fsync(fd: int, real: Callable[[int], None] = os.fsync) -> None:
        real(fd)
        synced.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else f"file of {os.fstat(fd).st_size}")

    monkeypatch.setattr(os, "fsync", fsync)
    open_medium(tmp_path / "store", SIZE).close()
    assert synced == [f"file of {SIZE}", "folder"]


def test_every_byte_of_a_new_file_was_written_so_that_no_later_flush_waits_for_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def pwrite(fd: int, data: bytes, offset: int, real: Callable[[int, bytes, int], int] = os.pwrite) -> int:
        done = real(fd, data[:5000], offset)  # a kernel may take less than it was given
        written.append((offset, done))
        return done

    monkeypatch.setattr(os, "pwrite", pwrite)
    open_medium(tmp_path / "new", SIZE).close()
    (tmp_path / "empty").touch()
    open_medium(tmp_path / "empty", SIZE).close()
    places = [offset for offset, done in written for offset in range(offset, offset + done)]
    assert places == 2 * list(range(SIZE))


def test_readers_share_and_lock_out_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "store"
    open_medium(path, SIZE).close()
    one, two = open_medium(path, readonly=True), open_medium(path, readonly=True)
    with pytest.raises(StoreLocked):
        open_medium(path)
    one.close()
    two.close()
    open_medium(path).close()


HOLDER = """
import sys
from omnixan.edge_network.persistent_memory import open_medium
medium = open_medium(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "store"
    open_medium(path, SIZE).close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(StoreLocked):
            open_medium(path)
        holder.kill()
        holder.wait()
    open_medium(path).close()


LIMITED = """
import resource, sys
from omnixan.edge_network.persistent_memory import MediumFull, open_medium
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    open_medium(sys.argv[1], 1 << 20)
except MediumFull as error:
    print(error.reason, error)
"""


def test_a_file_size_limit_is_a_named_error_and_leaves_nothing(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("a limit is set here already")
    path = tmp_path / "store"
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"MediumFull {path}: preallocating 1048576 bytes")
    assert "ulimit -f" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_a_named_error_before_anything_is_written(small: Path) -> None:
    with pytest.raises(MediumFull, match=r"preallocating 1048576 bytes \(\d+ are free\) failed: No space left"):
        open_medium(small / "store", 1 << 20)
    assert list(small.iterdir()) == []
    fits = open_medium(small / "store", 64 << 10)
    fits.close()
    with pytest.raises(MediumFull):
        open_medium(small / "second", 224 << 10)
    assert (small / "store").stat().st_size == 64 << 10


def test_a_sparse_file_is_filled_or_refused_before_a_store_into_a_hole_can_kill(small: Path, tmp_path: Path) -> None:
    (small / "sparse").touch()
    os.truncate(small / "sparse", 1 << 20)
    with pytest.raises(MediumFull, match="preallocating 1048576 bytes"):
        open_medium(small / "sparse")
    path = tmp_path / "sparse"
    path.write_bytes(b"kept")
    os.truncate(path, SIZE)
    open_medium(path, readonly=True).close()
    assert path.stat().st_blocks * 512 < SIZE
    medium = open_medium(path)
    assert path.stat().st_blocks * 512 >= SIZE and bytes(medium.read(0, 5)) == b"kept\0"
    medium.close()


def test_a_read_only_file_system_is_named_and_can_be_read(small: Path) -> None:
    open_medium(small / "store", SIZE // 4).close()
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    with pytest.raises(MediumReadOnly, match="Read-only file system"):
        open_medium(small / "new", SIZE // 4)
    with pytest.raises(MediumReadOnly, match="Read-only file system"):
        open_medium(small / "store")
    medium = open_medium(small / "store", readonly=True)
    assert bytes(medium.read(0, 4)) == bytes(4)
    medium.close()


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(MediumReadOnly, match="Permission denied"):
            open_medium(tmp_path / "store", SIZE)
    finally:
        tmp_path.chmod(0o700)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediumMissing, match="no such folder"):
        open_medium(tmp_path / "no" / "store", SIZE)
    for call in ({}, {"readonly": True}, {"readonly": True, "size": SIZE}):
        with pytest.raises(MediumMissing, match="no such file"):
            open_medium(tmp_path / "store", **call)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_medium_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediumUnsuitable, match="is a folder"):
        open_medium(tmp_path, SIZE)
    (tmp_path / "cut").write_bytes(bytes(PAGE + 1))
    with pytest.raises(MediumUnsuitable, match="4097 bytes, no multiple of 4096: truncated"):
        open_medium(tmp_path / "cut")
    open_medium(tmp_path / "store", SIZE).close()
    with pytest.raises(MediumUnsuitable, match=f"has {SIZE} bytes and {2 * SIZE} were asked for"):
        open_medium(tmp_path / "store", 2 * SIZE)
    with pytest.raises(MediumUnsuitable, match="not a device-dax"):
        open_medium("/dev/null", SIZE)


@pytest.mark.parametrize("size", [0, -PAGE, 1, PAGE - 1, PAGE + 1])
def test_sizes_that_cannot_be_are_refused(size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"size={size}: a medium has a multiple of 4096"):
        open_medium(tmp_path / "store", size)


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fast"):
        open_medium(tmp_path / "store", SIZE, "fast")


def test_an_empty_file_is_filled_up(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(MediumMissing, match="nothing is there"):
        open_medium(tmp_path / "store")
    medium = open_medium(tmp_path / "store", SIZE)
    assert medium.size == SIZE
    medium.close()


def test_two_that_create_at_once_agree_on_one_file(tmp_path: Path) -> None:
    """The one that is late finds the other's file under the name and leaves it alone."""
    from omnixan.edge_network.persistent_memory import opening

    path = tmp_path / "store"
    medium = open_medium(path, SIZE)
    medium.write(0, b"first")
    medium.persist((0, 5))
    opening._create(path, 2 * SIZE)
    assert path.stat().st_size == SIZE and path.read_bytes()[:5] == b"first"
    assert list(tmp_path.iterdir()) == [tmp_path / "store"]
    medium.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB and a little: a loop device."""
    image = tmp_path / "image"
    image.write_bytes(bytes((1 << 20) + 512))
    try:
        done = subprocess.run(["losetup", "-f", "--show", str(image)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no losetup")
    device = Path(done.stdout.strip())
    if os.geteuid() or done.returncode or not device.is_block_device():
        pytest.skip("loop devices cannot be made here")
    yield device
    subprocess.run(["losetup", "-d", device], check=True)


def test_a_disk_is_used_in_whole_pages_and_by_one_opener(loop: Path, tmp_path: Path) -> None:
    proof = prove(loop)
    assert not proof.best.is_dax and "is a block device" in proof.evidence[0]
    medium = open_medium(loop)
    assert medium.size == 1 << 20
    medium.write(5000, b"on a disk")
    medium.persist((5000, 9))
    with pytest.raises(StoreLocked):
        open_medium(loop)
    medium.close()
    again = open_medium(loop, readonly=True)
    assert bytes(again.read(5000, 9)) == b"on a disk"
    again.close()
    with pytest.raises(MediumUnsuitable, match="asked for of"):
        open_medium(loop, 2 << 20)


def test_a_mounted_disk_is_refused(loop: Path, tmp_path: Path) -> None:
    if subprocess.run(["mkfs.ext4", "-q", loop], capture_output=True, check=False).returncode:
        pytest.skip("no mkfs.ext4")
    folder = tmp_path / "mounted"
    folder.mkdir()
    subprocess.run(["mount", loop, folder], check=True)
    try:
        with pytest.raises(MediumBusy, match="unmount it"):
            open_medium(loop)
    finally:
        subprocess.run(["umount", folder], check=True)


def has_libpmem() -> bool:
    try:
        return bool(libpmem.load())
    except libpmem.LibraryMissing:
        return False


@pytest.mark.skipif(not has_libpmem(), reason="libpmem2 is not installed")
@pytest.mark.parametrize("variable", [None, *libpmem.FORCING])
def test_an_emulation_says_so_in_its_tier(variable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if variable:
        monkeypatch.setenv(variable, "CACHE_LINE" if variable.startswith("PMEM2") else "1")
    medium = open_medium(tmp_path / "store", SIZE, emulate=True)
    assert isinstance(medium, DaxMedium) and medium.flushed_by in ("libpmem2", "libpmem")
    assert (medium.tier, medium.tier.label, medium.tier.is_dax) == (Tier.EMULATION, "emulation", False)
    medium.write(0, b"x" * SIZE)
    medium.persist((0, SIZE))
    assert medium.read(0, SIZE) == b"x" * SIZE
    medium.close()


def test_a_forced_library_makes_no_store_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store"
    monkeypatch.setenv("PMEM2_FORCE_GRANULARITY", "BYTE")
    with pytest.raises(MediumUnsuitable, match="PMEM2_FORCE_GRANULARITY=BYTE is set"):
        open_medium(path, SIZE, proof=Proof(str(path), (Tier.T1,), ()))
    assert list(tmp_path.iterdir()) == []
    open_medium(path, SIZE, Mode.FILE).close()  # files do not use it


@pytest.mark.skipif(not has_libpmem(), reason="libpmem2 is not installed")
def test_libpmem_calls_an_ordinary_file_page_and_a_forced_one_what_was_forced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    code = (
        "import os, sys\n"
        "from omnixan.edge_network.persistent_memory import libpmem\n"
        "names = {'libpmem2': ('libpmem2.so.1', 'none'), 'libpmem': ('none', 'libpmem.so.1')}[sys.argv[2]]\n"
        "try: library = libpmem.load(allow_forced=True, names=names)\n"
        "except libpmem.LibraryMissing: sys.exit('skipped')\n"
        "print(library.granularity(os.open(sys.argv[1], os.O_RDWR)).name)\n"
    )
    if prove(path).best.is_dax:
        pytest.skip("this folder is on DAX")
    for library, variable, value in (
        ("libpmem2", "PMEM2_FORCE_GRANULARITY", "CACHE_LINE"),
        ("libpmem", "PMEM_IS_PMEM_FORCE", "1"),
    ):
        for environment, answer in (({}, "PAGE"), ({variable: value}, "CACHE_LINE")):
            done = subprocess.run(
                [sys.executable, "-c", code, path, library],
                env=os.environ | environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.stderr == "skipped\n":
                continue
            assert done.stdout.strip() == answer, done.stderr
