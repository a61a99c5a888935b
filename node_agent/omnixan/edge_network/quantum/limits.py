"""Limits that a child process puts on itself before it touches a stranger's program. Linux only.

After `confine` the process can open no file and no socket, make no new process, write no file, use no more memory or
CPU time than told, gain no privilege, leave no core dump, and it dies with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; `parent` is the pid it must still have."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def close_all_but(keep: set[int]) -> None:
    """Close every file descriptor that is not in `keep`."""
    below = 0
    for fd in sorted(keep):
        if fd > below:  # closerange(0, 0) closes everything on Linux: its upper end is taken as −1, unsigned
            os.closerange(below, fd)
        below = fd + 1
    os.closerange(below, max(below, resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16))


def confine(memory: int, cpu_seconds: int) -> None:
    """Apply all limits; nothing undoes them.

    `memory` is how many bytes of address space may be added to what the process has, `cpu_seconds` its CPU time from
    its start, after which SIGXCPU ends it.
    """
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError):  # a read-only /proc: the limits below hold all the same
        Path("/proc/self/oom_score_adj").write_text("1000")  # if the pod runs out of memory, this process first
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    for limit, value in (
        (resource.RLIMIT_AS, in_use + memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        # Soft and hard at once, so that it cannot be raised again; CPU one second apart, so that SIGXCPU comes first.
        resource.setrlimit(limit, (value, value + 1 if limit == resource.RLIMIT_CPU else value))
