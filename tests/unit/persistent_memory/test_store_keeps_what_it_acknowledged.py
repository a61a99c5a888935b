"""Put, get, delete, list, snapshot, compact, reopen: on a medium in memory, without faults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omnixan.edge_network.persistent_memory import format, medium
from omnixan.edge_network.persistent_memory.errors import (
    BadArgument,
    Closed,
    Corrupt,
    NewerFormat,
    NotAStore,
    ReadOnly,
    StoreFull,
    TooLarge,
)
from omnixan.edge_network.persistent_memory.files import FileMedium
from omnixan.edge_network.persistent_memory.medium import LINE
from omnixan.edge_network.persistent_memory.record import extent_of
from omnixan.edge_network.persistent_memory.store import CHAIN_LIMIT, ONE_FENCE, Store
from tests.crash.recording import Image, Machine, RecordingMedium

KIB = 1024


def machine(size: int = 64 * KIB) -> Machine:
    return Machine({"pm": Image.of(bytes(size))})


def opened(computer: Machine, **how: bool) -> Store:
    return Store.open(RecordingMedium(computer, "pm"), **how)


def values(store: Store) -> dict[str, bytes]:
    return {entry.key: bytes(store.get(entry.key).value) for entry in store.list()}


def test_a_value_is_there_after_reopening_with_its_metadata_and_position() -> None:
    computer = machine()
    with opened(computer) as store:
        ack = store.put("job/1", b"state", meta={"qubits": "3", "n\u00e4me": "\u00fc"})
        assert ack.tier is medium.Tier.T1
    with opened(computer) as store:
        record = store.get("job/1")
        assert record.value == b"state" and record.value.readonly
        assert record.meta == {"qubits": "3", "n\u00e4me": "\u00fc"}
        assert record.position == ack.position


def test_positions_grow_over_every_kind_of_change_and_every_reopening() -> None:
    computer = machine()
    positions = []
    for _ in range(3):
        with opened(computer) as store:
            positions.append(store.put("a", b"1").position)
            store.compact()
            positions.append(store.snapshot("a", b"2", [(0, 1)]).position)
            positions.append(store.delete("a").position)
    assert positions == sorted(set(positions))


def test_the_last_value_counts_and_a_deleted_key_is_gone() -> None:
    computer = machine()
    with opened(computer) as store:
        store.put("a", b"old")
        store.put("b", b"")
        store.put("a", b"new")
        store.delete("b")
        store.delete("never there")
    with opened(computer) as store:
        assert values(store) == {"a": b"new"}
        assert store.get("b") is None


def test_list_is_ordered_by_key_and_limited_by_prefix() -> None:
    with opened(machine()) as store:
        for key in ("b/2", "a/1", "b/1"):
            store.put(key, key.encode() * 2, meta={"k": key})
        assert [entry.key for entry in store.list()] == ["a/1", "b/1", "b/2"]
        assert [(entry.key, entry.size, entry.meta) for entry in store.list("b/")] == [
            ("b/1", 6, {"k": "b/1"}),
            ("b/2", 6, {"k": "b/2"}),
        ]


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 4096, 70_000, ONE_FENCE, ONE_FENCE + 1])
def test_values_of_every_length_come_back_and_do_not_disturb_their_neighbours(length: int) -> None:
    computer = machine(5 << 20)
    value = bytes(number * 7 & 255 for number in range(length))
    with opened(computer) as store:
        store.put("before", b"b")
        store.put("value", value)
        store.put("after", b"a")
    with opened(computer) as store:
        assert values(store) == {"before": b"b", "value": value, "after": b"a"}


def test_a_value_that_was_read_stays_as_it_was_whatever_happens_in_the_store() -> None:
    with opened(machine()) as store:
        store.put("a", b"x" * 5000)
        value = store.get("a").value
        for number in range(40):
            store.put("a", bytes([number]) * 5000)
        assert value == b"x" * 5000


def test_a_snapshot_writes_only_what_is_dirty() -> None:
    computer = machine()
    state = bytearray(range(256)) * 40
    with opened(computer) as store:
        store.snapshot("state", state, [])
        before = store.report().used
        state[100:103], state[9000:9001] = b"abc", b"z"
        store.snapshot("state", state, [(9000, 1), (100, 2), (102, 1)], meta={"iteration": "2"})
        assert store.report().used - before < 256
        assert store.get("state").value == state
    with opened(computer) as store:
        assert store.get("state").value == state
        assert store.get("state").meta == {"iteration": "2"}
        store.compact()
        assert store.get("state").value == state


def test_a_snapshot_is_whole_again_after_many_deltas_or_much_change_or_another_size() -> None:
    with opened(machine(1 << 20)) as store:
        state = bytearray(32 * KIB)
        store.put("state", state)
        used, whole = store.report().used, 0
        for number in range(2 * CHAIN_LIMIT + 4):
            state[number] = 1
            store.snapshot("state", state, [(number, 1)])
            whole += store.report().used - used > 32 * KIB
            used = store.report().used
        assert whole == 2
        store.snapshot("state", state, [(0, 20 * KIB)])
        assert store.report().used - used < 21 * KIB
        store.snapshot("state", state, [(0, 20 * KIB)])
        assert store.report().used - used > 20 * KIB + 32 * KIB
        longer = bytes(state) + b"more"
        store.snapshot("state", longer, [])
        assert store.get("state").value == longer


def test_a_small_part_of_a_large_value_takes_one_fence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fences = []
    persist = FileMedium.persist

    def counted(self: FileMedium, *ranges: tuple[int, int]) -> None:
        fences.append(ranges)
        persist(self, *ranges)

    monkeypatch.setattr(FileMedium, "persist", counted)
    path, size = tmp_path / "store", 40 << 20
    path.write_bytes(bytes(size))
    with Store.open(FileMedium(os.open(path, os.O_RDWR), str(path), size)) as store:
        state = bytearray(16 << 20)
        store.put("state", state)
        dirty = [(part << 20, 64 * KIB) for part in range(12)]
        for offset, length in dirty:
            state[offset : offset + length] = b"x" * length
        fences.clear()
        store.snapshot("state", state, dirty)
        assert len(fences) == 1
        assert store.get("state").value == state


def test_a_snapshot_refuses_ranges_outside_the_value() -> None:
    with opened(machine()) as store:
        store.put("a", b"12345678")
        for wrong in ((8, 1), (-1, 2), (0, -1)):
            with pytest.raises(BadArgument, match=r"dirty range .* is outside"):
                store.snapshot("a", b"abcdefgh", [wrong])
        assert store.get("a").value == b"12345678"


def test_a_full_store_makes_room_by_itself() -> None:
    computer = machine()
    with opened(computer) as store:
        store.put("kept", b"k" * 3000)
        for number in range(200):
            store.put("a", bytes([number]) * 2000)
        assert values(store) == {"kept": b"k" * 3000, "a": bytes([199]) * 2000}
    with opened(computer) as store:
        assert values(store) == {"kept": b"k" * 3000, "a": bytes([199]) * 2000}


def test_one_value_may_take_all_the_room_that_there_is_also_when_it_is_replaced() -> None:
    computer = machine()
    with opened(computer) as store:
        most = store.report().capacity - extent_of(1, 0, 0) - LINE
        for number in range(5):
            assert store.put("a", bytes([number]) * most).position == number + 1
            assert values(store) == {"a": bytes([number]) * most}
        with pytest.raises(StoreFull, match=f"other keys have {most + 128} of"):
            store.put("b", b"")
    with opened(computer) as store:
        assert values(store) == {"a": bytes([4]) * most}
        assert store.put("a", b"small").position == 6


def test_a_damaged_value_that_is_replaced_does_not_stand_in_the_way_of_a_compaction() -> None:
    computer = machine()
    with opened(computer) as store:
        most = store.report().capacity - extent_of(1, 0, 0) - LINE
        store.put("a", b"a" * most)
    image = computer.media["pm"].volatile
    image[image.index(b"aaaa")] ^= 1
    with opened(computer) as store:
        with pytest.raises(Corrupt):
            store.get("a")
        store.put("a", b"b" * most)
        assert values(store) == {"a": b"b" * most}


def test_what_does_not_fit_is_refused_before_anything_is_written_and_deleting_helps_always() -> None:
    computer = machine()
    with opened(computer) as store:
        with pytest.raises(TooLarge, match="make a store of at least"):
            store.put("a", bytes(40 * KIB))
        number = 0
        with pytest.raises(StoreFull, match="delete keys or make a larger store"):
            for number in range(1000):
                store.put(f"key-{number:04}", b"v" * 100)
        image = bytes(computer.media["pm"].volatile)
        with pytest.raises(StoreFull):
            store.put("one more", b"v" * 100)
        assert bytes(computer.media["pm"].volatile) == image
        store.delete("key-0003")
        assert store.get("key-0003") is None
        store.put("one more", b"v" * 100)
    with opened(computer) as store:
        assert len(store.list()) == number
        assert store.get("key-0003") is None


def test_every_key_can_be_deleted_from_a_store_that_is_full_to_the_last_line() -> None:
    computer = machine(format.MINIMUM)
    with opened(computer) as store:
        keys = []
        with pytest.raises(StoreFull):
            for number in range(1000):
                store.put(str(number), b"")
                keys.append(str(number))
        for key in keys:
            store.delete(key)
        assert store.list() == []
    with opened(computer) as store:
        assert store.list() == []


@pytest.mark.parametrize("key", ["", "x" * 1025, "\ud800"])
def test_keys_that_cannot_be_are_named(key: str) -> None:
    with opened(machine()) as store, pytest.raises((BadArgument, TooLarge), match="key"):
        store.put(key, b"v")


def test_metadata_that_are_too_long_or_no_text_are_named() -> None:
    with opened(machine(1 << 20)) as store:
        with pytest.raises(TooLarge, match="meta has"):
            store.put("a", b"", meta={"k": "v" * (64 * KIB)})
        with pytest.raises(BadArgument, match="is not text"):
            store.put("a", b"", meta={"k": 1})  # type: ignore[dict-item]
        assert store.list() == []


def test_a_reader_changes_nothing_and_says_so() -> None:
    computer = machine()
    with pytest.raises(NotAStore, match="no store on it yet"):
        opened(computer, readonly=True)
    with opened(computer) as store:
        store.put("a", b"1")
    image = bytes(computer.media["pm"].volatile)
    with opened(computer, readonly=True) as reader:
        assert values(reader) == {"a": b"1"}
        for change in (lambda: reader.put("a", b"2"), lambda: reader.delete("a"), reader.compact):
            with pytest.raises(ReadOnly):
                change()
    assert bytes(computer.media["pm"].volatile) == image


def test_a_closed_store_says_so() -> None:
    store = opened(machine())
    store.close()
    store.close()
    with pytest.raises(Closed):
        store.get("a")


def test_something_else_on_the_medium_is_never_overwritten() -> None:
    computer = Machine({"pm": Image.of(b"#!/bin/sh\n" + bytes(64 * KIB - 10))})
    image = bytes(computer.media["pm"].volatile)
    with pytest.raises(NotAStore, match="something else"):
        opened(computer)
    assert bytes(computer.media["pm"].volatile) == image


def test_a_medium_that_is_too_small_is_refused() -> None:
    with pytest.raises(TooLarge, match=f"at least {format.MINIMUM}"):
        opened(machine(format.MINIMUM - 64))


def test_a_store_of_a_newer_version_is_refused_by_readers_and_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    computer = machine()
    with monkeypatch.context() as newer:
        newer.setattr(format, "VERSION", format.VERSION + 1)
        with opened(computer) as store:
            store.put("a", b"1")
    image = bytes(computer.media["pm"].volatile)
    for readonly in (True, False):
        with pytest.raises(NewerFormat, match="version 2 of the format, this program knows 1"):
            opened(computer, readonly=readonly)
    assert bytes(computer.media["pm"].volatile) == image


def test_a_medium_that_was_cut_off_is_refused() -> None:
    computer = machine()
    with opened(computer) as store:
        store.put("a", b"1")
    cut = Machine({"pm": Image.of(bytes(computer.media["pm"].volatile[: 48 * KIB]))})
    with pytest.raises(Corrupt, match="its end is cut off"):
        opened(cut)


def test_the_same_bytes_open_on_a_larger_medium() -> None:
    computer = machine()
    with opened(computer) as store:
        store.put("a", b"1")
    larger = Machine({"pm": Image.of(bytes(computer.media["pm"].volatile) + bytes(KIB))})
    with opened(larger) as store:
        assert values(store) == {"a": b"1"}


def test_a_value_that_looks_like_a_record_is_a_value() -> None:
    computer = machine()
    with opened(computer) as store:
        store.put("inner", b"i" * 200)
    image = bytes(computer.media["pm"].volatile)
    start = format.DATA
    with opened(computer) as store:
        store.put("copy", image[start : start + 4096])
        store.delete("inner")
    with opened(computer) as store:
        assert values(store) == {"copy": image[start : start + 4096]}


def test_a_damaged_value_is_refused_the_others_are_not_and_compaction_does_not_give_it_a_new_checksum() -> None:
    computer = machine()
    with opened(computer) as store:
        store.put("good", b"g" * 100)
        store.put("bad", b"b" * 100)
    image = computer.media["pm"].volatile
    image[image.index(b"b" * 100)] ^= 1
    with opened(computer) as store:
        assert store.get("good").value == b"g" * 100
        with pytest.raises(Corrupt, match="'bad' is damaged"):
            store.get("bad")
        assert [damage.key for damage in store.verify().damaged] == ["bad"]
        with pytest.raises(Corrupt, match="put or delete this key"):
            store.compact()
        store.put("new", b"n")
        store.delete("bad")
        store.compact()
        assert values(store) == {"good": b"g" * 100, "new": b"n"}
        assert store.verify().damaged == ()
    with opened(computer) as store:
        assert values(store) == {"good": b"g" * 100, "new": b"n"}


def test_a_damaged_header_is_refused_with_its_position_and_what_is_left_can_be_salvaged() -> None:
    computer = machine()
    with opened(computer) as store:
        store.put("a", b"1")
        store.put("b", b"old")
        middle = store.report().used + format.DATA
        store.put("b", b"new")
        store.put("c", b"3")
    computer.media["pm"].volatile[middle + 9] ^= 64
    for readonly in (True, False):
        with pytest.raises(Corrupt) as refused:
            opened(computer, readonly=readonly)
        assert refused.value.position == middle
    with pytest.raises(BadArgument, match="readonly=True"):
        opened(computer, salvage=True)
    with opened(computer, readonly=True, salvage=True) as rest:
        assert values(rest) == {"a": b"1", "b": b"old", "c": b"3"}
        assert [damage.position for damage in rest.verify().damaged] == [middle]
