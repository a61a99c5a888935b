"""Pod networking of our own node image: point-to-point links on each node, routes between nodes.

kind's own network program cannot be had as a published Go module, so the cluster is made without it. Debian's CNI
plugins do the same: ptp links with host-local addresses. NetworkPolicy objects are accepted and not enforced.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from e2e.cluster.interface import Node
from e2e.cluster.kind_config import POD_SUBNET

CONFIG_PATH = "/etc/cni/net.d/10-omnixan.conflist"
MASQUERADE_TABLE = "omnixan_masquerade"
CUT_TABLE = "omnixan_cut"


def cni_config(pod_cidr: str) -> str:
    """The CNI configuration of one node, as JSON."""
    link = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni-ipam-state",
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "omnixan", "plugins": [link, ports]})


def routing_script(node: Node, nodes: Sequence[Node]) -> str:
    """A shell script for one node; it may run any number of times. Reads the CNI configuration from standard input.

    The configuration comes last and whole: with it the kubelet calls the node Ready.
    """
    routes = [f"ip route replace {other.pod_cidr} via {other.address}" for other in nodes if other.name != node.name]
    table = f"ip {MASQUERADE_TABLE}"
    lines = [
        "set -eu",
        "sysctl -q -w net.ipv4.ip_forward=1",
        *routes,
        f"nft add table {table}",
        f"nft 'add chain {table} out {{ type nat hook postrouting priority srcnat; }}'",
        f"nft flush chain {table} out",
        f"nft 'add rule {table} out ip saddr {node.pod_cidr} ip daddr != {POD_SUBNET} oifname eth0 masquerade'",
        "mkdir -p /etc/cni/net.d",
        f"cat > {CONFIG_PATH}.new",
        f"mv {CONFIG_PATH}.new {CONFIG_PATH}",
    ]
    return "\n".join(lines)


def cut_rules() -> str:
    """Input of `nft -f -` on a node: every packet that would pass its network interface is dropped, in silence."""
    return f"""
table inet {CUT_TABLE}
delete table inet {CUT_TABLE}
table inet {CUT_TABLE} {{
    chain inward {{
        type filter hook prerouting priority -400; policy accept;
        iifname "eth0" drop
    }}
    chain outward {{
        type filter hook postrouting priority 400; policy accept;
        oifname "eth0" drop
    }}
}}
"""


def heal_rules() -> str:
    """Input of `nft -f -` that undoes `cut_rules`; harmless where nothing was cut."""
    return f"table inet {CUT_TABLE}\ndelete table inet {CUT_TABLE}\n"
