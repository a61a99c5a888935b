"""Puts the product onto a cluster as a platform team would: labels on nodes, then the Helm chart."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.kubectl import Kubectl, eventually
from e2e.manifests import CLUSTER_NAMESPACE, ROOT, SITE_ROLE

CHART = ROOT / "charts/omnixan-edge"
RELEASE = "omnixan-edge"
SYSTEM_NAMESPACE = "omnixan-system"
CLAIM_LABEL = "edge.omnixan.io.node-restriction.kubernetes.io/pool"
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

    def uninstall(self) -> None:
        """The documented order: EdgeClusters, wait until no node carries a claim, then the chart."""
        self.kubectl.run("delete", "edgeclusters", "--all", "--all-namespaces", "--wait=true")
        eventually(lambda: not self.claimed_nodes(), "no node carries the claim label", 60)
        self.uninstall_chart()

    def uninstall_chart(self) -> None:
        """`helm uninstall`, whatever else there is."""
        self._helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--wait", "--timeout", "120s")

    def claimed_nodes(self, cluster_uid: str = "") -> list[str]:
        """Names of the nodes that carry a claim, of any EdgeCluster or of the one with this uid."""
        mark = cluster_uid.replace("-", "")[:10]
        nodes = [n["metadata"] for n in self.kubectl.list("nodes", selector=CLAIM_LABEL)]
        return [n["name"] for n in nodes if n["labels"][CLAIM_LABEL].endswith(mark)]

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
