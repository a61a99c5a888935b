"""Services of the test cluster outlive a kube-proxy that writes its rules anew, as it does when it starts and every hour."""

from __future__ import annotations

import re
from typing import Any

from e2e.kubectl import Kubectl, eventually

PROXY = "k8s-app=kube-proxy"
FULL_SYNCS = r"^kubeproxy_sync_full_proxy_rules_duration_seconds_count\S* ([1-9]\d*)$"


def test_services_are_reached_after_kube_proxy_found_its_own_rules_on_a_node(cluster: Any, kubectl: Kubectl) -> None:
    node = cluster.nodes()[-1].name

    def proxies() -> list[dict[str, Any]]:
        found = kubectl.list("pods", "kube-system", PROXY)
        return [pod for pod in found if pod["spec"]["nodeName"] == node]

    def in_node(*argv: str) -> str:
        return str(cluster.node_shell(node, argv))

    def services() -> set[str]:
        """Address, protocol and port of all that kube-proxy sends on from this node."""
        rules = in_node("nft", "list", "map", "ip", "kube-proxy", "service-ips")
        return set(re.findall(r"(\S+ \. \S+ \. \d+) : goto", rules))

    def is_new(uid: str) -> bool:
        pods = proxies()
        if len(pods) != 1 or pods[0]["metadata"]["uid"] == uid:
            return False
        metrics = in_node("curl", "--silent", "http://127.0.0.1:10249/metrics", "--retry-connrefused", "--retry", "20")
        return re.search(FULL_SYNCS, metrics, re.MULTILINE) is not None

    before = services()
    service = kubectl.get("service", "kubernetes", "default")
    assert service is not None
    address = service["spec"]["clusterIP"]
    assert f"{address} . tcp . 443" in before
    (proxy,) = proxies()
    kubectl.delete("pod", proxy["metadata"]["name"], namespace="kube-system")
    eventually(lambda: is_new(proxy["metadata"]["uid"]), "a new kube-proxy has written all rules of the node")
    assert services() == before
    assert in_node("curl", "--silent", "--insecure", "--max-time", "10", f"https://{address}/healthz") == "ok"
