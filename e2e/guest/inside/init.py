"""Process 1 of the guest: mounts, modules, the steps the host asked for, power off. Whatever is raised is told."""

from __future__ import annotations

import ctypes
import json
import os
import traceback
from pathlib import Path

from e2e.guest.inside.host import Host
from e2e.guest.inside.system import mount

FINIT_MODULE = 313
"""The system call's number on x86-64; libc has no function for it."""
POWER_OFF = 0x4321FEDC

FILE_SYSTEMS = (("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/tmp"), ("tmpfs", "/run"))


def main() -> None:
    """Do what /task.json says, step by step, and switch the machine off."""
    for kind, folder in FILE_SYSTEMS:
        Path(folder).mkdir(exist_ok=True)
        mount(kind, folder, "--types", kind)
    os.environ |= {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"}
    host = Host()
    try:
        from e2e.guest.inside.steps import STEPS  # here, so that an import that fails is told too

        _load_modules()
        for step in json.loads(Path("/task.json").read_text()):
            STEPS[step["step"]](host, **step.get("with", {}))
        host.says("done")
    except BaseException as error:  # process 1 has nobody above it who would show this
        host.says("failed", error=f"{type(error).__name__}: {error}", trace=traceback.format_exc()[-4000:])
    ctypes.CDLL(None).reboot(ctypes.c_uint(POWER_OFF))


def _load_modules() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for path in sorted(Path("/modules").iterdir()):
        file = os.open(path, os.O_RDONLY)
        if libc.syscall(FINIT_MODULE, file, b"", 0):
            raise OSError(ctypes.get_errno(), f"module {path.name}: {os.strerror(ctypes.get_errno())}")
        os.close(file)
