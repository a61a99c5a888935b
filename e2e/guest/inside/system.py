"""Programs and devices of the guest."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

PATIENCE_SECONDS = 120
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"}


def call(*command: str) -> str:
    """Run a program, return what it printed; RuntimeError with its complaint if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ENVIRONMENT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def mount(device: str, folder: str, *options: str) -> None:
    """Mount `device` on `folder`, made if it is not there."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    call("/usr/bin/mount", *options, device, folder)


def mount_options(folder: str) -> str:
    """The options of what is mounted on `folder`, as the kernel tells them."""
    for line in Path("/proc/mounts").read_text().splitlines():
        fields = line.split()
        if fields[1] == folder:
            return fields[3]
    raise RuntimeError(f"nothing is mounted on {folder}")


def wait_for(path: str) -> None:
    """Until a device file is there; RuntimeError after two minutes."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not Path(path).exists():
        if time.monotonic() > until:
            raise RuntimeError(f"{path} has not come; there are {sorted(device.name for device in Path('/dev').iterdir())}")
        time.sleep(0.05)
