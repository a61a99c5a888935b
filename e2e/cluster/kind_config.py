"""What kind is told about the cluster. Pure: settings in, configuration out."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

NAME = "omnixan"
WORKERS = 3
POD_SUBNET = "10.246.0.0/16"
SERVICE_SUBNET = "10.97.0.0/16"
AUDIT_FOLDER_IN_NODE = "/var/log/kubernetes/audit"
POLICY_IN_NODE = "/etc/kubernetes/audit-policy.yaml"
IMAGES_IN_NODE = "/omnixan/images"
MEMORY_IN_NODE = "/mnt/pmem0"
"""Where the last worker has a folder of this machine's disk, as a node with persistent memory has its file system."""
AUDIT_FILE = "audit.log"

AUDIT_POLICY = yaml.safe_dump(
    {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}
)
"""Who did what to which object, without bodies; each request once, when it is answered."""


def kind_config(audit_folder: Path, policy_file: Path, images_folder: Path, memory_folder: Path, own_network: bool) -> str:
    """The kind configuration as YAML: one control plane with an audit log, three workers, the last with a memory.

    The folders and `policy_file` are this machine's; `own_network` leaves pod networking to us (see network.py).
    """
    images = {"hostPath": str(images_folder), "containerPath": IMAGES_IN_NODE, "readOnly": True}
    memory = {"hostPath": str(memory_folder), "containerPath": MEMORY_IN_NODE}
    control_plane = {
        "role": "control-plane",
        "extraMounts": [
            {"hostPath": str(audit_folder), "containerPath": AUDIT_FOLDER_IN_NODE},
            {"hostPath": str(policy_file), "containerPath": POLICY_IN_NODE, "readOnly": True},
            images,
        ],
        "kubeadmConfigPatches": [yaml.safe_dump(_control_plane())],
    }
    kubelet = {"kind": "KubeletConfiguration", "failCgroupV1": False}  # it would not start on a cgroup v1 machine
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": NAME,
        "networking": {
            "ipFamily": "ipv4",
            "disableDefaultCNI": own_network,
            "kubeProxyMode": "nftables",
            "podSubnet": POD_SUBNET,
            "serviceSubnet": SERVICE_SUBNET,
        },
        "kubeadmConfigPatches": [yaml.safe_dump(kubelet)],
        "nodes": [
            control_plane,
            *({"role": "worker", "extraMounts": [images]} for _ in range(WORKERS - 1)),
            {"role": "worker", "extraMounts": [images, memory]},
        ],
    }
    return yaml.safe_dump(config, sort_keys=False)


def _control_plane() -> dict[str, object]:
    """An API server with an audit log; the others without an election, as there is one of each.

    On a busy machine they would lose it to nobody, end, and be started again after ever longer pauses.
    """
    arguments = {
        "audit-policy-file": POLICY_IN_NODE,
        "audit-log-path": f"{AUDIT_FOLDER_IN_NODE}/{AUDIT_FILE}",
        "audit-log-maxsize": "200",
        "audit-log-maxbackup": "2",
    }
    volumes = [
        {
            "name": "audit-policy",
            "hostPath": POLICY_IN_NODE,
            "mountPath": POLICY_IN_NODE,
            "readOnly": True,
            "pathType": "File",
        },
        {
            "name": "audit-log",
            "hostPath": AUDIT_FOLDER_IN_NODE,
            "mountPath": AUDIT_FOLDER_IN_NODE,
            "readOnly": False,
            "pathType": "DirectoryOrCreate",
        },
    ]
    alone = [{"name": "leader-elect", "value": "false"}]
    return {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": [{"name": name, "value": value} for name, value in arguments.items()],
            "extraVolumes": volumes,
        },
        "controllerManager": {"extraArgs": alone},
        "scheduler": {"extraArgs": alone},
    }


def config_key_text(config: str) -> str:
    """The configuration in a form that does not depend on the order of its fields."""
    return json.dumps(yaml.safe_load(config), sort_keys=True)
