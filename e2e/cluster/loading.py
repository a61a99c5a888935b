"""Images into nodes: saved once into a folder that every node mounts, then imported by all nodes at once.

The nodes read the archive from the machine's disk. Sending it through `docker exec` instead takes twice the processor
time, and through containerd's transfer service (ctr without --local) four times.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from e2e.cluster.cache import artefact_lock, cache_root, scratch_folder
from e2e.cluster.docker import Docker, split_image_name
from e2e.cluster.kind_config import IMAGES_IN_NODE
from e2e.cluster.process import CommandError, run, succeeds

IMPORT = ("ctr", "--namespace=k8s.io", "images", "import", "--local", "--digests", "--snapshotter=overlayfs")


def images_folder() -> Path:
    """The folder that nodes mount."""
    folder = cache_root() / "images"
    folder.mkdir(exist_ok=True)
    return folder


def full_name(image: str) -> str:
    """The name a node knows an image by: with the default registry's host and a tag, as Kubernetes resolves it."""
    repository, tag = split_image_name(image)
    first, slash, _ = repository.partition("/")
    if not slash:
        repository = f"docker.io/library/{repository}"
    elif "." not in first and ":" not in first and first != "localhost":
        repository = f"docker.io/{repository}"
    return f"{repository}:{tag}"


def missing_on(docker: Docker, node: str, images: Sequence[str]) -> list[str]:
    """Those of the images (tags in the engine) that a node does not have with the same content."""
    return [image for image in images if _id_on_node(docker, node, image) != _id_in_engine(docker, image)]


def _id_in_engine(docker: Docker, image: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", image).strip()


def _id_on_node(docker: Docker, node: str, image: str) -> str:
    with contextlib.suppress(CommandError):
        inspect = ("crictl", "inspecti", "--output", "go-template", "--template", "{{.status.id}}", full_name(image))
        return docker("exec", node, *inspect).strip()
    return ""


def archive_name(image: str, image_id: str) -> str:
    """File name of a saved image: its repository, without the characters of a path, tag and content."""
    repository, tag = split_image_name(image)
    return f"{repository.replace('/', '_').replace(':', '_')}~{tag}~{image_id.removeprefix('sha256:')[:12]}.tar"


def saved(docker: Docker, image: str) -> Path:
    """The archive of an image of the engine; saved unless it is there. Archives of its other versions are removed."""
    target = images_folder() / archive_name(image, _id_in_engine(docker, image))
    with artefact_lock(target.name.split("~")[0]):
        if not target.exists():
            scratch = scratch_folder("save")
            docker("save", "--output", scratch / "image.tar", image)
            (scratch / "image.tar").chmod(0o644)
            (scratch / "image.tar").rename(target)
            scratch.rmdir()
        for other in target.parent.glob(f"{target.name.split('~')[0]}~*"):
            if other != target:
                other.unlink()
    return target


def load_archive(docker: Docker, nodes: Sequence[str], archive: Path) -> None:
    """Load an archive of `docker save`, or an OCI one, into nodes."""

    def load(node: str) -> None:
        mounted = f"{IMAGES_IN_NODE}/{archive.name}"
        if archive.parent == images_folder() and succeeds(["docker", "exec", node, "test", "-e", mounted], env=docker.env):
            docker("exec", node, *IMPORT, mounted, timeout=600)
            return
        with archive.open("rb") as content:
            run(["docker", "exec", "--interactive", node, *IMPORT, "-"], env=docker.env, input_file=content, timeout=600)

    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        list(pool.map(load, nodes))
