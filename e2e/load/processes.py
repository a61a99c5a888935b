"""The processes of a load: the real operator, the real analyzer, the simulator; and what the kernel says of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from e2e.cluster.process import dying_with_us
from e2e.load.accounts import SYSTEM
from e2e.load.figures import total
from e2e.load.plane import POD, Plane
from e2e.load.scale import SITE, Scale

TICK = os.sysconf("SC_CLK_TCK")


class LoadError(RuntimeError):
    """A part of the load did not do what it has to; the message says which and what it last said."""


def wait(what: str, probe: Callable[[], object], seconds: float, every: float = 0.1) -> None:
    """Poll until `probe` returns something true; LoadError after so many seconds."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise LoadError(f"after {seconds:g} s it is not so that {what}")
        time.sleep(every)


def cpu_seconds() -> dict[str, float]:
    """User and system time that each child of this process has taken, its own children included, by its program."""
    stats: dict[int, tuple[str, int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended meanwhile
            name, fields = path.read_text().split("(", 1)[1].rsplit(")", 1)
            numbers = fields.split()
            stats[int(path.parent.name)] = (name, int(numbers[1]), sum(map(int, numbers[11:15])))
    taken: Counter[str] = Counter()
    for pid, (_, _, ticks) in stats.items():
        while pid in stats and stats[pid][1] != os.getpid():
            pid = stats[pid][1]
        if pid in stats:
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                module = words[words.index("-m") + 1] if "-m" in words else stats[pid][0]
                taken[module.removeprefix("omnixan_operator.").rpartition(".")[2]] += ticks
    return {name: round(ticks / TICK, 1) for name, ticks in taken.most_common()}


class Process:
    """A Python module as a process with a log and a session of its own.

    The kernel shares the processors between sessions, as it does between containers, which have groups of their own; within
    one it would share them between threads, of which an API server has many.
    """

    def __init__(self, name: str, folder: Path, module: str, *arguments: str, **environment: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        argv = [sys.executable, "-m", module, *arguments]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                dying_with_us(argv),
                env=os.environ | environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """LoadError if it has ended."""
        if self._process.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise LoadError(f"{self.name} ended with status {self._process.returncode}:\n{tail}")

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(10)

    def memory_mib(self, field: str = "VmRSS") -> float:
        """Resident memory now, or at its highest (VmHWM)."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
        return round(int(found[1]) / 1024, 1) if found else 0.0


class Operator(Process):
    """The real operator, with its own account and token."""

    def __init__(self, plane: Plane, socket: Path) -> None:
        self._port = 0
        log = plane.bare.directory / "operator.log"
        self._seen = log.stat().st_size if log.exists() else 0
        super().__init__(
            "operator",
            plane.bare.directory,
            "omnixan_operator.main",
            KUBECONFIG=str(plane.operator),
            POD_NAMESPACE=SYSTEM,
            POD_NAME=POD,
            AGENT_IMAGE="registry.invalid/agent:1",
            ANALYZER_SOCKET=str(socket),
            METRICS_HOST="127.0.0.1",
            METRICS_PORT="0",
        )

    def started(self) -> None:
        """Wait until it leads."""
        wait("the operator says its port", self._said_port, 300)
        wait("the operator leads", lambda: total(self.metrics(), "omnixan_operator_leader") == 1, 300)

    def metrics(self) -> str:
        """Its metrics as it shows them."""
        self.check()
        return requests.get(f"http://127.0.0.1:{self._port or self._said_port()}/metrics", timeout=30).text

    def _said_port(self) -> int:
        self.check()
        found = re.findall(rb"listening on port (\d+)", self.log.read_bytes()[self._seen :])
        self._port = int(found[-1]) if found else 0
        return self._port


@contextmanager
def surroundings(plane: Plane, scale: Scale) -> Iterator[tuple[Process, Process, Path]]:
    """The analyzer and the simulator while the block runs, and the analyzer's socket."""
    socket = plane.bare.directory / "analyzer.sock"
    folder = plane.bare.directory
    analyzer = Process("analyzer", folder, "omnixan.edge_network.quantum.analyzer", "--socket", str(socket))
    simulator = Process(
        "simulator",
        folder,
        "e2e.load.simulator",
        *("--kubeconfig", str(plane.simulator), "--namespace", SITE, "--run-seconds", str(scale.run_seconds)),
    )
    try:
        wait("the analyzer listens", socket.exists, 300)
        yield analyzer, simulator, socket
    finally:
        for process in (simulator, analyzer):
            process.stop()
