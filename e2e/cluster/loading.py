"""Images into nodes: one `docker save`, streamed into containerd of all nodes at once."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from e2e.cluster.docker import Docker, split_image_name
from e2e.cluster.process import CommandError, dying_with_us

CHUNK = 1 << 20
IMPORT = ("ctr", "--namespace=k8s.io", "images", "import", "--local", "--digests", "--snapshotter=overlayfs", "-")
"""--local: unpacked by ctr itself; through containerd's transfer service it takes thrice the processor time."""


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


def load_tags(docker: Docker, nodes: Sequence[str], images: Sequence[str]) -> None:
    """Load images of the engine into nodes."""
    save = dying_with_us(["docker", "save", *images])
    with subprocess.Popen(save, stdout=subprocess.PIPE, env={**os.environ, **docker.env}) as saving:
        assert saving.stdout is not None
        _stream(docker, nodes, saving.stdout)
    if saving.returncode:
        raise CommandError(save, saving.returncode, "")


def load_archive(docker: Docker, nodes: Sequence[str], archive: Path) -> None:
    """Load an archive of `docker save`, or an OCI one, into nodes."""
    with archive.open("rb") as content:
        _stream(docker, nodes, content)


def _stream(docker: Docker, nodes: Sequence[str], content: IO[bytes]) -> None:
    importers = [
        subprocess.Popen(
            dying_with_us(["docker", "exec", "--interactive", node, *IMPORT]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **docker.env},
        )
        for node in nodes
    ]
    try:
        while chunk := content.read(CHUNK):
            for importer in importers:
                assert importer.stdin is not None
                with contextlib.suppress(BrokenPipeError):  # its exit status tells why
                    importer.stdin.write(chunk)
    finally:
        results = [(importer, importer.communicate()[0]) for importer in importers]
    for importer, output in results:
        if importer.returncode:
            raise CommandError(["ctr", "images", "import"], importer.returncode, output.decode(errors="replace"))
