"""Puts the product onto a cluster as a platform team would: labels on nodes, then the Helm chart."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.kubectl import Kubectl, eventually
from e2e.manifests import CLUSTER_NAMESPACE, ROOT, SITE_ROLE
from omnixan.edge_network.api.meta import CLAIM_LABEL, GROUP

CHART = ROOT / "charts/omnixan-edge"
RELEASE = "omnixan-edge"
SYSTEM_NAMESPACE = "omnixan-system"
IN_ORDER = "To uninstall, in this order"
AFTERWARDS = "If the operator went first"
"""How the paragraphs of the chart's notes begin that have the commands."""
OPERATOR_PODS = "app.kubernetes.io/name=omnixan-operator"
TENANT_LABEL = "edge.omnixan.io/tenant"


@dataclass(frozen=True)
class Release:
    """The chart on one cluster."""

    kubectl: Kubectl
    helm: Path
    operator_image: str
    agent_image: str
    chart: Path = CHART
    values: tuple[str, ...] = ()
    """More of the chart's values, as `name=value`."""

    def install(self) -> None:
        """The namespace, held to the restricted Pod Security level, then `helm upgrade --install` until it is ready."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE, "labels": labels}}
        )
        self._helm(
            "upgrade",
            "--install",
            RELEASE,
            str(self.chart),
            "--namespace",
            SYSTEM_NAMESPACE,
            *_image_values("operator", self.operator_image),
            *_image_values("agent", self.agent_image),
            *(argument for value in self.values for argument in ("--set", value)),
            "--wait",
            "--timeout",
            "180s",
        )

    def notes(self) -> str:
        """What helm prints for the release, with the commands that uninstall it."""
        return self._helm("get", "notes", RELEASE, "--namespace", SYSTEM_NAMESPACE)

    def typed(self, *lines: str) -> str:
        """What a shell prints that is given these lines, by somebody whose kubectl and helm work on this cluster."""
        path = os.pathsep.join([str(self.kubectl.binary.parent), str(self.helm.parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": path, "KUBECONFIG": str(self.kubectl.kubeconfig)}
        argv = ["sh", "-euc", "\n".join(lines)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise RuntimeError("\n".join([*lines, done.stdout + done.stderr]))
        return done.stdout

    def uninstall(self) -> None:
        """The documented order, as the notes have it, line by line; then wait until the operators have ended."""
        self.typed(*commands(self.notes(), IN_ORDER))
        eventually(lambda: not self.kubectl.list("pods", SYSTEM_NAMESPACE, OPERATOR_PODS), "no operator is left", 120)

    def uninstall_chart(self) -> None:
        """`helm uninstall`, whatever else there is."""
        self._helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--wait", "--timeout", "120s")

    def claimed_nodes(self, cluster_uid: str = "") -> list[str]:
        """Names of the nodes that carry a claim, of any EdgeCluster or of the one with this uid."""
        mark = cluster_uid.replace("-", "")[:10]
        nodes = [n["metadata"] for n in self.kubectl.list("nodes", selector=CLAIM_LABEL)]
        return [n["name"] for n in nodes if n["labels"][CLAIM_LABEL].endswith(mark)]

    def labels_left(self) -> dict[str, list[str]]:
        """Node -> labels of the product that it carries, whatever they are for; nodes without any are left out."""
        return product_labels(self.kubectl.list("nodes"))

    def installed(self) -> bool:
        """Whether the release exists."""
        out = self._helm("list", "--namespace", SYSTEM_NAMESPACE, "--filter", f"^{RELEASE}$", "-o", "json")
        return bool(json.loads(out))

    def _helm(self, *args: str) -> str:
        argv = [str(self.helm), "--kubeconfig", str(self.kubectl.kubeconfig), *args]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"helm {' '.join(args)}\n{done.stdout}{done.stderr}")
        return done.stdout


def commands(notes: str, heading: str) -> list[str]:
    """The commands of the chart's notes that stand, indented, below the line that begins with `heading`."""
    lines = notes.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.startswith(heading)), None)
    if begin is None:
        raise LookupError(f"the chart's notes have no line that begins with {heading!r}:\n{notes}")
    found: list[str] = []
    for line in lines[begin + 1 :]:
        if line.startswith("  "):
            found.append(line.strip())
        elif line.strip():
            break
    return found


def product_labels(nodes: Iterable[Any]) -> dict[str, list[str]]:
    """Node -> keys of its labels whose prefix is the product's or ends in a domain of it; nodes without any are left out."""
    found = {
        node["metadata"]["name"]: sorted(
            key for key in node["metadata"].get("labels") or {} if key.split("/")[0].startswith(GROUP)
        )
        for node in nodes
    }
    return {name: keys for name, keys in found.items() if keys}


def _image_values(part: str, image: str) -> list[str]:
    repository, _, tag = image.rpartition(":")
    return ["--set", f"images.{part}.repository={repository}", "--set-string", f"images.{part}.tag={tag}"]


def label_workers(kubectl: Kubectl) -> list[str]:
    """Give the workers their site roles: the last one is compute, the others gateways. Returns their names."""
    workers = sorted(
        n["metadata"]["name"]
        for n in kubectl.list("nodes")
        if "node-role.kubernetes.io/control-plane" not in n["metadata"].get("labels", {})
    )
    for number, name in enumerate(workers):
        role = "compute" if number == len(workers) - 1 else "gateway"
        kubectl.run("label", "node", name, f"{SITE_ROLE}={role}", "--overwrite")
    return workers


def make_tenant(kubectl: Kubectl, name: str, tenant: str = "true") -> None:
    """A namespace that the EdgeClusters of the examples take jobs from."""
    labels = {TENANT_LABEL: tenant}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def agent_pods(kubectl: Kubectl) -> list[str]:
    """Names of the agents' pods."""
    pods = kubectl.list("pods", CLUSTER_NAMESPACE, "app.kubernetes.io/component=node-agent")
    return [p["metadata"]["name"] for p in pods]
