"""A Python process of its own for a library that may neither be imported into nor forked from the agent's processes.

It is started afresh when it is first needed and again after a crash, speaks frames, and dies with its parent.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys


class Spawned:
    """`python -m MODULE FD THREADS PARENT`: FD is its end of the connection, PARENT our pid."""

    def __init__(self, module: str, threads: int = 1) -> None:
        self._module = module
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def connect(self) -> tuple[socket.socket, bool]:
        """Return the connection and whether the process is a new one, started just now."""
        if self._connection is not None and self._process is not None and self._process.poll() is None:
            return self._connection, False
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self._module, str(theirs.fileno()), str(self._threads), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": str(self._threads), "OPENBLAS_NUM_THREADS": "1"},
            )
        self._connection = ours
        return ours, True

    @property
    def pid(self) -> int | None:
        """The process; None while there is none."""
        return None if self._process is None else self._process.pid

    def ended(self) -> int | None:
        """Wait for a process that closed its end, and return its status; None if there is none."""
        code = self._process.wait() if self._process is not None else None
        self.close()
        return code

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
