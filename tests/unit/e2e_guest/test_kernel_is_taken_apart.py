import struct

import pytest

from e2e.guest.kernel import dependencies, in_loading_order, vmlinux


def _module(*needs: str) -> bytes:
    return b"\x7fELF...\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0retpoline=Y\0"


MODULES = {
    "libnvdimm": _module(),
    "nd_btt": _module("libnvdimm"),
    "nd_pmem": _module("libnvdimm", "nd-btt"),
    "nfit": _module("libnvdimm"),
    "unneeded": _module("nd_pmem"),
}


def test_modules_come_after_all_they_depend_on_and_once() -> None:
    order = [name for name, _ in in_loading_order(MODULES, ("nfit", "nd_pmem"))]
    assert order == ["libnvdimm", "nfit", "nd_btt", "nd_pmem"]


def test_a_module_that_is_not_in_the_package_is_named() -> None:
    with pytest.raises(ValueError, match="no module virtio_pmem"):
        in_loading_order(MODULES, ("virtio_pmem",))


def test_a_module_without_dependencies_has_none() -> None:
    assert dependencies(_module()) == []
    assert dependencies(b"no module information") == []


def test_a_kernel_packed_otherwise_is_refused_with_how_it_begins() -> None:
    image = bytearray(1024 * 3)
    image[0x1F1] = 1
    struct.pack_into("<II", image, 0x248, 0, 64)
    image[1024:1030] = b"\xfd7zXZ\0"
    with pytest.raises(ValueError, match="fd377a58"):
        vmlinux(bytes(image))
