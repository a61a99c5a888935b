"""kill -9 while a process writes to a real file: everything that it said was acknowledged has to be there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omnixan.edge_network.commitlog import Log
from tests.crash.child import after, open_store, payload
from tests.crash.expect import Violation

THREADS = 3
ROOT = Path(__file__).parents[2]


@contextmanager
def _child(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join(str(ROOT / place) for place in ("operator", "node_agent", "."))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.child", *arguments],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: subprocess.Popen[bytes], draw: random.Random, most: int) -> list[bytes]:
    """Let it acknowledge a random number of operations, kill it a random moment later; all that it said."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(draw.randint(1, most))]
    if not all(lines):
        raise AssertionError(f"the child ended by itself, status {process.wait()}")
    time.sleep(draw.random() * 0.004)  # the random moment
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    return [line for line in lines if line.endswith(b"\n")]


class StoreKills:
    """Rounds over one store; each goes on where the one before was killed."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.draw = path, random.Random(seed)
        self.number = 1
        self.state: dict[str, bytes] = {}
        self.acknowledged = self.unacknowledged = 0

    def round(self) -> None:
        """Raises `Violation` unless what was acknowledged is there, perhaps with the one operation begun after it."""
        with _child("store", str(self.path), str(self.number)) as process:
            said = _said(process, self.draw, 40)
        for line in said:
            if int(line) != self.number:
                raise AssertionError(f"said {line!r}, expected {self.number}")
            self.state = after(self.state, self.number)
            self.number += 1
        self.acknowledged += len(said)
        with open_store(self.path) as store:
            found = {entry.key: bytes(store.get(entry.key).value) for entry in store.list()}  # type: ignore[union-attr]
            if store.verify().damaged:
                raise Violation(f"damaged after operation {self.number - 1}: {store.verify().damaged}")
        begun = after(self.state, self.number)
        if found not in (self.state, begun):
            raise Violation(f"after operation {self.number - 1}: {sorted(found)} differ from what was acknowledged")
        if found != self.state:
            self.unacknowledged += 1
            self.number += 1
        self.state = found


class LogKills:
    """Rounds over one log with several threads; each goes on where the one before was killed."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.draw = path, random.Random(seed)
        self.next = [0] * THREADS
        self.acknowledged = self.unacknowledged = 0

    def round(self) -> None:
        """Raises `Violation` if a record is missing, torn, or not in its thread's order."""
        with _child("log", str(self.path), *(str(number) for number in self.next)) as process:
            said = _said(process, self.draw, 60)
        needed = list(self.next)
        for line in said:
            thread, number = (int(word) for word in line.split(b":"))
            needed[thread] = max(needed[thread], number + 1)
        found = [0] * THREADS
        with Log.open(self.path) as log:
            for entry in log.read():
                thread = int(entry.payload.split(b":", 1)[0])
                if entry.payload != payload(thread, found[thread]):
                    raise Violation(f"position {entry.position}: expected record {found[thread]} of thread {thread}")
                found[thread] += 1
        if any(there < wanted for there, wanted in zip(found, needed, strict=True)):
            raise Violation(f"found {found} records of each thread, acknowledged {needed}")
        self.acknowledged += sum(needed) - sum(self.next)
        self.unacknowledged += sum(found) - sum(needed)
        self.next = found
