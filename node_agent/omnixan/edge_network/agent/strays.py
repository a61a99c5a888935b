"""Reaps children that other processes left to us: in a container the agent is process 1, which inherits all orphans.

Where a worker is killed, the wide simulator it had started dies too, but only its parent could have asked for its exit
status. Unasked for, it would stay in the process table for as long as the agent lives.
"""

from __future__ import annotations

import os


def reap(own: int | None) -> int:
    """Reap the children that have ended, but for `own` (somebody waits for that one); return how many."""
    reaped = 0
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return reaped
        if ended is None or ended.si_pid == own:
            return reaped
        os.waitpid(ended.si_pid, 0)
        reaped += 1
