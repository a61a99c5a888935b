"""What a guest does with a store, and what must be there after a power cut: both follow from a seed and record numbers.

A record is a key of its own. Every fourth also changes a piece of one larger value (an incremental snapshot), every tenth
deletes the record five before it, every fiftieth is followed by a compaction: the power may go in any of these.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from omnixan.edge_network.persistent_memory import Store

LONGEST = 4096
STATE = "state"
STATE_SIZE = 16384
CHANGES, DELETES, DELETED, COMPACTS = 4, 10, 5, 50


def key(number: int) -> str:
    """The key of record `number`."""
    return f"record/{number:06}"


def content(seed: int, number: int) -> bytes:
    """Record `number`: 1 to LONGEST bytes, most of them short."""
    source = random.Random(f"{seed}/{number}")
    return source.randbytes(int(LONGEST ** source.random()))


def change(seed: int, number: int) -> tuple[int, bytes]:
    """The piece of the state that record `number` changes: offset and bytes."""
    source = random.Random(f"{seed}/state/{number}")
    length = source.randint(1, 1024)
    return source.randrange(STATE_SIZE - length), source.randbytes(length)


def changes(number: int) -> bool:
    """Whether record `number` changes the state."""
    return number % CHANGES == CHANGES - 1


def deleted(last: int) -> set[int]:
    """The records whose deletion was acknowledged with record `last` or before."""
    return {number - DELETED for number in range(DELETES - 1, last + 1, DELETES)}


def state(seed: int, last: int) -> bytearray:
    """The state after record `last`."""
    value = bytearray(STATE_SIZE)
    for number in filter(changes, range(last + 1)):
        offset, piece = change(seed, number)
        value[offset : offset + len(piece)] = piece
    return value


class Workload:
    """Writes records into a store, one after another, from `first` on; what was under way before is written once more."""

    def __init__(self, store: Store, seed: int, first: int = 0) -> None:
        self._store, self._seed = store, seed
        self._state = state(seed, first - 1)

    def write(self, number: int) -> None:
        """All that belongs to record `number`: durable when it returns."""
        meta = {"number": str(number)}
        self._store.put(key(number), content(self._seed, number), meta=meta)
        if changes(number):
            offset, piece = change(self._seed, number)
            self._state[offset : offset + len(piece)] = piece
            self._store.snapshot(STATE, self._state, [(offset, len(piece))], meta=meta)
        if number % DELETES == DELETES - 1:
            self._store.delete(key(number - DELETED))
        if number % COMPACTS == COMPACTS - 1:
            self._store.compact()


@dataclass
class Findings:
    """What a store holds after a power cut: numbers of records, and sentences about what is wrong."""

    there: int = 0
    in_flight: int = 0
    """Records that were written and not acknowledged before the power went."""
    wrong: list[str] = field(default_factory=list)


def check(store: Store, seed: int, last: int) -> Findings:
    """Compare a store with what was acknowledged up to record `last`; what came after may be there, but must be right."""
    found = Findings()
    present = {int(entry.key.removeprefix("record/")) for entry in store.list("record/")}
    gone = deleted(last)
    for number in range(last + 1):
        if number in gone and number in present:
            found.wrong.append(f"record {number} was deleted and is there")
        if number not in gone and number not in present and number not in deleted(last + 1):
            found.wrong.append(f"record {number} is lost")
    for number in sorted(present):
        record = store.get(key(number))
        if record is None or record.value != content(seed, number):
            found.wrong.append(f"record {number} is not what was written")
        elif number <= last:
            found.there += 1
        else:
            found.in_flight += 1
    found.wrong += _check_state(store, seed, last)
    found.wrong += [f"{damage.key or 'a record'} at {damage.position}: {damage.what}" for damage in store.verify().damaged]
    return found


def _check_state(store: Store, seed: int, last: int) -> list[str]:
    record = store.get(STATE)
    acknowledged = max(filter(changes, range(last + 1)), default=None)
    if record is None:
        return [] if acknowledged is None else [f"the state of record {acknowledged} is lost"]
    at = int(record.meta["number"])
    if acknowledged is not None and at < acknowledged:
        return [f"the state is that of record {at}, that of {acknowledged} was acknowledged"]
    return [] if record.value == state(seed, at) else [f"the state of record {at} is not what was written"]
