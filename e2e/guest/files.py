"""Which files of this machine the guest needs: programs, the libraries they load, Python's standard library."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.cluster.archive import Link
from e2e.cluster.process import run
from e2e.guest.initramfs import Content

PROGRAMS = ("/usr/bin/ndctl", "/usr/bin/daxctl", "/usr/bin/mount", "/usr/bin/umount", "/usr/sbin/mke2fs")
LIBRARIES = ("libpmem.so.1", "libpmem2.so.1")
"""Loaded by name, by our own binding, so that no program's dependencies tell of them."""
SETTINGS = ("/etc/mke2fs.conf",)
MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders that are links into /usr, in Debian and in the guest."""

LEFT_OUT = frozenset(
    {"test", "idlelib", "ensurepip", "lib2to3", "pydoc_data", "distutils", "unittest", "tkinter", "turtledemo", "venv"}
)
"""Folders of the standard library that nothing in the guest imports: the smaller the archive, the sooner it runs."""


class MissingFile(RuntimeError):
    """A program or library is not on this machine; the message names it."""


def debian_python() -> Path:
    """Debian's own interpreter: one from elsewhere would bring libraries of elsewhere."""
    found = Path("/usr/bin/python3").resolve()
    if not found.name.startswith("python3."):
        raise MissingFile(f"/usr/bin/python3 is {found}, not Debian's Python; `make setup` installs it")
    return found


def needed() -> dict[str, Content]:
    """Path in the guest -> file here, for everything but kernel modules and our own code. Raises MissingFile."""
    files: dict[str, Content] = {f"/{name}": Link(f"usr/{name}") for name in MERGED if Path("/", name).is_symlink()}
    python = debian_python()
    loaded = [python, *map(Path, PROGRAMS), *map(_library, LIBRARIES)]
    for path in loaded:
        if not path.exists():
            raise MissingFile(f"{path} is not installed; `make setup` installs it on Debian")
        files[_merged(path)] = path.resolve()
    standard = Path("/usr/lib") / python.name
    modules = _standard_library(standard)
    files |= modules
    loaded += [path for path in modules.values() if path.suffix == ".so"]
    for path in loaded:
        files |= {_merged(library): library.resolve() for library in linked(run(["ldd", path]))}
    files |= {name: Path(name) for name in SETTINGS}
    files["/usr/bin/python3"] = Link(python.name)
    files["/usr/sbin/mkfs.ext4"] = Link("mke2fs")
    return files


def linked(ldd: str) -> list[Path]:
    """The libraries in the output of ldd, the dynamic loader among them."""
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", ldd)]


def _merged(path: Path) -> str:
    """A path below /lib is one below /usr/lib; the name stays: programs ask for `libc.so.6`, not for its target."""
    return str(path.parent.resolve() / path.name)


def _library(name: str) -> Path:
    for line in run(["/sbin/ldconfig", "-p"]).splitlines():
        words = line.split()
        if words and words[0] == name and "x86-64" in line:
            return Path(words[-1])
    raise MissingFile(f"{name} is not installed; `make setup` installs it on Debian")


def _standard_library(folder: Path) -> dict[str, Path]:
    """Compiled modules in the place of their sources: half the size, and nothing to compile in the guest."""
    tag = f"cpython-{folder.name.removeprefix('python').replace('.', '')}"
    found = {}
    for path in folder.rglob("*"):
        top = path.relative_to(folder).parts[0]
        if not path.is_file() or path.suffix not in (".py", ".so") or top in LEFT_OUT or top.startswith("config-"):
            continue
        compiled = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
        if path.suffix == ".py" and compiled.exists():
            found[str(path.with_suffix(".pyc"))] = compiled
        else:
            found[str(path)] = path.resolve()
    return found
