from pathlib import Path

from e2e.cluster.archive import Link
from e2e.guest.initramfs import archive


def _unpacked(data: bytes) -> dict[str, tuple[int, bytes]]:
    """A reader of its own, from the kernel's description of the format: name -> mode and body."""
    found = {}
    at = 0
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0")
        body = -(-(at + 110 + name_size) // 4) * 4
        found[name[:-1].decode()] = (mode, data[body : body + size])
        at = -(-(body + size) // 4) * 4
    return found


def test_files_links_and_the_folders_above_them_are_there(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    found = _unpacked(archive({"/usr/bin/p": program, "/init": b"#!/bin/p\n", "/data": b"abc", "/bin": Link("usr/bin")}))
    assert found["usr/bin/p"] == (0o100755, b"\x7fELF")
    assert found["init"] == (0o100755, b"#!/bin/p\n")
    assert found["data"] == (0o100644, b"abc")
    assert found["bin"] == (0o120777, b"usr/bin")
    assert found["usr"][0] == found["usr/bin"][0] == 0o040755
    assert list(found).index("usr") < list(found).index("usr/bin") < list(found).index("usr/bin/p")
    assert list(found)[-1] == "TRAILER!!!"


def test_one_archive_follows_another_at_a_border_of_four_bytes() -> None:
    for length in range(8):
        first, second = archive({"/a": b"x" * length}), archive({"/b": b"y"})
        assert set(_unpacked(first + second)) >= {"a", "b"}


def test_equal_contents_are_equal_bytes() -> None:
    assert archive({"/a": b"1", "/b": b"2"}) == archive({"/b": b"2", "/a": b"1"})
