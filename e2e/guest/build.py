"""Kernel and initramfs of the guest, in the cache: made once of what is installed, then only looked up.

    guest/guest-KEY/vmlinux          the kernel
    guest/guest-KEY/base.cpio        Python, ndctl, libpmem, mkfs, kernel modules
    guest/guest-KEY/kernel           its version

KEY is of the packages that files are taken from, with their versions, and of the code that builds. The kernel's version
is not in it: a finished guest is as good with yesterday's kernel, and nobody has to ask a mirror for a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.cache import artefact_lock, cache_root, key_of, new_folder, used
from e2e.cluster.process import run
from e2e.cluster.steps import Steps
from e2e.guest import files, initramfs, kernel
from e2e.manifests import ROOT

HERE = Path(__file__).parent
PACKAGES = ("python3", "ndctl", "daxctl", "libpmem1", "libpmem2", "e2fsprogs", "mount", "libc6")
"""Installed by scripts/setup, together with qemu-system-x86 and lz4, which stay outside the guest."""

CODE = "/opt/omnixan"
"""Where the guest finds our own code."""

INIT = f"""#!/usr/bin/python3 -BS
import sys
sys.path.insert(0, {CODE!r})
from e2e.guest.inside.init import main
main()
"""
OURS = (
    *("e2e/__init__.py", "e2e/guest/__init__.py", "e2e/guest/inside"),
    *("node_agent/omnixan/edge_network/__init__.py", "node_agent/omnixan/edge_network/persistent_memory"),
)
"""What of the checkout the guest runs: nothing of it needs more than the standard library."""


@dataclass(frozen=True)
class Guest:
    """What a machine boots: files in the cache."""

    kernel: Path
    base: Path
    version: str


def ensure_guest(steps: Steps) -> Guest:
    """The guest, built if it is not in the cache. Raises CommandError or MissingFile, which say what is not installed."""
    versions = run(["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *PACKAGES])
    key = key_of(versions, *(HERE / name for name in ("build.py", "files.py", "initramfs.py", "kernel.py")))
    folder = cache_root() / "guest" / f"guest-{key}"
    with artefact_lock("guest"):
        if not folder.exists():
            with steps.step("build the guest with NVDIMMs"), new_folder(folder) as scratch:
                _build(scratch)
        used(folder)
    return Guest(folder / "vmlinux", folder / "base.cpio", (folder / "kernel").read_text())


def _build(folder: Path) -> None:
    download = folder / "download"
    download.mkdir()
    found = kernel.fetch(download)
    for package in download.iterdir():
        package.unlink()
    download.rmdir()
    modules = {f"/modules/{number:02}-{name}.ko": body for number, (name, body) in enumerate(found.modules)}
    (folder / "vmlinux").write_bytes(found.image)
    (folder / "base.cpio").write_bytes(initramfs.archive(files.needed() | modules))
    (folder / "kernel").write_text(found.version)


def own_code(task: bytes) -> bytes:
    """The archive that follows the base: our code as it is in the checkout now, /init, and what is to be done (JSON)."""
    content: dict[str, initramfs.Content] = {"/init": INIT.encode(), "/task.json": task}
    for name in OURS:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            content[f"{CODE}/{file.relative_to(ROOT).as_posix().removeprefix('node_agent/')}"] = file
    return initramfs.archive(content)
