"""What must be found after a power cut, and the look at one image."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from omnixan.edge_network.commitlog import Log
from omnixan.edge_network.persistent_memory.medium import MediumError
from omnixan.edge_network.persistent_memory.store import Store
from tests.crash.recording import LeftMedium, LeftSegments, Line

SEGMENT = 4096 + 4096


class Violation(AssertionError):
    """An acknowledged record is lost, a torn one is read, or recovery refuses what a power cut may leave."""


class Expectation(Protocol):
    """What a look at an image has to find; `touched` notes the lines on which the answer depends."""

    def look(self, media: dict[str, bytearray], touched: set[Line]) -> None: ...


@dataclass(frozen=True)
class StoreHolds:
    """One of these states: the acknowledged one, and during an operation the one after it.

    `position`: the last acknowledged.
    """

    states: tuple[dict[str, bytes], ...]
    position: int

    def look(self, media: dict[str, bytearray], touched: set[Line]) -> None:
        try:
            store = Store.open(LeftMedium("pm", media["pm"], touched))
            found = contents(store)
            if found not in self.states:
                raise Violation(f"found {_short(found)}, allowed {[_short(state) for state in self.states]}")
            ack = store.put("after the cut", b"goes on")
            if ack.position <= self.position:
                raise Violation(f"position {ack.position} after {self.position} was acknowledged")
            again = contents(Store.open(LeftMedium("pm", media["pm"], touched), readonly=True))
        except MediumError as error:
            raise Violation(f"{type(error).__name__}: {error}") from error
        if again != {**found, "after the cut": b"goes on"}:
            raise Violation(f"after going on: {_short(again)}, before: {_short(found)}")


@dataclass(frozen=True)
class LogHolds:
    """All of `acked` (position, payload) from `first` on, then perhaps some of `pending` in order, nothing else.

    `instead`: that this or what it says holds is enough. A compaction removes old records once the new ones are durable.
    """

    acked: tuple[tuple[int, bytes], ...]
    pending: tuple[tuple[int, bytes], ...]
    first: int
    instead: LogHolds | None = None

    def fits(self, found: list[tuple[int, bytes]]) -> bool:
        written = [*self.acked, *self.pending]
        start = next((place for place, entry in enumerate(written) if found and entry == found[0]), len(written))
        needed = [entry for entry in self.acked if entry[0] >= self.first]
        if found == written[start : start + len(found)] and [entry for entry in found if entry in needed] == needed:
            return True
        return self.instead is not None and self.instead.fits(found)

    def look(self, media: dict[str, bytearray], touched: set[Line]) -> None:
        try:
            log = Log.over(LeftSegments(media, touched), segment_size=SEGMENT)
            found = [(entry.position, entry.payload) for entry in log.read()]
            if not self.fits(found):
                acked, pending = _places(self.acked), _places(self.pending)
                raise Violation(f"found {_places(found)}, acknowledged from {self.first} on {acked}, pending {pending}")
            position = log.append(b"after the cut")
            log.commit()
            reader = Log.over(LeftSegments(media, touched), readonly=True, segment_size=SEGMENT)
            again = [(entry.position, entry.payload) for entry in reader.read()]
        except MediumError as error:
            raise Violation(f"{type(error).__name__}: {error}") from error
        if again != [*found, (position, b"after the cut")]:
            raise Violation(f"after going on: {_places(again)}, before: {_places(found)}")


def _places(entries: Iterable[tuple[int, bytes]]) -> list[str]:
    return [f"{position}+{len(payload)} ({zlib.crc32(payload):x})" for position, payload in entries]


def contents(store: Store) -> dict[str, bytes]:
    """Every key with its value; raises if one cannot be read."""
    found = {}
    for entry in store.list():
        record = store.get(entry.key)
        assert record is not None
        found[entry.key] = bytes(record.value)
    return found


def _short(state: dict[str, bytes]) -> dict[str, str]:
    return {key: f"{len(value)} bytes, {value[:8]!r}…" for key, value in state.items()}
