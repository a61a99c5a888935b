"""Provider `kubeconfig`: a cluster that exists already, named by the user. It is used, never changed as a machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from e2e.cluster.interface import ClusterError, Node, NotAvailable
from e2e.cluster.kubectl import kubectl, read_nodes
from e2e.cluster.process import CommandError
from e2e.cluster.steps import Steps


class ExistingCluster:
    """A cluster reached through a kubeconfig, by its current context."""

    def __init__(self, kubeconfig: Path, steps: Steps) -> None:
        if not kubeconfig.is_file():
            raise ClusterError(f"kubeconfig {kubeconfig}: no such file; name an existing one")
        self.kubeconfig = kubeconfig
        self._steps = steps

    def up(self, *, fresh: bool = False) -> None:
        """Check that the cluster answers and all its nodes are Ready."""
        if fresh:
            self._steps.say("an existing cluster is taken as it is: nothing is made anew")
        with self._steps.step(f"reach the cluster of {self.kubeconfig}"):
            self.wait_ready(30)

    def down(self) -> None:
        """Leave the cluster as it is: it is not ours."""
        self._steps.say(f"the cluster of {self.kubeconfig} is not ours and stays up")

    def nodes(self) -> list[Node]:
        """All nodes, control plane first."""
        try:
            return read_nodes(self.kubeconfig)
        except CommandError as error:
            raise ClusterError(f"the cluster of {self.kubeconfig} does not answer: {error}") from error

    def wait_ready(self, timeout: float = 120) -> None:
        """Wait until all nodes are Ready."""
        deadline = time.monotonic() + timeout
        while unready := [node.name for node in self.nodes() if not node.ready]:
            if time.monotonic() > deadline:
                raise ClusterError(f"nodes not Ready after {timeout:.0f} s: {', '.join(unready)}")
            time.sleep(1)

    def kubectl(self, *arguments: str, text_input: str | None = None, timeout: float | None = 120) -> str:
        """Run kubectl on this cluster."""
        return kubectl(self.kubeconfig, *arguments, text_input=text_input, timeout=timeout)

    def load_image(self, *images: str | Path) -> None:
        """Not available: images get into a foreign cluster through a registry."""
        self._not_available("load", "push the images to a registry that the cluster reaches")

    def node_shell(self, node: str, argv: Sequence[str], text_input: str | None = None) -> str:
        """Not available."""
        self._not_available("shell", "use kubectl debug node/…")

    def cut(self, node: str) -> None:
        """Not available."""
        self._not_available("cut")

    def heal(self, node: str) -> None:
        """Not available."""
        self._not_available("heal")

    def freeze(self, node: str) -> None:
        """Not available."""
        self._not_available("freeze")

    def thaw(self, node: str) -> None:
        """Not available."""
        self._not_available("thaw")

    def stop_node(self, node: str) -> None:
        """Not available."""
        self._not_available("stop")

    def start_node(self, node: str) -> None:
        """Not available."""
        self._not_available("start")

    def audit_log(self) -> Path:
        """Not available."""
        self._not_available("the audit log", "look where the cluster's owner keeps it")

    def _not_available(self, verb: str, instead: str = "") -> NoReturn:
        advice = instead or "run without OMNIXAN_KUBECONFIG to get a cluster of your own, where faults are allowed"
        raise NotAvailable(f"{verb}: not available on the existing cluster of {self.kubeconfig}; {advice}")
