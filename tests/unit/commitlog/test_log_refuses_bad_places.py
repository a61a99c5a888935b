"""A log where there is no room, no right, no folder, or where a part of it is gone: a named error, never a shorter log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnixan.edge_network.commitlog import Log
from omnixan.edge_network.persistent_memory import (
    Corrupt,
    MediumFull,
    MediumMissing,
    MediumReadOnly,
    MediumUnsuitable,
    StoreLocked,
)

SEGMENT = 16 << 10


def written(folder: Path, records: int) -> list[Path]:
    """The segments of a log of `records` acknowledged records, without the one that was prepared for later."""
    with Log.open(folder, segment_size=SEGMENT) as log:
        for number in range(records):
            log.append(b"%03d" % number * 100)
        log.commit()
        segments = [path for path in sorted(folder.glob("segment-*.log")) if any(path.read_bytes())]
    return segments


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


def test_a_full_disk_is_named_and_leaves_nothing_half_made(small: Path) -> None:
    with pytest.raises(MediumFull, match=r"allocating 1048576 bytes failed: No space left on device; free space"):
        Log.open(small / "log", segment_size=1 << 20)
    assert list((small / "log").iterdir()) == []
    with Log.open(small / "log", segment_size=SEGMENT) as log:
        log.append(b"fits")


def test_a_disk_that_gets_full_keeps_what_was_acknowledged_and_takes_more_when_there_is_room(small: Path) -> None:
    acknowledged = []
    with Log.open(small / "log", segment_size=SEGMENT) as log:
        with pytest.raises(MediumFull, match="No space left on device"):
            for number in range(1000):
                log.append(b"%04d" % number * 100)
                log.commit()
                acknowledged.append(b"%04d" % number * 100)
        assert [entry.payload for entry in log.read()] == acknowledged
        log.truncate_before(list(log.read())[-2].position)
        log.commit()
        assert [entry.payload for entry in log.read()][-1] == b"%04d" % len(acknowledged) * 100


def test_a_read_only_file_system_is_named_and_can_be_read(small: Path) -> None:
    with Log.open(small / "log", segment_size=SEGMENT) as log:
        log.append(b"kept")
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    with pytest.raises(MediumReadOnly, match="Read-only file system; mount it writable"):
        Log.open(small / "new", segment_size=SEGMENT)
    with pytest.raises(MediumReadOnly, match="Read-only file system"):
        Log.open(small / "log", segment_size=SEGMENT)
    with Log.open(small / "log", readonly=True) as log:
        assert [entry.payload for entry in log.read()] == [b"kept"]


def test_paths_that_cannot_be_a_log_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something else")
    with pytest.raises(MediumUnsuitable, match="something else has this name: choose another path"):
        Log.open(tmp_path / "file")
    with pytest.raises(MediumMissing, match="a part of it is not a folder"):
        Log.open(tmp_path / "file" / "log")
    assert (tmp_path / "file").read_text() == "something else"


@pytest.mark.parametrize("which", [0, 1, -1])
@pytest.mark.parametrize("size", [0, 100, 4096, 8191, 8192, 10_000, SEGMENT - 1])
def test_a_segment_that_is_cut_off_is_named_and_never_taken_for_an_empty_one(which: int, size: int, tmp_path: Path) -> None:
    segments = written(tmp_path / "log", 100)
    assert len(segments) >= 3
    os.truncate(segments[which], size)
    for readonly in (True, False):
        with pytest.raises(Corrupt, match=rf"segment \d+ is cut off after {size} bytes"):
            Log.open(tmp_path / "log", readonly=readonly, segment_size=SEGMENT)
    assert segments[which].stat().st_size == size


HOLDER = """
import sys
from omnixan.edge_network.commitlog import Log
with Log.open(sys.argv[1]) as log:
    print("open", flush=True)
    sys.stdin.read()
"""


def test_two_agents_on_one_log_are_one_too_many_and_a_killed_one_is_none(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "log"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked, match="another process writes this log; end it first"):
            Log.open(tmp_path / "log")
        other.kill()
        other.wait()
        Log.open(tmp_path / "log").close()
