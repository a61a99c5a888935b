"""The kinds of objects the operator reads and writes: how each is addressed and which of them are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.api.meta import API_VERSION, HEARTBEAT_LABEL, MANAGED_BY, MANAGED_BY_LABEL

Object = dict[str, Any]
"""A Kubernetes object as JSON gives it."""

_MANAGED = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


@dataclass(frozen=True, eq=False)
class Kind:
    """One resource of the Kubernetes API. Each is there once and equals itself only, as it is a key in every look-up."""

    name: str
    """As in `kind:` of a manifest."""
    api_version: str
    """As in `apiVersion:` of a manifest."""
    plural: str
    """As in the URL."""
    namespaced: bool = True
    """Whether its objects live in namespaces."""
    selector: str = ""
    """Label selector of the watch; empty: all objects."""

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The API version within the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of one object, or of the collection when `name` is empty (of all namespaces without `namespace`)."""
        parts = [f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)

    def identify(self, obj: Object) -> Object:
        """`obj` with apiVersion and kind, which items of a list lack."""
        return {"apiVersion": self.api_version, "kind": self.name} | obj


EDGE_CLUSTER = Kind("EdgeCluster", API_VERSION, "edgeclusters")
EDGE_NODE = Kind("EdgeNode", API_VERSION, "edgenodes")
QUANTUM_JOB = Kind("QuantumJob", API_VERSION, "quantumjobs")
QUANTUM_RUN = Kind("QuantumRun", API_VERSION, "quantumruns")
NODE = Kind("Node", "v1", "nodes", namespaced=False)
NAMESPACE = Kind("Namespace", "v1", "namespaces", namespaced=False)
LEASE = Kind("Lease", "coordination.k8s.io/v1", "leases", selector=f"{HEARTBEAT_LABEL}=true")
SERVICE_ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts", selector=_MANAGED)
ROLE_BINDING = Kind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings", selector=_MANAGED)
DAEMON_SET = Kind("DaemonSet", "apps/v1", "daemonsets", selector=_MANAGED)
CONFIG_MAP = Kind("ConfigMap", "v1", "configmaps", selector=_MANAGED)
POLICY = Kind(
    "ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1", "validatingadmissionpolicies", namespaced=False
)
POLICY_BINDING = Kind(
    "ValidatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/v1",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
EVENT = Kind("Event", "events.k8s.io/v1", "events")

WATCHED = (
    EDGE_CLUSTER,
    EDGE_NODE,
    QUANTUM_JOB,
    QUANTUM_RUN,
    NODE,
    NAMESPACE,
    LEASE,
    SERVICE_ACCOUNT,
    ROLE_BINDING,
    DAEMON_SET,
    CONFIG_MAP,
)
"""What the operator keeps in memory. Leases, ServiceAccounts and the like: only our own, never a whole cluster's."""
