"""The devices under test, from raw to a mounted file system. A second boot finds them as the first one left them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from e2e.guest.inside.system import call, mount, wait_for

EXT4_MAGIC = (0x438, b"\x53\xef")
"""Where an ext4 file system says that it is one, and how (https://docs.kernel.org/filesystems/ext4/super.html)."""


def namespace(region: int, mode: str) -> str:
    """The device of the NVDIMM's only namespace, which is made one of `mode` (fsdax, devdax) if it is raw."""
    name = f"namespace{region}.0"
    found = _namespace(name)
    if found["mode"] == "raw":
        call("ndctl", "create-namespace", "--force", f"--reconfig={name}", f"--mode={mode}")
        found = _namespace(name)
    if found["mode"] != mode:
        raise RuntimeError(f"{name} has mode {found['mode']}, not {mode}")
    device = f"/dev/{found['blockdev'] if mode == 'fsdax' else found['chardev']}"
    wait_for(device)
    return device


def _namespace(name: str) -> dict[str, Any]:
    listed = json.loads(call("ndctl", "list", "--namespaces", "--idle", f"--namespace={name}") or "[]")
    if len(listed) != 1:
        raise RuntimeError(f"ndctl lists {len(listed)} namespaces called {name}: {listed}")
    return dict(listed[0])


def mounted(device: str, folder: str, *, dax: bool) -> None:
    """Mount an ext4 file system, made if there is none, with or without DAX."""
    wait_for(device)
    if not _is_ext4(device):
        call("mkfs.ext4", "-q", "-b", "4096", device)
    mount(device, folder, "--types", "ext4", *(("--options", "dax") if dax else ()))


def _is_ext4(device: str) -> bool:
    offset, magic = EXT4_MAGIC
    with Path(device).open("rb") as file:
        file.seek(offset)
        return file.read(len(magic)) == magic
