"""The agents' DaemonSet as the operator makes it, and spoilt ones that no admission policy may let through."""

from __future__ import annotations

from typing import Any

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan_operator.decide.modules import judge
from omnixan_operator.desired.daemonset import daemon_set
from tests.cases import good
from tests.cases.edit import DELETE, Path, edited

IMAGE = "omnixan/node-agent:0.1.0"
"""The agent's image by the chart's own values."""


def template(**modules: Any) -> dict[str, Any]:
    """The pod template of agents with these modules (as in spec.modules)."""
    spec = {key: value for key, value in good.EDGE_EMULATED["spec"].items() if key != "modules"}
    parent = edited(good.EDGE_EMULATED, {"metadata.uid": good.UID, "spec": spec | ({"modules": modules} if modules else {})})
    cluster = EdgeCluster.model_validate(parent)
    pool = cluster.spec.pools[0]
    made: dict[str, Any] = daemon_set(cluster, pool, IMAGE, judge(cluster, pool, "privileged").given)["spec"]["template"]
    return made


def pod(account: str, edits: dict[str | Path, Any] | None = None, **modules: Any) -> dict[str, Any]:
    """The pod spec of agents with that account, and with edits."""
    spec: dict[str, Any] = template(**modules)["spec"]
    return edited(spec, {"serviceAccountName": account} | (edits or {}))


def _and(volume: dict[str, Any], **modules: Any) -> dict[str | Path, Any]:
    """An edit: one volume more."""
    return {"volumes": [*template(**modules)["spec"]["volumes"], volume]}


_AGENT: Path = ("containers", 0, "securityContext")
_FIRST: Path = ("initContainers", 0)
SPOILT: dict[str, dict[str | Path, Any]] = {
    "as root": {"securityContext.runAsNonRoot": False},
    "without a word on root": {"securityContext.runAsNonRoot": DELETE},
    "without seccomp": {"securityContext.seccompProfile": DELETE},
    "with another seccomp profile": {"securityContext.seccompProfile.type": "Unconfined"},
    "privileged": {_AGENT: {"privileged": True}},
    "with more rights later": {(*_AGENT, "allowPrivilegeEscalation"): True},
    "with the container's own user": {(*_AGENT, "runAsUser"): 0},
    "with capabilities": {(*_AGENT, "capabilities", "add"): ["SYS_ADMIN"]},
    "with the handover's capability": {(*_AGENT, "capabilities", "add"): ["CHOWN"]},
    "with all capabilities of a runtime": {(*_AGENT, "capabilities"): DELETE},
    "with a root file system to write on": {(*_AGENT, "readOnlyRootFilesystem"): False},
    "without a security context": {_AGENT: DELETE},
    "on a port of the host": {("containers", 0, "ports", 0, "hostPort"): 80},
    "with a Secret": {("volumes", 0): {"name": "tmp", "secret": {"secretName": "x"}}},
    "with a projected Secret": {("volumes", 1, "projected", "sources", 0): {"secret": {"name": "x"}}},
    "with a claim": {("volumes", 0): {"name": "tmp", "persistentVolumeClaim": {"claimName": "x"}}},
    "with a folder of the node": {("volumes", 0): {"name": "tmp", "hostPath": {"path": "/mnt/x"}}},
    "with the kubelet's folder": _and({"name": "pmem", "hostPath": {"path": "/var/lib/kubelet"}}),
    "with the parent of what is allowed": _and({"name": "pmem", "hostPath": {"path": "/mnt"}}),
    "with its neighbour": _and({"name": "pmem", "hostPath": {"path": "/mnt2/pmem"}}),
    "with a container that runs first": {"initContainers": [{"name": "handover", "image": IMAGE}]},
}
"""By what is wrong: edits of the pod spec of agents without modules."""
SPOILT_HANDOVERS: dict[str, dict[str | Path, Any]] = {
    "two folders": _and({"name": "pmem2", "hostPath": {"path": "/mnt/other"}}, persistentMemory={}),
    "another name": {(*_FIRST, "name"): "first"},
    "another image": {(*_FIRST, "image"): "example.invalid/mine:1"},
    "a shell": {(*_FIRST, "command"): ["sh", "-c", "id"]},
    "another folder": {(*_FIRST, "command", 3): "/etc"},
    "another user": {(*_FIRST, "command", 4): "0"},
    "arguments": {(*_FIRST, "args"): ["/etc"]},
    "an environment": {(*_FIRST, "env"): [{"name": "PYTHONPATH", "value": "/mnt/pmem0"}]},
    "more capabilities": {(*_FIRST, "securityContext", "capabilities", "add"): ["CHOWN", "DAC_OVERRIDE"]},
    "all rights": {(*_FIRST, "securityContext"): {"privileged": True}},
    "more rights later": {(*_FIRST, "securityContext", "allowPrivilegeEscalation"): True},
}
"""By what is wrong: edits of the pod spec of agents with persistent memory."""
