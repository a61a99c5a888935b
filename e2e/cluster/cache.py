"""The cache outside the clone: content-keyed names, complete or absent, one run at a time.

Layout below `$XDG_CACHE_HOME/omnixan-edge` (default `~/.cache/omnixan-edge`):

    bin/PROJECT-KEY/     programs built from Go modules; bin/helm-KEY, bin/go-KEY from PyPI
    trees/NAME-KEY/      Debian trees; trees/debs: the packages they were made from
    wheels/NAME-KEY/     locked wheels for the application images
    guest/guest-KEY/     kernel and initramfs of the virtual machine with NVDIMMs (e2e/guest)
    images/              archives of the application images, which nodes mount
    engine/              data of the private Docker engine: node and application images
    cluster/             kubeconfig and audit log of the running cluster
    tmp/                 what is being made; of a killed run: swept by the next
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster.process import command_line, is_alive, run

KEY_LENGTH = 12
UNUSED_DAYS = 7
"""An artefact of another version goes when nobody has used it for so long: two checkouts do not rebuild each other's."""
HELD_BY = "OMNIXAN_EDGE_LOCK"
"""Environment variable with the pid of the run that holds the lock, for the programs which that run starts."""


class Busy(RuntimeError):
    """Another run holds the lock; the message says which."""


def cache_root() -> Path:
    """The cache's folder; made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(base) / "omnixan-edge"
    root.mkdir(parents=True, exist_ok=True)
    return root


def key_of(*parts: str | bytes | Path) -> str:
    """A short name for contents: text, bytes, a file, or a folder with all files in it (names count, times do not)."""
    digest = hashlib.sha256()

    def feed(label: bytes, content: bytes) -> None:
        digest.update(b"%s %d\0" % (label, len(content)))
        digest.update(content)

    for part in parts:
        if isinstance(part, Path) and part.is_dir():
            for path in sorted(_sources(part)):
                mode = b"x" if os.access(path, os.X_OK) else b"-"
                feed(mode + str(path.relative_to(part)).encode(), path.read_bytes())
        elif isinstance(part, Path):
            feed(b"file", part.read_bytes())
        else:
            feed(b"text", part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()[:KEY_LENGTH]


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in relative):
            yield path


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A scratch folder that becomes `target` when the body ends well; with an error, or a kill, `target` never is.

    The scratch folder is on the same file system (renaming is atomic); an existing `target` is replaced.
    """
    scratch = scratch_folder(target.name)
    try:
        yield scratch
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(target)
        scratch.rename(target)
    finally:
        remove_tree(scratch)


def used(artefact: Path) -> Path:
    """Note that an artefact NAME-KEY of the cache is in use, and remove its other versions that nobody needs any more."""
    now = time.time()
    os.utime(artefact, (now, now))
    last_use = {path.name: path.stat().st_mtime for path in artefact.parent.iterdir() if path.is_dir()}
    for name in outdated(artefact.name, last_use, now):
        remove_tree(artefact.parent / name)
    return artefact


def outdated(kept: str, last_use: Mapping[str, float], now: float) -> list[str]:
    """Other versions of the artefact `kept` (NAME-KEY) not used for UNUSED_DAYS; times are in seconds of one clock."""
    name = kept.rpartition("-")[0]
    versions = [other for other in last_use if other != kept and other.rpartition("-")[0] == name]
    return sorted(other for other in versions if now - last_use[other] > UNUSED_DAYS * 86400)


def scratch_folder(name: str) -> Path:
    """An empty folder below tmp/ that carries this process' id, so that a later run knows whether it is in use."""
    folder = cache_root() / "tmp" / f"{os.getpid()}-{time.monotonic_ns()}-{name}"
    folder.mkdir(parents=True)
    return folder


def sweep() -> list[str]:
    """Remove scratch folders whose process has ended; returns their names."""
    gone = []
    for folder in (cache_root() / "tmp").glob("*-*"):
        pid = folder.name.split("-", 1)[0]
        if pid.isdigit() and not is_alive(int(pid)):
            remove_tree(folder)
            gone.append(folder.name)
    return gone


def remove_tree(folder: Path) -> None:
    """Remove a folder, after unmounting whatever is mounted in it (a killed debootstrap leaves /proc mounted)."""
    for mount in mounts_below(folder, Path("/proc/self/mounts").read_text()):
        run(["umount", "--lazy", mount])
    shutil.rmtree(folder, ignore_errors=not folder.exists())


def mounts_below(folder: Path, mounts: str) -> list[str]:
    """Mount points inside `folder`, deepest first; `mounts` is the text of /proc/self/mounts."""
    inside = []
    for line in mounts.splitlines():
        point = line.split(" ")[1].encode().decode("unicode_escape")
        if Path(point).is_relative_to(folder):
            inside.append(point)
    return sorted(inside, key=len, reverse=True)


@contextmanager
def run_lock(purpose: str) -> Iterator[None]:
    """Hold the cache for one run that changes the cluster; raises Busy if another does.

    A program started inside the body may take it again: the environment variable HELD_BY tells it so.
    """
    path = cache_root() / "lock"
    with path.open("a+") as file:
        if _inherited(path):
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(_who_holds(path)) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "purpose": purpose, "since": time.strftime("%H:%M:%S")}))
        file.flush()
        os.environ[HELD_BY] = str(os.getpid())
        try:
            yield
        finally:
            del os.environ[HELD_BY]
            file.truncate(0)


def _inherited(path: Path) -> bool:
    holder = os.environ.get(HELD_BY)
    if not holder:
        return False
    try:
        recorded = json.loads(path.read_text() or "{}").get("pid")
    except ValueError:
        return False
    return str(recorded) == holder and is_alive(int(holder))


def _who_holds(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except ValueError:
        holder = {}
    pid = holder.get("pid", 0)
    return (
        f"another run uses {path.parent}: process {pid or '?'} ({holder.get('purpose') or command_line(pid) or 'unknown'}), "
        f"since {holder.get('since', '?')}. Wait for it, end it, or set XDG_CACHE_HOME to another folder."
    )


@contextmanager
def artefact_lock(name: str) -> Iterator[None]:
    """Wait until nobody else makes the artefact `name`, then hold it: whoever comes second finds it made."""
    folder = cache_root() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
