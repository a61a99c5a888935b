"""Random operations on a small store, compactions and reopenings in between, against a dict."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from omnixan.edge_network.persistent_memory import format
from omnixan.edge_network.persistent_memory.errors import StoreFull, TooLarge
from omnixan.edge_network.persistent_memory.record import extent_of
from omnixan.edge_network.persistent_memory.store import Store
from tests.crash.expect import contents
from tests.crash.recording import Image, Machine, RecordingMedium

KEYS = st.sampled_from(["a", "b", "c/1", "c/2", "\u00e4" * 40])
VALUES = st.one_of(st.binary(max_size=90), st.integers(0, 5000).map(lambda length: bytes([length % 251]) * length))


class StoreMachine(RuleBasedStateMachine):
    """What a dict does, a store does; a full one refuses and stays as it was."""

    @initialize(pages=st.integers(2, 8))
    def make(self, pages: int) -> None:
        self.machine = Machine({"pm": Image.of(bytes(format.DATA + pages * 4096))})
        self.store = self.opened()
        self.model: dict[str, bytes] = {}
        self.position = 0

    def opened(self, *, readonly: bool = False) -> Store:
        return Store.open(RecordingMedium(self.machine, "pm"), readonly=readonly)

    def moved(self, position: int) -> None:
        assert position > self.position
        self.position = position

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: bytes) -> None:
        try:
            self.moved(self.store.put(key, value).position)
        except (StoreFull, TooLarge):
            needed = sum(extent_of(len(name.encode()), 0, len(held)) for name, held in self.model.items() if name != key)
            needed += extent_of(len(key.encode()), 0, len(value)) + 64
            assert needed > self.store.superblock.half_size
        else:
            self.model[key] = value

    @rule(key=KEYS, data=st.binary(min_size=1, max_size=70), place=st.floats(0, 1))
    @precondition(lambda self: self.model)
    def snapshot(self, key: str, data: bytes, place: float) -> None:
        value = bytearray(self.model.get(key, bytes(100)))
        offset = int(place * max(0, len(value) - len(data)))
        data = data[: len(value)]
        value[offset : offset + len(data)] = data
        try:
            self.moved(self.store.snapshot(key, value, [(offset, len(data))]).position)
        except StoreFull:
            return
        self.model[key] = bytes(value)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        position = self.store.delete(key).position
        assert position >= self.position
        self.position = position
        self.model.pop(key, None)

    @rule()
    def compact(self) -> None:
        report = self.store.compact()
        assert report.garbage == 0 and report.keys == len(self.model)

    @rule(closed=st.booleans())
    def reopen(self, closed: bool) -> None:
        if closed:
            self.store.close()
        self.store = self.opened()

    @invariant()
    def same(self) -> None:
        assert contents(self.store) == self.model
        report = self.store.report()
        assert 0 <= report.live <= report.used <= report.capacity

    @invariant()
    def a_reader_sees_the_same(self) -> None:
        assert contents(self.opened(readonly=True)) == self.model

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert not self.store.verify().damaged


StoreMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
test_a_store_behaves_like_a_dict = StoreMachine.TestCase
