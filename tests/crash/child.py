"""A process to be killed: it writes to a store or a log on a real file and says on a pipe what was acknowledged.

`python -m tests.crash.child store PATH FIRST` or `… log PATH FIRST FIRST …` (a number for each thread). What an
operation does follows from its number alone, so that whoever killed it knows what has to be there.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from omnixan.edge_network.commitlog import Log
from omnixan.edge_network.persistent_memory.opening import open_medium
from omnixan.edge_network.persistent_memory.store import Store

STORE_SIZE = 1 << 20
SEGMENT_SIZE = 64 << 10
KEYS = 5
LENGTHS = (0, 10, 3000, 70_000, 200, 20_000)


def filled(number: int, length: int) -> bytes:
    """Bytes that no other operation writes."""
    word = number.to_bytes(8, "little")
    return (word * (length // 8 + 1))[:length]


def after(state: dict[str, bytes], number: int) -> dict[str, bytes]:
    """What operation `number` makes of a state."""
    key = f"key {number % KEYS}"
    result = dict(state)
    match number % 4:
        case 3 if len(state.get(key, b"")) >= 64:
            value = bytearray(state[key])
            value[8:24] = filled(number, 16)
            result[key] = bytes(value)
        case 2 if number % 3 == 0:
            result.pop(key, None)
        case _:
            result[key] = filled(number, LENGTHS[number % len(LENGTHS)])
    return result


def open_store(path: Path) -> Store:
    """On an ordinary file, made if it is not there."""
    return Store.open(open_medium(path, None if path.exists() and path.stat().st_size else STORE_SIZE, "file"))


def write_store(path: Path, number: int) -> None:
    """Operations from `number` on, until killed."""
    store = open_store(path)
    state = {entry.key: bytes(store.get(entry.key).value) for entry in store.list()}  # type: ignore[union-attr]
    while True:
        key, wanted = f"key {number % KEYS}", after(state, number)
        if key not in wanted:
            store.delete(key)
        elif number % 4 == 3 and len(state.get(key, b"")) >= 64:
            store.snapshot(key, wanted[key], [(8, 16)])
        else:
            store.put(key, wanted[key])
        state = wanted
        os.write(1, b"%d\n" % number)
        number += 1


def payload(thread: int, number: int) -> bytes:
    """What a thread appends as its record `number`."""
    return b"%d:%d:" % (thread, number) + filled(number, number * 37 % 900)


def write_log(path: Path, firsts: list[int]) -> None:
    """A thread for each of `firsts`, each commits after every few of its records, until killed."""
    log = Log.open(path, segment_size=SEGMENT_SIZE)

    def work(thread: int, number: int) -> None:
        while True:
            for _ in range(1 + number % 3):
                log.append(payload(thread, number))
                number += 1
            log.commit()
            os.write(1, b"%d:%d\n" % (thread, number - 1))

    for thread, first in enumerate(firsts):
        threading.Thread(target=work, args=(thread, first)).start()


if __name__ == "__main__":
    what, where, *numbers = sys.argv[1:]
    if what == "store":
        write_store(Path(where), int(numbers[0]))
    else:
        write_log(Path(where), [int(number) for number in numbers])
