"""Memory of containers, read from /proc on the node that runs them."""

from __future__ import annotations

import json
from typing import Any

from e2e import install, manifests
from e2e.cluster import Cluster
from e2e.kubectl import Kubectl

# Prints one line a process of the pod: its command, RSS and PSS in kB. $1 is the pod's uid; its cgroup's path has it
# with dashes or with underscores, depending on the cgroup driver.
SCRIPT = """
for p in /proc/[0-9]*; do
  grep -qE "$1|$2" $p/cgroup 2>/dev/null || continue
  rss=$(awk '/^Rss:/{print $2}' $p/smaps_rollup 2>/dev/null); pss=$(awk '/^Pss:/{print $2}' $p/smaps_rollup 2>/dev/null)
  [ -n "$rss" ] && echo "$rss $pss $(tr '\\0' ' ' < $p/cmdline)"
done
"""


def _processes(cluster: Cluster, pod: dict[str, Any]) -> list[tuple[int, int, str]]:
    uid = pod["metadata"]["uid"]
    out = cluster.node_shell(pod["spec"]["nodeName"], ["sh", "-c", SCRIPT, "sh", uid, uid.replace("-", "_")])
    found = []
    for line in out.splitlines():
        rss, pss, command = line.split(" ", 2)
        if not command.startswith("/pause"):
            found.append((int(rss), int(pss), command))
    if not found:
        raise RuntimeError(f"no process of pod {pod['metadata']['name']} found:\n{json.dumps(out)}")
    return found


def operator_rss_mib(cluster: Cluster, kubectl: Kubectl) -> float:
    """RSS of the operator's container, in MiB."""
    pods = kubectl.list("pods", install.SYSTEM_NAMESPACE, "app.kubernetes.io/name=omnixan-operator")
    if not pods:
        raise RuntimeError("the operator's pod was not found")
    sizes = [rss for pod in pods for rss, _, command in _processes(cluster, pod) if "omnixan-operator" in command]
    if not sizes:
        raise RuntimeError("no process of the operator was found in its pod")
    return round(sum(sizes) / 1024, 1)


def agent_pss_mib(cluster: Cluster, kubectl: Kubectl) -> dict[str, float]:
    """PSS of all processes of each agent's pod, in MiB, by node."""
    pods = kubectl.list("pods", manifests.CLUSTER_NAMESPACE, "app.kubernetes.io/component=node-agent")
    return {p["spec"]["nodeName"]: round(sum(pss for _, pss, _ in _processes(cluster, p)) / 1024, 1) for p in pods}
