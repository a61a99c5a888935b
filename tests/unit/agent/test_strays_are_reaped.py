"""In a process of its own that inherits orphans as process 1 of a container does."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import ctypes, os, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from omnixan.edge_network.agent.strays import reap

PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

def zombies():
    found = []
    for pid in open(f"/proc/self/task/{os.getpid()}/children").read().split():
        if open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z":
            found.append(int(pid))
    return found

def until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)

assert reap(None) == 0
subprocess.run(["sh", "-c", "true & true & exit 0"], check=True)
until(lambda: len(zombies()) == 2)
assert reap(None) == 2
assert zombies() == []
own = subprocess.Popen(["sh", "-c", "exit 7"])
until(lambda: zombies() == [own.pid])
assert reap(own.pid) == 0
assert own.wait() == 7
assert reap(None) == 0
print("well")
"""


def test_orphans_are_reaped_and_own_children_keep_their_exit_status():
    command = [sys.executable, "-c", PROGRAM, str(Path("node_agent").resolve())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "well\n", ended.stderr
