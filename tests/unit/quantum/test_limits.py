"""The limits of the child that reads strangers' programs, tried in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import errno, json, os, resource, socket, sys
from omnixan.edge_network.quantum import limits
def error_of(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    except MemoryError:
        return "MemoryError"
    return "allowed"
"""


def run(body, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = PRELUDE + textwrap.dedent(body)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, env=environment, check=False, **options
    )


def test_a_confined_process_opens_nothing_and_keeps_its_answer_pipe():
    done = run(
        """
        socket.socket().close()
        open("/etc/hostname").close()
        open("/proc/self/statm").close()
        limits.confine(memory=64 << 20, cpu_seconds=5)
        answers = {
            "file": error_of(lambda: open("/etc/hostname")),
            "proc": error_of(lambda: os.open("/proc/self/environ", os.O_RDONLY)),
            "write": error_of(lambda: open("/tmp/x", "w")),
            "socket": error_of(lambda: socket.socket()),
            "pair": error_of(lambda: socket.socketpair()),
            "pipe": error_of(lambda: os.pipe()),
            "memory": error_of(lambda: bytearray(256 << 20)),
            "some memory": error_of(lambda: bytearray(16 << 20)),
            "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        }
        os.write(1, json.dumps(answers).encode())
        """
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        **dict.fromkeys(("file", "proc", "write", "socket", "pair", "pipe"), "EMFILE"),
        "memory": "MemoryError",
        "some memory": "allowed",
        "core": 0,
    }


def test_a_confined_process_gains_no_privileges_and_cannot_be_dumped():
    done = run(
        """
        status = os.open("/proc/self/status", os.O_RDONLY)
        limits.confine(memory=64 << 20, cpu_seconds=5)
        text = os.pread(status, 65536, 0).decode()
        os.write(1, text.encode())
        """
    )
    assert "NoNewPrivs:\t1" in done.stdout


def test_cpu_time_ends_with_sigxcpu():
    done = run(
        """
        limits.confine(memory=64 << 20, cpu_seconds=1)
        while True:
            pass
        """
    )
    assert done.returncode == -signal.SIGXCPU


def test_limits_cannot_be_raised_and_no_process_be_made():
    done = run(
        """
        if os.getuid() == 0:  # root may do both whatever the limits; agents do not run as root
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        limits.confine(memory=64 << 20, cpu_seconds=5)
        fork = error_of(os.fork)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            raised = "allowed"
        except (OSError, ValueError):
            raised = "refused"
        os.write(1, json.dumps([fork, raised]).encode())
        """
    )
    assert json.loads(done.stdout) == ["EAGAIN", "refused"]


@pytest.mark.parametrize("keep", [[0, 1, 2], [1], [1, 5], [0, 1, 2, 7, 9]])
def test_all_other_descriptors_are_closed(keep):
    done = run(
        f"""
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(12):
            if fd != 1:
                os.dup2(null, fd)
        limits.close_all_but({set(keep)})
        found = []
        for fd in range(64):
            try:
                os.fstat(fd)
                found.append(fd)
            except OSError:
                pass
        os.write(1, json.dumps(found).encode())
        os._exit(0)
        """
    )
    assert json.loads(done.stdout) == keep


def test_a_child_dies_with_its_parent():
    done = run(
        """
        import time
        reader, writer = os.pipe()
        parent = os.getpid()
        middle = os.fork()
        if middle == 0:
            mine = os.getpid()
            if os.fork() == 0:
                limits.die_with_parent(mine)
                os.write(writer, b"+")
                time.sleep(60)
                os._exit(0)
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        os.close(writer)
        os.waitpid(middle, 0)
        print(os.read(reader, 1))  # the grandchild's end of the pipe closes at once, not after a minute
        """
    )
    assert done.stdout.strip() == "b''"


def test_an_orphan_does_not_start():
    assert run("limits.die_with_parent(1 << 30)\nprint('alive')").stdout == ""
