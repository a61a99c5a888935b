"""What every cluster can do, whoever provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ClusterError(RuntimeError):
    """The cluster cannot do what was asked; the message says what to do instead."""


class NotAvailable(ClusterError):
    """This provider has no such verb (nobody may freeze a node of a cluster that is not ours)."""


@dataclass(frozen=True)
class Node:
    """A node as the API server sees it."""

    name: str
    control_plane: bool
    ready: bool
    address: str
    pod_cidr: str


class Cluster(Protocol):
    """One real Kubernetes cluster. Node names are those of `nodes()`."""

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig with full rights; `up` makes it."""

    def up(self, *, fresh: bool = False) -> None:
        """Raise the cluster and wait until every node is Ready. One that is up and well is kept, unless `fresh`."""

    def down(self) -> None:
        """Remove the cluster and everything it added to the machine; harmless if there is none."""

    def nodes(self) -> list[Node]:
        """All nodes, control plane first. Raises ClusterError if the API server does not answer."""

    def load_image(self, *images: str | Path) -> None:
        """Put images, by tag or as archives of `docker save`, onto every worker; what is there already is skipped."""

    def node_shell(self, node: str, argv: Sequence[str], text_input: str | None = None) -> str:
        """Run a program as root in a node's namespaces; returns its output, raises CommandError if it fails."""

    def cut(self, node: str) -> None:
        """Drop every packet from and to a node, silently, as a broken line does."""

    def heal(self, node: str) -> None:
        """Undo `cut`."""

    def freeze(self, node: str) -> None:
        """Stop all processes of a node where they are; its connections stay open and answer nothing."""

    def thaw(self, node: str) -> None:
        """Undo `freeze`."""

    def stop_node(self, node: str) -> None:
        """Shut a node down."""

    def start_node(self, node: str) -> None:
        """Start a node that was shut down; wait for it with `wait_ready`."""

    def wait_ready(self, timeout: float = 120) -> None:
        """Wait until all nodes are Ready; raises ClusterError with those that are not after `timeout` seconds."""

    def audit_log(self) -> Path:
        """The API server's audit log (level Metadata, JSON lines), as a file of this machine."""

    def kubectl(self, *arguments: str, text_input: str | None = None, timeout: float | None = 120) -> str:
        """Run kubectl on this cluster; returns what it prints, raises CommandError if it fails."""
