from pathlib import Path

from e2e.guest.files import linked
from e2e.guest.machine import MIB, Hardware, acknowledgement


def test_an_acknowledgement_is_its_number_and_anything_else_is_none() -> None:
    assert acknowledgement("ACK 17") == 17
    assert [acknowledgement(line) for line in ("ACK", "ACK ", "ACK x", "ACK -3", 'SAYS {"what": "done"}', "")] == [-1] * 6


def test_devices_are_files_of_their_size_that_keep_what_they_hold(tmp_path: Path) -> None:
    hardware = Hardware(tmp_path, nvdimms=(2, 3), virtio_pmem=1, cached_disk=4, plain_disk=5)
    hardware.arguments()
    (first, *_), sizes = sorted(tmp_path.iterdir()), {path.stat().st_size // MIB for path in tmp_path.iterdir()}
    assert sizes == {1, 2, 3, 4, 5}
    with first.open("r+b") as file:
        file.write(b"kept")
    options = hardware.arguments()
    assert first.read_bytes()[:4] == b"kept"
    assert sum(option.startswith("nvdimm,") for option in options) == 2


def test_libraries_are_read_from_ldd() -> None:
    said = (
        "\tlinux-vdso.so.1 (0x00007ffd)\n"
        "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0a)\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f0b)\n"
    )
    assert linked(said) == [Path("/lib/x86_64-linux-gnu/libc.so.6"), Path("/lib64/ld-linux-x86-64.so.2")]
