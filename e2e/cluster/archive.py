"""Image archives (the format of `docker save`) made of local files, reproducible: equal content, equal bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Link:
    """A symbolic link in a layer."""

    target: str


@dataclass(frozen=True)
class EmptyFolder:
    """A folder in a layer that nothing is put into."""

    mode: int = 0o755


Content = Path | Link | EmptyFolder


def layer(files: Mapping[str, Content]) -> bytes:
    """A layer as an uncompressed tar: absolute path in the image -> local file, link or empty folder.

    Folders above each entry are made; owner is root, times are zero, files keep whether they can be executed.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        made: set[PurePosixPath] = set()
        for name, content in sorted(files.items()):
            path = PurePosixPath(name.lstrip("/"))
            for folder in [parent for parent in reversed(path.parents) if parent != PurePosixPath(".")]:
                if folder not in made:
                    made.add(folder)
                    tar.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
            if isinstance(content, EmptyFolder):
                made.add(path)
                tar.addfile(_entry(path, tarfile.DIRTYPE, content.mode))
            elif isinstance(content, Link):
                entry = _entry(path, tarfile.SYMTYPE, 0o777)
                entry.linkname = content.target
                tar.addfile(entry)
            else:
                entry = _entry(path, tarfile.REGTYPE, 0o755 if content.stat().st_mode & 0o100 else 0o644)
                entry.size = content.stat().st_size
                with content.open("rb") as file:
                    tar.addfile(entry, file)
    return buffer.getvalue()


def _entry(path: PurePosixPath, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(str(path))
    entry.type = kind
    entry.mode = mode
    return entry


@dataclass(frozen=True)
class Image:
    """An image to be put into an archive: full name with tag, layers from the bottom up, what it runs."""

    name: str
    layers: tuple[bytes, ...]
    entrypoint: tuple[str, ...] = ()

    @property
    def config(self) -> bytes:
        """The image's configuration, as JSON."""
        settings: dict[str, object] = {"Env": [PATH]}
        if self.entrypoint:
            settings["Entrypoint"] = list(self.entrypoint)
        content = {
            "architecture": "amd64",
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(content)}" for content in self.layers]},
        }
        return json.dumps(content, sort_keys=True).encode()


def write_archive(path: Path, images: Sequence[Image]) -> None:
    """Write images into one archive.

    `repositories` comes first: kind reads the names from whichever of it and manifest.json it meets first, and of
    manifest.json it takes only the first image. Raises ValueError on a name without a tag.
    """
    repositories: dict[str, dict[str, str]] = {}
    manifest = []
    blobs: dict[str, bytes] = {}
    for image in images:
        repository, colon, tag = image.name.rpartition(":")
        if not colon or "/" in tag:
            raise ValueError(f"image name {image.name!r} has no tag; an archive needs repository:tag")
        repositories.setdefault(repository, {})[tag] = _digest(image.layers[-1])
        config = f"{_digest(image.config)}.json"
        blobs[config] = image.config
        names = [f"{_digest(content)}/layer.tar" for content in image.layers]
        blobs.update(zip(names, image.layers, strict=True))
        manifest.append({"Config": config, "RepoTags": [image.name], "Layers": names})
    with tarfile.open(path, "w") as tar:
        heads = {"repositories": json.dumps(repositories).encode(), "manifest.json": json.dumps(manifest).encode()}
        for name, content in {**heads, **blobs}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
