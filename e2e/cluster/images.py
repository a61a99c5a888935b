"""The application images: built from the checkout without a network, and put onto the cluster's workers.

The base is a Debian tree of our own where no registry answers, else Debian's slim image. The build context has the
locked wheels and our own wheel; the wheels are a layer below, so a change of code builds and loads a few hundred
kilobytes.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.cache import artefact_lock, key_of, remove_tree, scratch_folder
from e2e.cluster.debian import SLIM_PACKAGES, tree
from e2e.cluster.docker import BUILD_ENVIRONMENT, Docker
from e2e.cluster.interface import Cluster, ClusterError
from e2e.cluster.kind import KindCluster
from e2e.cluster.process import run
from e2e.cluster.pypi import wheelhouse
from e2e.cluster.steps import Steps
from e2e.cluster.versions import HERE

ROOT = HERE.parent.parent
SOURCES = ("operator/omnixan_operator", "node_agent/omnixan", "pyproject.toml")
REPOSITORIES = {"operator": "omnixan/operator", "node_agent": "omnixan/node-agent"}
"""Folder of a Dockerfile and of its lock → repository of the image."""


@dataclass(frozen=True)
class Images:
    """Image names as the chart takes them."""

    operator: str
    agent: str


def ensure_images(cluster: Cluster, steps: Steps | None = None) -> Images:
    """Build what has changed and load it into the workers; of an existing cluster the names are taken as given."""
    steps = steps or Steps()
    if not isinstance(cluster, KindCluster):
        return _named_by_the_user()
    images = build_images(cluster.docker, steps)
    cluster.load_image(images.operator, images.agent)
    return images


def build_images(docker: Docker, steps: Steps, root: Path = ROOT) -> Images:
    """Both images of the checkout at `root`, built unless the engine has them with the same content."""
    own_base = bool(docker.env)  # the private engine, which is there because no registry answers
    tags = {part: _tag(root, part, own_base) for part in REPOSITORIES}
    with artefact_lock("images"):
        missing = [part for part, tag in tags.items() if not docker.has_image(tag)]
        if missing:
            base = _own_base(docker, steps) if own_base else None
            with _own_wheel(root) as wheel:
                for part in missing:
                    _build(docker, root / part, part, tags[part], base, wheel, steps)
    return Images(operator=tags["operator"], agent=tags["node_agent"])


def _tag(root: Path, part: str, own_base: bool) -> str:
    folder = root / part
    base = key_of(*SLIM_PACKAGES) if own_base else "debian"
    content = key_of(folder / "Dockerfile", folder / "requirements.txt", *(root / source for source in SOURCES), base)
    return f"{REPOSITORIES[part]}:{content}"


def _build(docker: Docker, folder: Path, part: str, tag: str, base: str | None, wheel: Path, steps: Steps) -> None:
    wheels = wheelhouse(part.replace("_", "-"), folder / "requirements.txt", steps)
    context = scratch_folder(part)
    try:
        with steps.step(f"build the {part} image"):
            shutil.copytree(wheels, context / "wheels", copy_function=os.link)
            shutil.copy(folder / "requirements.txt", context)
            (context / "own").mkdir()
            shutil.copy(wheel, context / "own")
            network = ["--network=none", f"--build-arg=BASE={base}"] if base else []
            run(
                [*("docker", "build", "--force-rm", "--tag", tag, "--file", folder / "Dockerfile"), *network, context],
                env={**docker.env, **BUILD_ENVIRONMENT},
            )
    finally:
        remove_tree(context)
    docker.remove_images(REPOSITORIES[part], keep=[tag])


def _own_base(docker: Docker, steps: Steps) -> str:
    tag = f"omnixan/debian-slim:{key_of(*SLIM_PACKAGES)}"
    if not docker.has_image(tag):
        folder = tree("slim", SLIM_PACKAGES, steps)
        with steps.step("import the base image"):
            docker.import_tree(folder, tag)
    return tag


@contextmanager
def _own_wheel(root: Path) -> Iterator[Path]:
    """Our own distribution as a wheel; equal sources give equal bytes."""
    scratch = scratch_folder("wheel")
    try:
        run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch], cwd=root)
        (wheel,) = scratch.glob("*.whl")
        yield wheel
    finally:
        remove_tree(scratch)


def _named_by_the_user() -> Images:
    names = {part: os.environ.get(f"OMNIXAN_{part.upper()}_IMAGE", "") for part in ("operator", "agent")}
    for part, name in names.items():
        if not name:
            raise ClusterError(
                f"OMNIXAN_{part.upper()}_IMAGE is not set: on an existing cluster, push the {part} image to a registry "
                "that its nodes reach and name it there"
            )
    return Images(**names)


def main() -> None:
    """`make images`: build both images in the engine that the cluster uses, and print their names."""
    steps = Steps()
    cluster = KindCluster(steps)
    docker, _ = cluster.prepare()
    images = build_images(docker, steps)
    print(f"{images.operator}\n{images.agent}")


if __name__ == "__main__":
    main()
