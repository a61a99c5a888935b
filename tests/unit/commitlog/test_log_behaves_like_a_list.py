"""Random appends, commits, truncations and reopenings over small segments, against a list."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from omnixan.edge_network.commitlog import Log
from omnixan.edge_network.commitlog.segment import MINIMUM
from tests.crash.recording import Machine, RecordedSegments


class LogMachine(RuleBasedStateMachine):
    """What is committed is read, in order, at the position that `append` gave."""

    @initialize()
    def make(self) -> None:
        self.machine = Machine()
        self.log = self.opened()
        self.durable: list[tuple[int, bytes]] = []
        self.waiting: list[tuple[int, bytes]] = []
        self.first = 0

    def opened(self, *, readonly: bool = False) -> Log:
        return Log.over(RecordedSegments(self.machine), readonly=readonly, segment_size=MINIMUM)

    @rule(payload=st.one_of(st.binary(max_size=100), st.integers(0, 4032).map(bytes)))
    def append(self, payload: bytes) -> None:
        self.waiting.append((self.log.append(payload), payload))

    @rule()
    def commit(self) -> None:
        ack = self.log.commit()
        self.durable += self.waiting
        self.waiting = []
        assert ack.position == self.log.end_position == self.log.durable_position

    @rule(place=st.floats(0, 1))
    @precondition(lambda self: self.durable)
    def truncate(self, place: float) -> None:
        self.first = max(self.first, self.durable[int(place * (len(self.durable) - 1))][0])
        assert self.log.truncate_before(self.first) <= self.first

    @rule(payloads=st.lists(st.binary(max_size=50), max_size=4))
    def compact(self, payloads: list[bytes]) -> None:
        start = self.log.compact(payloads)
        self.durable += self.waiting
        self.waiting = []
        new = list(self.log.read(start))
        assert [entry.payload for entry in new] == payloads
        self.durable += [(entry.position, entry.payload) for entry in new]
        self.first = max(self.first, start)

    @rule(closed=st.booleans())
    def reopen(self, closed: bool) -> None:
        if closed:
            self.log.close()
            self.durable += self.waiting
        self.waiting = []
        self.log = self.opened()

    @invariant()
    def same(self) -> None:
        for log in (self.log, self.opened(readonly=True)):
            found = [(entry.position, entry.payload) for entry in log.read()]
            assert found == self.durable[len(self.durable) - len(found) :]
            assert {entry for entry in self.durable if entry[0] >= self.first} <= set(found)

    @invariant()
    def every_position_is_a_place_to_begin(self) -> None:
        for place, (position, payload) in enumerate(self.durable[-3:]):
            if position >= self.log.first_position:
                entry = next(self.log.read(position))
                assert (entry.position, entry.payload) == (position, payload)
                assert [later.position for later in self.log.read(entry.next_position)] == [
                    where for where, _ in self.durable[-3:][place + 1 :]
                ]


LogMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
test_a_log_behaves_like_a_list = LogMachine.TestCase
