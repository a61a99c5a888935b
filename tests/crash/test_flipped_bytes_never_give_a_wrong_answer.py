"""Every byte of a small store and of a small log is flipped.

A named error, or the previous good record, never anything else.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omnixan.edge_network.commitlog import Log
from omnixan.edge_network.persistent_memory import format
from omnixan.edge_network.persistent_memory.errors import Corrupt, StoreError
from omnixan.edge_network.persistent_memory.medium import LINE
from omnixan.edge_network.persistent_memory.store import Store
from tests.crash.expect import SEGMENT
from tests.crash.recording import Image, LeftMedium, LeftSegments, Line, Machine, RecordedSegments, RecordingMedium
from tests.crash.workloads import bytes_of, small_and_repeatable


def store_history(*, closed: bool) -> tuple[bytes, dict[str, list[bytes | None]]]:
    """A store's bytes, and for every key all values that it ever had, the last one last."""
    machine = Machine({"pm": Image.of(bytes(format.MINIMUM + 4096))})
    history: dict[str, list[bytes | None]] = {}
    with small_and_repeatable():
        store = Store.open(RecordingMedium(machine, "pm"))

        def put(key: str, value: bytes) -> None:
            store.put(key, value, meta={"k": key})
            history.setdefault(key, [None]).append(value)

        put("a", bytes_of(1, 30))
        put("b", bytes_of(2, 250))
        store.compact()
        changed = bytearray(bytes_of(2, 250))
        changed[100:110] = b"0123456789"
        store.snapshot("b", changed, [(100, 10)])
        history["b"].append(bytes(changed))
        put("a", bytes_of(3, 70))
        put("c", bytes_of(4, 10))
        store.delete("c")
        history["c"].append(None)
        put("d", bytes_of(5, 5))
        if closed:
            store.close()
    return bytes(machine.media["pm"].volatile), history


def flips(content: bytes, read: set[Line]) -> Iterator[tuple[int, bytearray]]:
    """Every byte with one bit changed; of lines that nobody reads (gaps, the half not in use) only the first byte."""
    lines = {line for _, line in read}
    for position in range(len(content)):
        if position // LINE in lines or position % LINE == 0:
            flipped = bytearray(content)
            flipped[position] ^= 1 << position * 5 % 8
            yield position, flipped


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
def test_a_store_with_a_flipped_byte(closed: bool) -> None:
    content, history = store_history(closed=closed)
    errors = older = 0
    read: set[Line] = set()
    with Store.open(LeftMedium("pm", bytearray(content), read), readonly=True) as store:
        assert {entry.key for entry in store.list()} == {"a", "b", "d"}
        assert not store.verify().damaged
    for position, flipped in flips(content, read):
        try:
            store = Store.open(LeftMedium("pm", flipped, set()), readonly=True)
        except StoreError:
            errors += 1
            continue
        for key, values in history.items():
            try:
                record = store.get(key)
            except Corrupt:
                errors += 1
                continue
            found = None if record is None else bytes(record.value)
            assert record is None or record.meta in ({"k": key}, {})
            assert found in values, (position, key)
            if found != values[-1]:
                older += 1
                assert not closed, f"position {position}: {key} is older than what was acknowledged, and no error says so"
        assert {entry.key for entry in store.list()} <= set(history)
    assert errors > 500
    assert closed or older > 0  # the last record of a killed writer looks like an interrupted one


def log_history(*, closed: bool) -> tuple[dict[str, bytes], list[tuple[int, bytes]]]:
    machine = Machine()
    written = []
    with small_and_repeatable():
        log = Log.over(RecordedSegments(machine), segment_size=SEGMENT)
        for batch in (1, 3, 2):
            for number in range(batch):
                payload = bytes_of(16 * batch + number, 30 * batch + number)
                written.append((log.append(payload), payload))
            log.commit()
        if closed:
            log.close()
    return {name: bytes(image.volatile) for name, image in machine.media.items()}, written


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
def test_a_log_with_a_flipped_byte(closed: bool) -> None:
    media, written = log_history(closed=closed)
    (name,) = media
    errors = shorter = 0
    read: set[Line] = set()
    with Log.over(LeftSegments({name: bytearray(media[name])}, read), readonly=True, segment_size=SEGMENT) as log:
        assert [(entry.position, entry.payload) for entry in log.read()] == written
    for position, flipped in flips(media[name], read):
        found = []
        try:
            log = Log.over(LeftSegments({name: flipped}, set()), readonly=True, segment_size=SEGMENT)
            for entry in log.read():
                found.append((entry.position, entry.payload))
        except StoreError:
            errors += 1
            assert found == written[: len(found)], position
            continue
        assert found == written[: len(found)], position
        if found != written:
            shorter += 1
            assert not closed, f"position {position}: records are missing, and no error says so"
            assert len(found) >= 4, "only the last batch may look like an interrupted one"
    assert errors > 500
    assert closed or shorter > 0
