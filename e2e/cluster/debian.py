"""Debian trees made by debootstrap, from the mirror this machine's apt uses."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from e2e.cluster.cache import artefact_lock, cache_root, key_of, new_folder, used
from e2e.cluster.process import run
from e2e.cluster.steps import Steps
from e2e.cluster.versions import DEBIAN_SUITE

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT = Path("/etc/apt")

NODE_PACKAGES = (
    *("systemd", "systemd-sysv", "bash", "mount", "kmod", "util-linux", "procps", "e2fsprogs", "pigz"),
    *("conntrack", "iptables", "nftables", "iproute2", "ethtool", "ca-certificates", "curl", "jq"),
    *("libseccomp2", "runc", "containernetworking-plugins"),
)
"""What kind's own base image installs, less what only other storage and rootless nodes need."""

SLIM_PACKAGES = ("ca-certificates", "python3", "python3-venv", "libpmem2", "ndctl")
"""What the application images need of Debian; the last two are the agent's."""

DROPPED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists")


def mirrors(sources: str) -> list[str]:
    """Mirrors of the suite in the text of apt's source files, both formats, in their order; security ones left out."""
    found = []
    for block in re.split(r"\n\s*\n", sources):
        fields = dict(re.findall(r"^(Types|URIs|Suites):\s*(.+)$", block, flags=re.MULTILINE))
        if "deb" in fields.get("Types", "").split() and DEBIAN_SUITE in fields.get("Suites", "").split():
            found += fields.get("URIs", "").split()
    lines = re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", sources, flags=re.MULTILINE)
    found += [uri for uri, suite in lines if suite == DEBIAN_SUITE]
    return found


def _mirror() -> str:
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    text = "\n\n".join(file.read_text() for file in files if file.is_file())
    found = mirrors(text)
    if not found:
        raise RuntimeError(
            f"apt on this machine knows no mirror of Debian {DEBIAN_SUITE}; without an image registry the node image "
            f"is made of Debian {DEBIAN_SUITE} packages: run on Debian 12, or with a Docker engine that reaches a registry"
        )
    return found[0]


def tree(name: str, packages: tuple[str, ...], steps: Steps) -> Path:
    """A minimal Debian tree with some packages; made once, then taken from the cache."""
    target = cache_root() / "trees" / f"{name}-{key_of(DEBIAN_SUITE, *packages, *DROPPED)}"
    with artefact_lock("debootstrap"):
        if target.exists():
            return used(target)
        packages_cache = cache_root() / "trees" / "debs"
        packages_cache.mkdir(parents=True, exist_ok=True)
        with steps.step(f"debootstrap the {name} tree"), new_folder(target) as scratch:
            run(
                [
                    *("debootstrap", "--variant=minbase", f"--keyring={KEYRING}"),
                    *(f"--cache-dir={packages_cache}", f"--include={','.join(packages)}"),
                    *(DEBIAN_SUITE, scratch, _mirror()),
                ],
                env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
            )
            for folder in DROPPED:
                shutil.rmtree(scratch / folder, ignore_errors=True)
                (scratch / folder).mkdir()
            # which mirror this machine uses is nobody else's matter
            (scratch / "etc/apt/sources.list").write_text("")
            (scratch / "debootstrap.log").unlink(missing_ok=True)
            shutil.rmtree(scratch / "debootstrap", ignore_errors=True)
    return target
