"""What a benchmark compares: ways in turns, ratios within each of them, the fastest of the others counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.bench.pmem.ground import in_turn
from e2e.bench.pmem.measure import Taken, compared, take_turns
from e2e.bench.pmem.peers import LOCK, Pwrite, Renamed, Sqlite


def test_every_repeat_does_each_way_in_bursts_and_begins_with_another_one() -> None:
    done: list[str] = []
    taken = take_turns({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, {"a": 16, "b": 2}, repeats=2)
    first, second = list("aa" * 3 + "aab" + "aa" * 3 + "aab"), list("aa" * 3 + "baa" + "aa" * 3 + "baa")
    assert done == ["a", "b", *first, "a", "b", *second]  # the first of each is not counted
    assert [len(repeat) for repeat in taken.times["a"]] == [16, 16]
    assert [len(repeat) for repeat in taken.times["b"]] == [2, 2]


def test_a_ratio_is_over_the_fastest_of_the_others_in_each_repeat() -> None:
    taken = Taken({"ours": [[1, 2, 90], [2, 2, 2]], "x": [[10, 10, 10], [20, 20, 20]], "y": [[6, 6, 60], [90, 90, 90]]})
    assert taken.ratio("ours", ["x", "y"]) == [3, 10]
    found = compared(taken, "ours", ["x", "y"])
    assert (found["ratio"], found["ratioOfRepeats"]) == (6.5, [3, 10])
    assert found["ratioByMeans"] == pytest.approx((10 / 31 + 10) / 2, abs=0.01)
    assert taken.fastest(["x", "y"]) == "x"
    assert taken.wire()["ours"]["p99"] == 90


def test_what_changes_is_of_the_size_that_was_asked_for_and_inside_the_state() -> None:
    state, dirty, pieces = in_turn(1 << 20, 12, 4096)
    for _ in range(6):
        ranges, written = next(dirty), next(pieces)
        assert [(offset, len(data)) for offset, data in written] == ranges
        assert len(ranges) == 12 and all(offset % 4096 == 0 and offset + length <= len(state) for offset, length in ranges)
        assert len({offset for offset, _ in ranges}) == 12


def test_peers_have_what_they_were_given(tmp_path: Path) -> None:
    pwrite, renamed, sqlite = Pwrite(tmp_path, 8192), Renamed(tmp_path), Sqlite(tmp_path)
    for peer in (pwrite, renamed, sqlite):
        peer.save([(0, b"old" * 1000)])
        peer.save([(0, b"new" * 1000)])
        peer.close()
    assert (tmp_path / "pwrite").read_bytes() == (b"new" * 1000).ljust(8192, b"\0")
    assert (tmp_path / "renamed" / "state").read_bytes() == b"new" * 1000
    assert [path.name for path in (tmp_path / "renamed").iterdir()] == ["state"]


def test_the_peers_are_locked_with_hashes() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    assert [line.split("==")[0] for line in lines if "==" in line] == ["lmdb", "rocksdict"]
    assert all("==" in line or line.strip().startswith("--hash=sha256:") for line in lines)
