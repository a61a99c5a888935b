"""Scripts for the store and for the log, and what must be found if the power is cut in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

from omnixan.edge_network.commitlog import Log
from omnixan.edge_network.persistent_memory import format, record, store
from omnixan.edge_network.persistent_memory.store import Store
from tests.crash.expect import SEGMENT, Expectation, LogHolds, StoreHolds, Violation, contents
from tests.crash.recording import Image, Killed, Machine, Moment, RecordedSegments, RecordingMedium

ONE_FENCE = 192
"""Bytes of the longest value with one fence here: both ways are taken with small values."""

Heard = Callable[[Moment, Expectation], None]


@contextmanager
def small_and_repeatable() -> Iterator[None]:
    """Equal runs make equal images: ids are counted, not drawn."""
    ids = iter(range(1, 1 << 32))
    with (
        mock.patch.object(store, "ONE_FENCE", ONE_FENCE),
        mock.patch.object(record, "new_id", lambda: next(ids).to_bytes(16, "big")),
    ):
        yield


def bytes_of(seed: int, length: int) -> bytes:
    """Bytes in which no two words are equal, zeros or those of another seed."""
    return b"".join((seed << 16 | word).to_bytes(8, "little") for word in range(1, length // 8 + 2))[:length]


@dataclass
class StoreScript:
    """Runs operations on a store on a recording medium and keeps the state that must be found."""

    heard: Heard
    size: int = format.DATA + 2 * 4096
    machine: Machine = field(default_factory=Machine)
    state: dict[str, bytes] = field(default_factory=dict)
    position: int = 0

    def __post_init__(self) -> None:
        self.machine.media.setdefault("pm", Image.of(bytes(self.size)))
        self.expected: Expectation = StoreHolds((self.state,), self.position)
        self.machine.on_moment = lambda moment: self.heard(moment, self.expected)
        self.store = self._open()

    def _open(self) -> Store:
        return Store.open(RecordingMedium(self.machine, "pm"))

    def put(self, key: str, value: bytes) -> None:
        self._do({**self.state, key: value}, lambda: self.store.put(key, value, meta={"k": key}))

    def delete(self, key: str) -> None:
        self._do({name: value for name, value in self.state.items() if name != key}, lambda: self.store.delete(key))

    def change(self, key: str, offset: int, data: bytes) -> None:
        value = bytearray(self.state[key])
        value[offset : offset + len(data)] = data
        dirty = [(offset, len(data))]
        self._do({**self.state, key: bytes(value)}, lambda: self.store.snapshot(key, value, dirty))

    def compact(self) -> None:
        self._do(self.state, lambda: self.store.compact())

    def reopen(self) -> None:
        """Close it in order, open it again."""
        self.store.close()
        self.store = self._open()
        self._same()

    def kill(self, fences: int, act: Callable[[], None]) -> None:
        """`act` in a process that is killed when it wants its fence number `fences` + 1; then another one opens the store.

        What that one sees is what counts from then on.
        """
        self.machine.fences_to_live = fences
        try:
            act()
        except Killed:
            self.machine.kills += 1
        else:
            return
        finally:
            self.machine.fences_to_live = None
        self.store = self._open()
        self.state = contents(self.store)
        assert isinstance(self.expected, StoreHolds)
        if self.state not in self.expected.states:
            raise Violation(f"after a kill {self.state}")
        self._same()

    def end(self) -> None:
        """Look once more after the last operation."""
        self.machine.moment()

    def _do(self, after: dict[str, bytes], act: Callable[[], object]) -> None:
        self.expected = StoreHolds((self.state, after), self.position)
        ack = act()
        self.state = after
        self.position = getattr(ack, "position", self.position)
        self._same()

    def _same(self) -> None:
        self.expected = StoreHolds((self.state,), self.position)


def store_script(heard: Heard) -> Machine:
    """Every kind of operation, compactions asked for and not, both ways of writing a value, kills in the middle."""
    play = StoreScript(heard)
    play.put("a", bytes_of(1, 20))
    play.put("b", bytes_of(2, 500))
    play.change("b", 40, bytes_of(3, 24))
    play.put("a", bytes_of(4, 100))
    play.delete("a")
    play.kill(0, lambda: play.put("c", bytes_of(5, 120)))
    play.put("d", bytes_of(6, 120))
    play.compact()
    play.change("b", 200, bytes_of(7, 60))
    play.kill(1, lambda: play.put("e", bytes_of(8, 300)))
    play.kill(0, play.compact)
    play.kill(1, play.compact)
    play.kill(2, play.compact)
    play.reopen()
    for number in range(9):
        play.put("f", bytes_of(10 + number, 400 + 24 * number))
    play.delete("f")
    for number in range(5):
        play.put("h", bytes_of(20 + number, 440))
    play.kill(1, lambda: play.put("h", bytes_of(28, 440)))
    play.put("h", bytes_of(29, 440))
    play.delete("h")
    play.kill(1, play.reopen)
    play.delete("b")
    play.put("g", b"")
    play.reopen()
    play.end()
    return play.machine


def store_again(media: dict[str, bytearray], expected: StoreHolds, heard: Heard) -> Machine:
    """After a power cut: open what it left, put what had been pending again, under other keys, and be cut again."""
    machine = Machine({name: Image.of(bytes(content)) for name, content in media.items()})
    machine.on_moment = lambda moment: heard(moment, expected)
    opened = Store.open(RecordingMedium(machine, "pm"))
    play = StoreScript(heard, machine=machine, state=contents(opened), position=expected.position)
    before, after = expected.states[0], expected.states[-1]
    pending = [value for key, value in after.items() if before.get(key) != value] or [bytes_of(90, 100)]
    play.put("other", pending[0])
    play.put("another", pending[0])
    play.end()
    return machine


@dataclass
class LogScript:
    """Runs operations on a log over recording media and keeps what must be found."""

    heard: Heard
    machine: Machine = field(default_factory=Machine)
    acked: list[tuple[int, bytes]] = field(default_factory=list)
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    first: int = 0
    compacted: int | None = None
    """Where what lives begins, while a compaction is on its way."""

    def __post_init__(self) -> None:
        self.machine.on_moment = lambda moment: self.heard(moment, self.expected)
        self.log = self._open()

    @property
    def expected(self) -> LogHolds:
        acked, pending = tuple(self.acked), tuple(self.pending)
        instead = LogHolds(acked + pending, (), self.compacted) if self.compacted is not None else None
        return LogHolds(acked, pending, self.first, instead)

    def _open(self) -> Log:
        return Log.over(RecordedSegments(self.machine), segment_size=SEGMENT)

    def append(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.pending.append((self.log.append(payload), payload))

    def commit(self) -> None:
        self.log.commit()
        self.acked += self.pending
        self.pending = []

    def truncate(self, place: int) -> None:
        """Everything before the acknowledged record number `place` may go."""
        self.first = self.acked[place][0]
        self.log.truncate_before(self.first)

    def compact(self, *payloads: bytes) -> None:
        position = start = self.log.end_position
        for payload in payloads:
            self.pending.append((position, payload))
            position += record.extent_of(0, 0, len(payload))
        self.compacted = start
        self.log.compact(payloads)
        self.acked += self.pending
        self.pending = []
        self.first, self.compacted = start, None

    def reopen(self) -> None:
        self.log.close()
        self.acked += self.pending
        self.pending = []
        self.log = self._open()

    def kill(self, fences: int, act: Callable[[], None]) -> None:
        """As of the store."""
        self.machine.fences_to_live = fences
        try:
            act()
        except Killed:
            self.machine.kills += 1
        else:
            return
        finally:
            self.machine.fences_to_live = None
        self.log = self._open()
        found = [(entry.position, entry.payload) for entry in self.log.read()]
        written = self.acked + self.pending
        seen = [entry for entry in written if entry in found]
        if seen != written[written.index(found[0]) :][: len(found)] or seen[-1:] < self.acked[-1:]:
            raise Violation(f"after a kill at {[position for position, _ in found]}")
        self.acked, self.pending = seen, []

    def end(self) -> None:
        self.machine.moment()


def log_script(heard: Heard) -> Machine:
    """Batches of one and of many, over the end of a segment, truncation, compaction, kills in the middle."""
    play = LogScript(heard)
    play.append(bytes_of(1, 20))
    play.commit()
    play.append(bytes_of(2, 70), b"", bytes_of(3, 130))
    play.commit()
    play.append(bytes_of(4, 40), bytes_of(5, 200), bytes_of(6, 64))
    play.kill(0, play.commit)
    play.append(bytes_of(7, 40), bytes_of(8, 60))
    play.commit()
    play.append(bytes_of(9, 3000), bytes_of(10, 500), bytes_of(11, 30))
    play.commit()
    play.reopen()
    play.append(bytes_of(12, 100), bytes_of(13, 3500), bytes_of(14, 20))
    play.kill(2, play.commit)
    play.append(bytes_of(15, 50))
    play.commit()
    play.compact(bytes_of(16, 90), bytes_of(17, 10))
    play.append(bytes_of(18, 4000), bytes_of(22, 4000))
    play.commit()
    play.truncate(len(play.acked) - 1)
    play.append(bytes_of(19, 4000), bytes_of(20, 10))
    play.kill(1, play.commit)
    play.append(bytes_of(21, 10))
    play.commit()
    play.reopen()
    play.end()
    return play.machine


def log_again(media: dict[str, bytearray], expected: LogHolds, heard: Heard) -> Machine:
    """After a power cut: open what it left, append the second half of what had been pending, and be cut again."""
    machine = Machine({name: Image.of(bytes(content)) for name, content in media.items()})
    machine.on_moment = lambda moment: heard(moment, expected)
    log = Log.over(RecordedSegments(machine), segment_size=SEGMENT)
    found = [(entry.position, entry.payload) for entry in log.read()]
    play = LogScript(heard, machine=machine, acked=found, first=expected.first)
    pending = [payload for _, payload in expected.pending] or [bytes_of(90, 100)]
    play.append(*(payload[::-1] for payload in pending[:1]))
    play.commit()
    play.append(*pending[1:], b"x")
    play.commit()
    play.end()
    return machine
