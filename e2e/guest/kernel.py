"""The guest's kernel and its modules, out of Debian's kernel package, which is unpacked and never installed.

The package's name carries the version and changes with each security update, so apt is asked which it is now.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.process import CommandError, run

META_PACKAGE = "linux-image-cloud-amd64"
"""Built for virtual machines: ext4 built in, packed with lz4, less than half the size of the general one."""

MODULES = ("nfit", "nd_pmem", "dax_pmem", "device_dax", "virtio_pci", "virtio_pmem", "virtio_blk")
"""What the guest's devices need; what these depend on comes with them."""

LEGACY_LZ4 = b"\x02\x21\x4c\x18"


@dataclass(frozen=True)
class Kernel:
    """A kernel that boots without its decompressor, and module files in an order in which they can be loaded."""

    version: str
    image: bytes
    modules: tuple[tuple[str, bytes], ...]


def fetch(folder: Path) -> Kernel:
    """Download the package into `folder` and take out what the guest needs. Raises CommandError, ValueError."""
    package = _download(folder)
    version = package.name.split("_")[0].removeprefix("linux-image-")
    image, modules = _unpack(package, version)
    return Kernel(version, vmlinux(image), in_loading_order(modules, MODULES))


def _download(folder: Path) -> Path:
    try:
        return _download_as_listed(folder)
    except CommandError:
        # no package lists yet, or older ones than what the mirror still has
        run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "update"], timeout=300)
        return _download_as_listed(folder)


def _download_as_listed(folder: Path) -> Path:
    said = run(["apt-cache", "depends", META_PACKAGE], env={"LC_ALL": "C"})
    found = re.search(r"Depends: (linux-image-\S+)", said)
    if not found:
        raise CommandError(["apt-cache", "depends", META_PACKAGE], 0, f"names no kernel package:\n{said}")
    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", found[1]], cwd=folder, timeout=600)
    (package,) = folder.glob(f"{found[1]}_*.deb")
    return package


def _unpack(package: Path, version: str) -> tuple[bytes, dict[str, bytes]]:
    """The packed kernel, and every module by its name."""
    image = b""
    modules: dict[str, bytes] = {}
    unpacking = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    with unpacking, tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar:
        for entry in tar:
            name = Path(entry.name).name
            if entry.isfile() and (name == f"vmlinuz-{version}" or name.endswith(".ko")):
                content = tar.extractfile(entry)
                assert content is not None
                if name.endswith(".ko"):
                    modules[module_name(name)] = content.read()
                else:
                    image = content.read()
    if not image:
        raise ValueError(f"{package.name} has no vmlinuz-{version}")
    return image, modules


def vmlinux(image: bytes) -> bytes:
    """The ELF file inside a bzImage (https://docs.kernel.org/arch/x86/boot.html): QEMU starts it through its PVH entry.

    That spares the emulated processor the decompression. Raises ValueError if it is not packed with lz4.
    """
    setup_sectors = image[0x1F1]
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (setup_sectors + 1) * 512 + offset
    packed = image[begin : begin + length - 4]  # the last four bytes are the unpacked size
    if not packed.startswith(LEGACY_LZ4):
        raise ValueError(f"the kernel is packed with something else than lz4 (it begins with {packed[:4].hex()})")
    # lz4 complains of the end of the stream, which the kernel's build leaves open, after having written everything
    done = subprocess.run(["lz4", "-dc"], input=packed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if not done.stdout.startswith(b"\x7fELF"):
        raise ValueError(f"lz4 gave {len(done.stdout)} bytes that are no ELF file")
    return done.stdout


def in_loading_order(modules: dict[str, bytes], wanted: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """The wanted modules after all that they depend on, each once. Raises ValueError if one is not there."""
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order:
            return
        if name not in modules:
            raise ValueError(f"the kernel package has no module {name}")
        for needed in dependencies(modules[name]):
            add(needed)
        order[name] = modules[name]

    for name in wanted:
        add(name)
    return tuple(order.items())


def dependencies(module: bytes) -> list[str]:
    """Names of the modules this one says it needs, in its .modinfo section."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [module_name(name) for name in found[1].decode().split(",") if name] if found else []


def module_name(file: str) -> str:
    """Modules are named with underscores, their files sometimes with dashes."""
    return file.removesuffix(".ko").replace("-", "_")
