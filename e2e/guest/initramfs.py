"""The archive a kernel unpacks as its first file system: cpio in the "newc" format, as the kernel describes it in
Documentation/driver-api/early-userspace/buffer-format.rst. Equal contents give equal bytes; archives may follow one another.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from e2e.cluster.archive import Link

ALIGNMENT = 4
END = "TRAILER!!!"

Content = Path | bytes | Link
"""A file of this machine, the bytes of one, or a symbolic link."""


def archive(files: Mapping[str, Content]) -> bytes:
    """An uncompressed archive: absolute path in the guest -> content. Folders above each entry are made, owner is root.

    A file can be executed if the local one can; bytes can be if they begin with `#!`.
    """
    pieces: list[bytes] = []
    made: set[PurePosixPath] = set()
    for number, (path, kind, body) in enumerate(_entries(files, made), start=1):
        pieces.append(_entry(number, path, kind, body))
    pieces.append(_entry(0, END, 0, b""))
    return b"".join(pieces)


def _entries(files: Mapping[str, Content], made: set[PurePosixPath]) -> Iterator[tuple[str, int, bytes]]:
    for name, content in sorted(files.items()):
        path = PurePosixPath(name.lstrip("/"))
        for folder in reversed(path.parents):
            if folder != PurePosixPath(".") and folder not in made:
                made.add(folder)
                yield str(folder), stat.S_IFDIR | 0o755, b""
        if isinstance(content, Link):
            yield str(path), stat.S_IFLNK | 0o777, content.target.encode()
            continue
        body = content.read_bytes() if isinstance(content, Path) else content
        executable = content.stat().st_mode & 0o100 if isinstance(content, Path) else content.startswith(b"#!")
        yield str(path), stat.S_IFREG | (0o755 if executable else 0o644), body


def _entry(number: int, path: str, mode: int, body: bytes) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # inode, mode, uid, gid, links, time, size, device of the archive (two), of the node (two), length of the name, no sum
    fields = (number, mode, 0, 0, links, 0, len(body), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(body)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)
