"""The DaemonSet that runs the node agent on the nodes that a pool claimed."""

from __future__ import annotations

from omnixan.edge_network.api.edgecluster import Agent, EdgeCluster, Pool, Qpu, Resources, effective_agent
from omnixan.edge_network.api.meta import CLAIM_LABEL, CLUSTER_LABEL, COMPONENT_LABEL, POOL_LABEL
from omnixan_operator.desired.common import COMPONENT, agent_account, claim_value, labels, metadata
from omnixan_operator.kinds import Object

HTTP_PORT = 8080
USER = 65532
GRACE_SECONDS = 30
TOKEN_SECONDS = 3600
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where clients look for it, not a secret
DEFAULT_RESOURCES = Resources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "2Gi"})


def daemon_set_name(cluster: str, pool: str) -> str:
    """Name of a pool's DaemonSet (at most 73 characters)."""
    return f"{cluster}-{pool}"


def daemon_set(cluster: EdgeCluster, pool: Pool, default_image: str) -> Object:
    """One agent pod on every node that carries the pool's claim.

    Fields that the API server would set itself are left out; drift is judged on what is here.
    """
    name = cluster.metadata.name
    return {
        "metadata": metadata(cluster, daemon_set_name(name, pool.name), pool.name),
        "spec": {
            "selector": {
                "matchLabels": {CLUSTER_LABEL: name, POOL_LABEL: pool.name, COMPONENT_LABEL: COMPONENT},
            },
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {
                "metadata": {"labels": labels(name, pool.name)},
                "spec": _pod(cluster, pool, default_image),
            },
        },
    }


def _pod(cluster: EdgeCluster, pool: Pool, default_image: str) -> Object:
    agent = effective_agent(cluster.spec.agent, pool.agent)
    pod: Object = {
        "serviceAccountName": agent_account(cluster.metadata.name),
        "automountServiceAccountToken": False,
        "nodeSelector": {CLAIM_LABEL: claim_value(pool.name, cluster.metadata.uid)},
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(cluster, pool, agent, default_image)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}, _token()],
    }
    if pool.tolerations:
        pod["tolerations"] = [toleration.wire() for toleration in pool.tolerations]
    if agent.image_pull_secrets:
        pod["imagePullSecrets"] = [secret.wire() for secret in agent.image_pull_secrets]
    if agent.priority_class_name:
        pod["priorityClassName"] = agent.priority_class_name
    return pod


def _container(cluster: EdgeCluster, pool: Pool, agent: Agent, default_image: str) -> Object:
    return {
        "name": "agent",
        "image": agent.image or default_image,
        "command": ["omnixan-agent"],
        "env": [
            _from_pod("NODE_NAME", "spec.nodeName"),
            _from_pod("POD_NAME", "metadata.name"),
            _from_pod("POD_NAMESPACE", "metadata.namespace"),
            {"name": "CLUSTER", "value": cluster.metadata.name},
            {"name": "CLUSTER_UID", "value": cluster.metadata.uid},
            {"name": "POOL", "value": pool.name},
            {"name": "REGION", "value": cluster.spec.region},
            *_backend(pool.qpu),
            {"name": "HTTP_PORT", "value": str(HTTP_PORT)},
        ],
        "ports": [{"name": "metrics", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "resources": (agent.resources or DEFAULT_RESOURCES).wire(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # A worker that imports its libraries on a slow edge node may take a minute; only then liveness counts.
        "startupProbe": _probe("/livez", periodSeconds=2, failureThreshold=90),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=6, timeoutSeconds=5),
        "readinessProbe": _probe("/readyz", periodSeconds=2, failureThreshold=2, timeoutSeconds=5),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own, an emptyDir
            {"name": "token", "mountPath": TOKEN_PATH, "readOnly": True},
        ],
    }


def _backend(qpu: Qpu) -> list[Object]:
    """What the agent computes with: a simulator of so many qubits, or the emulator of a device."""
    if qpu.device is not None:
        return [{"name": "BACKEND", "value": qpu.backend}, {"name": "DEVICE", "value": qpu.device}]
    return [{"name": "BACKEND", "value": qpu.backend}, {"name": "QUBITS", "value": str(qpu.qubits)}]


def _from_pod(variable: str, field: str) -> Object:
    return {"name": variable, "valueFrom": {"fieldRef": {"fieldPath": field}}}


def _probe(path: str, **timing: int) -> Object:
    return {"httpGet": {"path": path, "port": "metrics"}, **timing}


def _token() -> Object:
    """The API token, CA and namespace as a pod has them by default, but in this container only."""
    return {
        "name": "token",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}],
                    }
                },
            ],
        },
    }
