"""Append, commit, read by position, truncate, compact, reopen: on real files in a temporary folder."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from omnixan.edge_network.commitlog import Log, segment
from omnixan.edge_network.commitlog.file import SegmentFile
from omnixan.edge_network.persistent_memory.errors import (
    BadArgument,
    Closed,
    Corrupt,
    Failed,
    NewerFormat,
    NotAStore,
    PositionGone,
    ReadOnly,
    TooLarge,
)
from omnixan.edge_network.persistent_memory.medium import MediumError, MediumFull, StoreLocked, Tier

SMALL = 8192


def payloads(log: Log, position: int = 0) -> list[bytes]:
    return [entry.payload for entry in log.read(position)]


def test_what_was_committed_is_there_after_reopening_at_the_same_positions(tmp_path: Path) -> None:
    wanted = [bytes([number]) * (number * 37 % 300) for number in range(120)]
    with Log.open(tmp_path / "log", segment_size=SMALL) as log:
        positions = [log.append(payload) for payload in wanted]
        ack = log.commit()
        assert ack.tier is Tier.T3 and ack.position == log.durable_position == log.end_position
        assert payloads(log) == wanted
    with Log.open(tmp_path / "log", segment_size=SMALL) as log:
        entries = list(log.read())
        assert [entry.payload for entry in entries] == wanted
        assert [entry.position for entry in entries] == positions
        assert payloads(log, positions[70]) == wanted[70:]
        assert payloads(log, entries[70].next_position) == wanted[71:]
        assert log.append(b"more") >= ack.position


def test_nothing_is_read_before_it_is_committed(tmp_path: Path) -> None:
    with Log.open(tmp_path) as log:
        log.append(b"waits")
        assert payloads(log) == []
        log.commit()
        assert payloads(log) == [b"waits"]


def test_opening_and_closing_again_and_again_adds_nothing(tmp_path: Path) -> None:
    with Log.open(tmp_path, segment_size=SMALL) as log:
        log.append(b"once")
    with Log.open(tmp_path, segment_size=SMALL) as log:
        end = log.end_position
    for _ in range(5):
        with Log.open(tmp_path, segment_size=SMALL) as log:
            assert log.end_position == end
    assert len(list(tmp_path.iterdir())) <= 2


def test_a_reader_follows_the_writer_by_position(tmp_path: Path) -> None:
    with Log.open(tmp_path, segment_size=SMALL) as log:
        position, seen = 0, []
        for number in range(200):
            log.append(b"%d" % number)
            log.commit()
            with Log.open(tmp_path, readonly=True) as reader:
                for entry in reader.read(position):
                    seen.append(entry.payload)
                    position = entry.next_position
        assert seen == [b"%d" % number for number in range(200)]


def test_threads_that_commit_together_share_fences_and_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fences, all_wait = [], threading.Barrier(8)
    real = SegmentFile.persist

    def counted(self: SegmentFile, *ranges: tuple[int, int]) -> None:
        fences.append(ranges)
        real(self, *ranges)

    with Log.open(tmp_path) as log:
        monkeypatch.setattr(SegmentFile, "persist", counted)

        def work(name: int) -> None:
            for number in range(25):
                position = log.append(b"%d-%d" % (name, number))
                all_wait.wait()
                assert log.commit().position > position

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        monkeypatch.undo()
        assert sorted(payloads(log)) == sorted(b"%d-%d" % (name, number) for name in range(8) for number in range(25))
    assert len(fences) < 200  # 8 threads × 25 commits, alone


def test_each_thread_finds_its_own_records_in_order(tmp_path: Path) -> None:
    with Log.open(tmp_path, segment_size=SMALL) as log:

        def work(name: int) -> None:
            for number in range(60):
                log.append(b"%d:%d" % (name, number))
                if number % 7 == name:
                    log.commit()

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Log.open(tmp_path) as log:
        read = [payload.split(b":") for payload in payloads(log)]
        for name in range(4):
            assert [int(number) for who, number in read if int(who) == name] == list(range(60))


def test_truncating_gives_segments_back_and_names_what_is_gone(tmp_path: Path) -> None:
    with Log.open(tmp_path, segment_size=SMALL) as log:
        positions = [log.append(bytes(1000)) for _ in range(30)]
        log.commit()
        files = len(list(tmp_path.iterdir()))
        first = log.truncate_before(positions[17])
        assert 0 < first <= positions[17]
        assert len(list(tmp_path.iterdir())) < files
        assert len(payloads(log, positions[17])) == 13
        with pytest.raises(PositionGone, match="the log begins at"):
            log.read(positions[0] + 64)
        with pytest.raises(BadArgument):
            log.truncate_before(log.end_position + 64)
    with Log.open(tmp_path, segment_size=SMALL) as log:
        assert log.first_position == first
        assert len(payloads(log, positions[17])) == 13
        log.truncate_before(log.end_position)
        log.append(b"goes on")
        log.commit()
        assert payloads(log)[-1] == b"goes on"


def test_compacting_keeps_what_lives_and_gives_the_rest_back(tmp_path: Path) -> None:
    with Log.open(tmp_path, segment_size=SMALL) as log:
        for number in range(50):
            log.append(b"%d" % number * 100)
        start = log.compact([b"a", b"b"])
        assert payloads(log, start) == [b"a", b"b"]
    with Log.open(tmp_path) as log:
        assert payloads(log)[-2:] == [b"a", b"b"]
        assert log.first_position > 0


def test_a_second_writer_is_locked_out_a_reader_is_not(tmp_path: Path) -> None:
    with Log.open(tmp_path) as log:
        log.append(b"x")
        log.commit()
        with pytest.raises(StoreLocked, match="another process writes this log"):
            Log.open(tmp_path)
        with Log.open(tmp_path, readonly=True) as reader:
            assert payloads(reader) == [b"x"]
            with pytest.raises(ReadOnly):
                reader.append(b"y")
    Log.open(tmp_path).close()


def test_payloads_that_fit_into_no_segment_are_refused(tmp_path: Path) -> None:
    with Log.open(tmp_path, segment_size=SMALL) as log:
        with pytest.raises(TooLarge, match="use at most 4032"):
            log.append(bytes(SMALL))
        log.append(bytes(4032))
        log.commit()
        assert payloads(log) == [bytes(4032)]


def test_more_than_the_buffer_commits_by_itself(tmp_path: Path) -> None:
    with Log.open(tmp_path) as log:
        for _ in range(9):
            log.append(bytes(1 << 20))
        assert log.durable_position > 0


@pytest.mark.parametrize("size", [0, 4096, 8191])
def test_a_segment_size_that_cannot_be_is_named(tmp_path: Path, size: int) -> None:
    with pytest.raises(BadArgument, match="use a multiple of 64"):
        Log.open(tmp_path, segment_size=size)


def test_a_reader_of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotAStore, match="no log in it yet"):
        Log.open(tmp_path, readonly=True)
    with pytest.raises(MediumError, match="nowhere"):
        Log.open(tmp_path / "nowhere", readonly=True)


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    log.close()
    log.close()
    for use in (lambda: log.append(b""), log.commit, lambda: log.read()):
        with pytest.raises(Closed):
            use()


def test_a_log_of_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(segment, "VERSION", segment.VERSION + 1)
        Log.open(tmp_path).close()
    with pytest.raises(NewerFormat, match="version 2 of the format, this program knows 1"):
        Log.open(tmp_path)


def test_a_missing_segment_in_the_middle_is_damage(tmp_path: Path) -> None:
    with Log.open(tmp_path, segment_size=SMALL) as log:
        for _ in range(30):
            log.append(bytes(1000))
    (tmp_path / "segment-0000000003.log").unlink()
    with pytest.raises(Corrupt, match="segment 4 does not follow"):
        Log.open(tmp_path)


def test_after_a_failed_fence_the_log_refuses_until_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.open(tmp_path)
    log.append(b"before")
    log.commit()
    with monkeypatch.context() as broken:

        def fails(fd: int) -> None:
            raise OSError(5, "Input/output error")

        log.append(b"during")
        broken.setattr(os, "fdatasync", fails)
        with pytest.raises(MediumError, match="Input/output error"):
            log.commit()
    for use in (lambda: log.append(b"after"), log.commit):
        with pytest.raises(Failed, match="close it and open it again"):
            use()
    log.close()
    with Log.open(tmp_path) as log:
        assert payloads(log)[0] == b"before"


def test_when_no_space_is_left_for_a_segment_the_log_waits_for_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.open(tmp_path, segment_size=SMALL)
    log._writer._spare.close()
    wanted = [bytes([number]) * 1000 for number in range(9)]
    with monkeypatch.context() as full:

        def fails(fd: int, offset: int, length: int) -> None:
            raise OSError(28, "No space left on device")

        full.setattr(os, "posix_fallocate", fails)
        positions = [log.append(payload) for payload in wanted]
        for _ in range(2):
            with pytest.raises(MediumFull, match="free space"):
                log.commit()
        assert 0 < log.durable_position < positions[-1]
    log.append(b"last")
    log.commit()
    assert payloads(log) == [*wanted, b"last"]
    log.close()
    with Log.open(tmp_path) as log:
        assert payloads(log) == [*wanted, b"last"]
