"""Other allocators, unpacked into the cache and not installed: Debian's jemalloc and mimalloc, pyarrow's pools."""

from __future__ import annotations

import sys
from pathlib import Path

from e2e.cluster.cache import artefact_lock, cache_root, new_folder, used
from e2e.cluster.process import CommandError, run

LIBRARIES = {"jemalloc": ("libjemalloc2", "libjemalloc.so.2"), "mimalloc": ("libmimalloc2.0", "libmimalloc.so.2.0")}
PYARROW = "26.0.1"


def library(name: str) -> Path | None:
    """The shared library to preload, or None where apt does not have it."""
    package, file = LIBRARIES[name]
    target = cache_root() / "trees" / f"allocator-{package}"
    try:
        with artefact_lock("allocators"):
            if not target.exists():
                with new_folder(target) as scratch:
                    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], cwd=scratch, timeout=300)
                    (deb,) = scratch.glob("*.deb")
                    run(["dpkg-deb", "-x", deb, scratch / "tree"], timeout=60)
        return next((path for path in sorted(used(target).rglob(f"{file}*")) if path.is_file()), None)
    except (CommandError, OSError, ValueError) as error:
        print(f"  {name} is absent: {error}", flush=True)
        return None


def arrow() -> Path | None:
    """A folder to import pyarrow from, or None where it cannot be had."""
    target = cache_root() / "trees" / f"pyarrow-{PYARROW}-{sys.version_info[0]}{sys.version_info[1]}"
    try:
        with artefact_lock("allocators"):
            if not target.exists():
                with new_folder(target) as scratch:
                    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:"]
                    run([*pip, "--target", scratch / "lib", f"pyarrow=={PYARROW}"], timeout=600)
        return used(target) / "lib"
    except (CommandError, OSError) as error:
        print(f"  pyarrow is absent: {error}", flush=True)
        return None
