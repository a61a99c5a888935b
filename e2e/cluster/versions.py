"""Every version the cluster is made of, in one place.

A changed version changes the key of what is built from it (see `cache.key_of`), and so rebuilds that and nothing else.
After a change here run `python -m e2e.cluster.lock_modules`: it writes go.mod and go.sum of every project anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

KUBERNETES = "1.36.3"
DEBIAN_SUITE = "bookworm"
GO_AT_LEAST = (1, 26, 6)
"""What the go.mod of containerd 2.4.2 asks for; the others are content with less."""

HERE = Path(__file__).parent
MODULES = HERE / "gomods"
"""One folder for each Go project: go.mod and go.sum are lock files, checked in."""

_KUBERNETES_VERSION_FLAGS = " ".join(
    f"-X {variable}"
    for variable in (
        f"k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
        f"k8s.io/component-base/version.gitMajor={KUBERNETES.split('.')[0]}",
        f"k8s.io/component-base/version.gitMinor={KUBERNETES.split('.')[1]}",
        f"k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}",
    )
)


@dataclass(frozen=True)
class GoProject:
    """Programs built from one published Go module (each has a go.mod of its own: in one, their versions clash)."""

    name: str
    module: str
    version: str
    packages: tuple[str, ...]
    link_flags: str = ""
    rename: dict[str, str] = field(default_factory=dict)
    """Program name as `go build` gives it -> the name it is known by."""
    replace: dict[str, str] = field(default_factory=dict)
    """Module -> module@version that takes its place, beside the replacements of the module's own go.mod."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs this project gives, in the order of its packages."""
        return tuple(self.rename.get(name, name) for name in map(built_name, self.packages))

    @property
    def folder(self) -> Path:
        """Where go.mod and go.sum of this project are."""
        return MODULES / self.name


def built_name(package: str) -> str:
    """The file name `go build` gives a program: the last part of its path that is not a major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v[0-9]+", parts[-1]) else parts[-1]


_CONTAINERD = "github.com/containerd/containerd/v2"
_KUBERNETES = "k8s.io/kubernetes"

PROJECTS = (
    GoProject("etcd", "go.etcd.io/etcd/server/v3", "v3.6.16", ("go.etcd.io/etcd/server/v3",), rename={"server": "etcd"}),
    GoProject(
        "kubernetes",
        _KUBERNETES,
        f"v{KUBERNETES}",
        tuple(
            f"{_KUBERNETES}/cmd/{program}"
            for program in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
                "kubeadm",
            )
        ),
        link_flags=_KUBERNETES_VERSION_FLAGS,
    ),
    GoProject(
        "containerd",
        _CONTAINERD,
        "v2.4.2",
        tuple(f"{_CONTAINERD}/cmd/{program}" for program in ("containerd", "containerd-shim-runc-v2", "ctr")),
    ),
    GoProject("crictl", "sigs.k8s.io/cri-tools", "v1.36.0", ("sigs.k8s.io/cri-tools/cmd/crictl",)),
    GoProject("kind", "sigs.k8s.io/kind", "v0.33.0", ("sigs.k8s.io/kind",)),
    GoProject("coredns", "github.com/coredns/coredns", "v1.15.0", ("github.com/coredns/coredns",)),
    GoProject("pause", "", "", ("edge.omnixan.io/pause",)),
)

_SOURCE_CONTROLLER = "github.com/fluxcd/source-controller"
_KUSTOMIZE_CONTROLLER = "github.com/fluxcd/kustomize-controller"

EXTRAS = (
    # pkg/artifact v0.18.3, which source-controller asks for, is not published as a module
    GoProject(
        "source-controller",
        _SOURCE_CONTROLLER,
        "v1.9.6",
        (_SOURCE_CONTROLLER,),
        replace={"github.com/fluxcd/pkg/artifact": "github.com/fluxcd/pkg/artifact@v0.18.0"},
    ),
    GoProject("kustomize-controller", _KUSTOMIZE_CONTROLLER, "v1.9.6", (_KUSTOMIZE_CONTROLLER,)),
)
"""Programs of others that a long test needs; built when that test runs, not with the cluster."""

PROJECT_OF_PROGRAM = {program: project for project in (*PROJECTS, *EXTRAS) for program in project.programs}
