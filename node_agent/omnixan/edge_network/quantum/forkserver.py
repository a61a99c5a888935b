"""The fork server: one warm, single-threaded process that forks a limited child for each stranger's program.

A fresh interpreter takes about half a second to load the parser; a fork of this process has it at once and shares its
memory. The server itself never reads a program: the text comes as a sealed memory file, the answer leaves through a
pipe, and both belong to the child. It forks the quantum worker too, for the same reason.

Started by `sandbox.Sandbox` as `python -m …forkserver FD`, where FD is one end of a SOCK_SEQPACKET pair. One packet is
one JSON object:

    → {"op": "parse", "id": n, "want": "circuit" | "analysis", "sha256": …, "limits": {wall, cpu, memory}}
                                                                                        + descriptors [text, answer]
    → {"op": "worker", "id": n}                                                         + descriptors [socket]
    → {"op": "kill", "id": n}
    ← {"ready": true} once
    ← {"id": n, "pid": p} when it is forked, {"id": n, "exit": status, "why": "wall" | "memory" | null} at its end

`exit` is the exit code, or minus the signal's number. The end of the connection ends the server and all its children.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omnixan.edge_network.quantum import frames, limits, openqasm, worker_loop
from omnixan.edge_network.quantum.analysis import analyze
from omnixan.edge_network.quantum.errors import ProgramError

MAX_CHILDREN = 64
EXIT_MEMORY = 77
EXIT_INTERNAL = 78

#: A child is looked at this often (ms), and killed when it is over its memory. Its own limit is higher by the slack: a
#: Python that is refused memory does not always stop (3.11 can loop where it should raise), so that is the last resort.
_LOOK = 50
_SLACK = 64 * 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: Parsed once before the first fork, so that a child finds every module loaded and every parser table built: it
#: could not open their files.
_WARM_UP = (
    """OPENQASM 3.0;
include "stdgates.inc";
// a comment
/* another */
const int n = 3;
const float half = pi / 2 ** 1 % 5;
gate pair(theta) a, b { rx(theta) a; ctrl @ ry(-theta / 2) a, b; gphase(theta); for int i in {1, 2} { rz(i) a; } }
qubit[n] q; qubit[2] r; qubit single; bit[n] c; bit d;
let alias = q[0:1] ++ r[{0, 1}];
h q; cx q[0], q[1]; U(0.1, 0.2, 0.3) single; ccx q[0], q[1], q[2]; id alias;
for uint i in [0:n - 2] { inv @ pair(sin(half) + i) q[i], q[i + 1]; }
ctrl(2) @ negctrl @ rx(0.3) q[0], q[1], q[2], single;
pow(0.5) @ x q[0]; pow(-2) @ pair(1.5e-3) q[0], q[1]; swap r[0], r[1];
barrier q;
c = measure q; d = measure single;
""",
    "OPENQASM 3.0;\nqubit q\nh q;",
    'OPENQASM 3.0;\ninclude "other.inc";',
    "OPENQASM 3.0;\nqubit[2] q; reset q;",
    "OPENQASM 3.0; £",
    "OPENQASM 3.0; qubit q; bit c; if (c == 1) { U(1/0, 0, 0) q; }",
)


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process: its number in the protocol, its pid, a descriptor that tells its end.

    Children that parse have a deadline (monotonic clock) and an address space (bytes) they may fill.
    """

    number: int
    pid: int
    pidfd: int
    deadline: float = float("inf")
    memory: float = float("inf")


class Server:
    """The loop: packets in, forks, deadlines, ends out. Nothing here blocks."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pid = os.getpid()
        self._children: dict[int, Child] = {}
        self._killed: dict[int, str] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Serve until the other end is closed."""
        self._send({"ready": True})
        while True:
            parsing = any(child.deadline < float("inf") for child in self._children.values())
            for fd, _ in self._poll.poll(_LOOK if parsing else None):
                if fd == self._control.fileno():
                    packet, descriptors, _, _ = socket.recv_fds(self._control, 65536, 4)
                    if not packet:
                        return
                    self._handle(json.loads(packet), descriptors)
                else:
                    self._reap(fd)
            self._look_after_children()

    def _handle(self, message: dict[str, Any], descriptors: list[int]) -> None:
        number = int(message["id"])
        try:
            if message["op"] == "kill":
                for child in self._children.values():
                    if child.number == number:
                        os.kill(child.pid, signal.SIGKILL)  # not reaped yet, so the pid is still its own
            elif len(self._children) >= MAX_CHILDREN:
                self._send({"id": number, "exit": EXIT_INTERNAL, "why": "too many children"})
            else:
                self._fork(number, message, descriptors)
        finally:
            for fd in descriptors:
                os.close(fd)

    def _fork(self, number: int, message: dict[str, Any], descriptors: list[int]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = EXIT_INTERNAL
            try:
                code = self._parse(message, *descriptors) if message["op"] == "parse" else self._work(*descriptors)
            except MemoryError:
                code = EXIT_MEMORY
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        child = Child(number, pid, os.pidfd_open(pid))
        if message["op"] == "parse":
            allowed = message["limits"]
            child = replace(
                child,
                deadline=time.monotonic() + allowed["wall"],
                memory=_address_space(self._pid) + allowed["memory"],
            )
        self._children[child.pidfd] = child
        self._poll.register(child.pidfd, select.POLLIN)
        self._send({"id": number, "pid": pid})

    def _parse(self, message: dict[str, Any], text_fd: int, answer_fd: int) -> int:
        """Run in the child: parse one program within limits and write the answer."""
        limits.die_with_parent(self._pid)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        limits.close_all_but({0, 1, 2, text_fd, answer_fd})
        limits.confine(message["limits"]["memory"] + _SLACK, message["limits"]["cpu"])
        text = os.pread(text_fd, os.fstat(text_fd).st_size, 0).decode()
        answer: dict[str, Any]
        try:
            circuit = openqasm.parse(text)
            answer = {"analysis": analyze(circuit, message["sha256"])}
            if message["want"] == "circuit":
                answer["circuit"] = circuit.to_dict()
        except ProgramError as error:
            answer = {"error": error.to_dict()}
        data = memoryview(frames.encode(answer))
        while data:
            data = data[os.write(answer_fd, data) :]
        return 0

    def _work(self, socket_fd: int) -> int:
        """Run in the child: be the quantum worker until its connection ends."""
        limits.die_with_parent(self._pid)
        limits.close_all_but({0, 1, 2, socket_fd})
        worker_loop.serve(socket.socket(fileno=socket_fd))
        return 0

    def _reap(self, pidfd: int) -> None:
        child = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(child.pid, 0)
        why = self._killed.pop(pidfd, None)
        self._send({"id": child.number, "exit": os.waitstatus_to_exitcode(status), "why": why})

    def _look_after_children(self) -> None:
        """Kill what is over its time or its memory."""
        now = time.monotonic()
        for child in self._children.values():
            why = "wall" if child.deadline <= now else None
            if why is None and child.memory < float("inf") and _address_space(child.pid) > child.memory:
                why = "memory"
            if why is not None and child.pidfd not in self._killed:
                self._killed[child.pidfd] = why
                os.kill(child.pid, signal.SIGKILL)

    def _send(self, message: dict[str, Any]) -> None:
        self._control.send(json.dumps(message).encode())


def _address_space(pid: int) -> int:
    """Return the size of a process's address space in bytes, 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * _PAGE
    except (OSError, IndexError):
        return 0


def warm_up() -> None:
    """Load and run once everything that children use."""
    for text in _WARM_UP:
        try:
            analyze(openqasm.parse(text))
        except ProgramError as error:
            error.to_dict()
    worker_loop.warm_up()


def main() -> None:
    """Serve on the descriptor given as the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the parent, which closes the connection
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    warm_up()
    gc.collect()
    gc.freeze()  # a collection in a child must not copy the shared pages
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone; children die with us
        Server(control).serve()


if __name__ == "__main__":
    main()
