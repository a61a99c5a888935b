"""Asking an API server through kubectl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.cluster.golang import program
from e2e.cluster.interface import Node
from e2e.cluster.process import run
from e2e.cluster.steps import Steps

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"


def kubectl(kubeconfig: Path, *arguments: str, text_input: str | None = None, timeout: float | None = 120) -> str:
    """Run kubectl with a kubeconfig; returns what it prints, raises CommandError if it fails."""
    command = program("kubectl", Steps(quiet=True))
    return run([command, "--kubeconfig", kubeconfig, *arguments], text_input=text_input, timeout=timeout)


def read_nodes(kubeconfig: Path, timeout: float = 20) -> list[Node]:
    """The nodes as the API server knows them, control plane first."""
    listed = kubectl(kubeconfig, "get", "nodes", "-o", "json", f"--request-timeout={timeout:.0f}s", timeout=timeout + 5)
    return nodes_from(json.loads(listed))


def nodes_from(node_list: Mapping[str, Any]) -> list[Node]:
    """Nodes out of a NodeList as JSON."""
    found = []
    for item in node_list["items"]:
        status = item.get("status", {})
        ready = [c["status"] == "True" for c in status.get("conditions", []) if c["type"] == "Ready"]
        address = [a["address"] for a in status.get("addresses", []) if a["type"] == "InternalIP"]
        found.append(
            Node(
                name=item["metadata"]["name"],
                control_plane=CONTROL_PLANE_LABEL in item["metadata"].get("labels", {}),
                ready=ready == [True],
                address=address[0] if address else "",
                pod_cidr=item.get("spec", {}).get("podCIDR", ""),
            )
        )
    return sorted(found, key=lambda node: (not node.control_plane, node.name))
