"""The cluster around the operator: what other components and people do, straight on the fake API server."""

from __future__ import annotations

import random
import uuid
from typing import Any

from tests.faults.apiserver.requests import APPLY, MERGE, Refusal, Request
from tests.faults.apiserver.resources import BY_KIND, Object, Resource
from tests.faults.apiserver.server import ApiServer
from tests.faults.virtualtime import VirtualLoop

NAMESPACE = "omnixan"
SYSTEM = "omnixan-system"
TENANTS = ("alpha", "beta")


class Cluster:
    """Requests of somebody other than the operator; refusals are answers, not errors."""

    def __init__(self, loop: VirtualLoop, rng: random.Random) -> None:
        self.loop = loop
        self.rng = rng
        self.api = ApiServer(loop.wall, lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)))
        for name in ("default", NAMESPACE, SYSTEM, *TENANTS):
            self.create("Namespace", {"metadata": {"name": name, "labels": {"tenant": name}}})

    def only_the_leader_writes(self) -> None:
        """The chart's admission policy: of the operators' pods only the Lease's holder changes anything."""

        def admit(request: Request, resource: Resource) -> None:
            lease = self.api.find("Lease", SYSTEM, "omnixan-operator")
            if not request.client.startswith("operator-") or resource.kind in ("Lease", "Event") or lease is None:
                return
            if not str(lease["spec"].get("holderIdentity", "")).startswith(request.client + "_"):
                policy = "ValidatingAdmissionPolicy 'omnixan-edge-leader' with binding 'omnixan-edge-leader'"
                raise Refusal(403, "Forbidden", f"{policy} denied request: only the pod that holds the Lease writes")

        self.api.admission.append(admit)

    def _path(self, kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
        resource = BY_KIND[kind]
        parts = [resource.prefix.strip("/")]
        parts += ["namespaces", namespace] if resource.namespaced else []
        return "/" + "/".join([*parts, resource.plural, *(part for part in (name, subresource) if part)])

    def create(self, kind: str, obj: Object, actor: str = "user") -> tuple[int, Object]:
        """POST."""
        path = self._path(kind, obj["metadata"].get("namespace", ""))
        return self.api.handle(Request("POST", path, {"fieldManager": actor}, obj, client=actor))

    def patch(
        self, kind: str, namespace: str, name: str, patch: Object, subresource: str = "", actor: str = "user"
    ) -> tuple[int, Object]:
        """A JSON merge patch."""
        path = self._path(kind, namespace, name, subresource)
        return self.api.handle(Request("PATCH", path, {"fieldManager": actor}, patch, MERGE, client=actor))

    def apply(self, kind: str, obj: Object, subresource: str = "", actor: str = "omnixan-agent") -> tuple[int, Object]:
        """Server-side apply without force."""
        resource, metadata = BY_KIND[kind], obj["metadata"]
        path = self._path(kind, metadata.get("namespace", ""), metadata["name"], subresource)
        body = {"apiVersion": resource.api_version, "kind": kind} | obj
        return self.api.handle(Request("PATCH", path, {"fieldManager": actor}, body, APPLY, client=actor))

    def delete(self, kind: str, namespace: str, name: str, actor: str = "user") -> tuple[int, Object]:
        """DELETE."""
        return self.api.handle(Request("DELETE", self._path(kind, namespace, name), client=actor))

    def collect_garbage(self) -> None:
        """One pass of the garbage collector."""
        for resource, obj in self.api.orphans():
            metadata = obj["metadata"]
            self.delete(resource.kind, metadata.get("namespace", ""), metadata["name"], "garbage-collector")

    def micro_time(self) -> str:
        """The wall clock as a MicroTime."""
        return self.loop.wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    # Things that people and the cluster make.

    def node(self, name: str, role: str = "gw", **labels: str) -> None:
        """A Ready node."""
        metadata = {"name": name, "labels": {"role": role, "kubernetes.io/hostname": name} | labels}
        self.create("Node", {"metadata": metadata, "spec": {}}, "kubelet")
        self.node_ready(name, True)

    def node_ready(self, name: str, ready: bool) -> None:
        """Its Ready condition."""
        condition = {"type": "Ready", "status": str(ready), "reason": "Kubelet", "lastHeartbeatTime": self.micro_time()}
        self.patch("Node", "", name, {"status": {"conditions": [condition]}}, "status", "kubelet")

    def pool(self, name: str = "gateway", role: str = "gw", tier: str = "gateway", **fields: Any) -> Object:
        """A pool of an EdgeCluster."""
        return {"name": name, "tier": tier, "nodeSelector": {"role": role}, "qpu": {"qubits": 8}} | fields

    def edge_cluster(
        self, name: str, nodes: int, *pools: Object, namespace: str = NAMESPACE, **spec: Any
    ) -> tuple[int, Object]:
        """An EdgeCluster."""
        metadata = {"name": name, "namespace": namespace}
        spec = {"nodes": nodes, "pools": list(pools) or [self.pool()], "tenants": {"namespaceSelector": {}}} | spec
        return self.create("EdgeCluster", {"kind": "EdgeCluster", "metadata": metadata, "spec": spec})

    def job(
        self,
        name: str,
        cluster: str = "ec",
        namespace: str = TENANTS[0],
        qubits: int = 2,
        annotations: dict[str, str] | None = None,
        **spec: Any,
    ) -> tuple[int, Object]:
        """A job whose program takes `qubits`; programs of equal width are equal."""
        text = f"OPENQASM 3.0; qubit[{qubits}] q; bit[{qubits}] c; c = measure q;"
        spec = {"clusterRef": {"namespace": NAMESPACE, "name": cluster}, "program": {"inline": {"data": text}}} | spec
        metadata = {"name": name, "namespace": namespace, "annotations": annotations or {}}
        return self.create("QuantumJob", {"kind": "QuantumJob", "metadata": metadata, "spec": spec})
