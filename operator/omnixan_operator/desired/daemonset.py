"""The DaemonSet that runs the node agent on the nodes that a pool claimed."""

from __future__ import annotations

from omnixan.edge_network.api.edgecluster import Agent, EdgeCluster, Pool, Qpu, Resources, effective_agent
from omnixan.edge_network.api.meta import CLAIM_LABEL, CLUSTER_LABEL, COMPONENT_LABEL, POOL_LABEL, seconds_of
from omnixan.edge_network.api.modules import EffectiveModules, bytes_of, is_dax_device
from omnixan_operator.desired.common import COMPONENT, agent_account, claim_value, labels, metadata
from omnixan_operator.kinds import Object

HTTP_PORT = 8080
USER = 65532
GRACE_SECONDS = 30
TOKEN_SECONDS = 3600
"""How long an agent's token is valid; the kubelet replaces it after 80 % of that."""
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where clients look for it, not a secret
REQUESTS = {"cpu": "100m", "memory": "256Mi"}
GIB = 1 << 30
MEMORY_LIMIT = 2 * GIB
"""Bytes that an agent may take whose EdgeCluster says nothing; a pool of memory is added."""
MEMORY_VOLUME = "pmem"
HANDOVER = "handover"
NO_MODULES = EffectiveModules()


def daemon_set_name(cluster: str, pool: str) -> str:
    """Name of a pool's DaemonSet (at most 73 characters)."""
    return f"{cluster}-{pool}"


def daemon_set(
    cluster: EdgeCluster,
    pool: Pool,
    default_image: str,
    modules: EffectiveModules = NO_MODULES,
    *,
    token_seconds: int = TOKEN_SECONDS,
) -> Object:
    """One agent pod on every node that carries the pool's claim, with the modules that it is given.

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
                "spec": _pod(cluster, pool, default_image, modules, token_seconds),
            },
        },
    }


def _pod(cluster: EdgeCluster, pool: Pool, default_image: str, modules: EffectiveModules, token_seconds: int) -> Object:
    agent, folder = effective_agent(cluster.spec.agent, pool.agent), _folder(modules)
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
        "containers": [_container(cluster, pool, agent, default_image, modules)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}, _token(token_seconds)],
    }
    if folder is not None:
        pod["initContainers"] = [_handover(folder, default_image)]
        # A path that is not there is made: the proof then says what it is worth, where a pod that waits for it says nothing.
        pod["volumes"].append({"name": MEMORY_VOLUME, "hostPath": {"path": folder, "type": "DirectoryOrCreate"}})
    if pool.tolerations:
        pod["tolerations"] = [toleration.wire() for toleration in pool.tolerations]
    if agent.image_pull_secrets:
        pod["imagePullSecrets"] = [secret.wire() for secret in agent.image_pull_secrets]
    if agent.priority_class_name:
        pod["priorityClassName"] = agent.priority_class_name
    return pod


def _container(cluster: EdgeCluster, pool: Pool, agent: Agent, default_image: str, modules: EffectiveModules) -> Object:
    folder = _folder(modules)
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
            *_modules(modules),
        ],
        "ports": [{"name": "metrics", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "resources": (agent.resources or _default_resources(modules)).wire(),
        "securityContext": _confined(),
        # A worker that imports its libraries on a slow edge node may take a minute; only then liveness counts.
        "startupProbe": _probe("/livez", periodSeconds=2, failureThreshold=90),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=6, timeoutSeconds=5),
        "readinessProbe": _probe("/readyz", periodSeconds=2, failureThreshold=2, timeoutSeconds=5),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own, an emptyDir
            {"name": "token", "mountPath": TOKEN_PATH, "readOnly": True},
            *([_memory_mount(folder)] if folder is not None else []),
        ],
    }


def _folder(modules: EffectiveModules) -> str | None:
    """The folder of the node that the agents keep their store in; a device-dax is none, a device plugin brings it."""
    memory = modules.persistent_memory
    return None if memory is None or is_dax_device(memory.pmem_path) else memory.pmem_path


def _memory_mount(folder: str) -> Object:
    """At the same path as on the node: what the agent says of it is then true of the node."""
    return {"name": MEMORY_VOLUME, "mountPath": folder}


def _handover(folder: str, image: str) -> Object:
    """Gives the folder, which is root's, to the agent: the one thing here that runs as root, so it is always of the
    operator's own release, whatever image the EdgeCluster names."""
    return {
        "name": HANDOVER,
        "image": image,
        "command": ["python", "-m", "omnixan.edge_network.agent.handover", folder, str(USER)],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"runAsNonRoot": False, "runAsUser": 0} | _confined("CHOWN"),
        "volumeMounts": [_memory_mount(folder)],
    }


def _confined(*capabilities: str) -> Object:
    """No way to more rights, and of capabilities these only."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]} | ({"add": list(capabilities)} if capabilities else {}),
    }


def _default_resources(modules: EffectiveModules) -> Resources:
    limit = MEMORY_LIMIT + (bytes_of(modules.memory_pooling.pool_size) if modules.memory_pooling is not None else 0)
    return Resources(
        requests=dict(REQUESTS), limits={"memory": f"{limit >> 30}Gi" if limit % GIB == 0 else f"{limit >> 20}Mi"}
    )


def _modules(modules: EffectiveModules) -> list[Object]:
    """What the agent is told of its modules; nothing of one that is off."""
    found: dict[str, str] = {}
    if (memory := modules.persistent_memory) is not None:
        found |= {
            "PMEM_PATH": memory.pmem_path,
            "PMEM_MODE": memory.mode,
            "PMEM_SIZE": memory.size,
            "CHECKPOINT_INTERVAL": str(seconds_of(memory.checkpoint_interval)),
        }
    if (pool := modules.memory_pooling) is not None:
        found |= {
            "POOL_SIZE": pool.pool_size,
            "BLOCK_SIZE": pool.block_size,
            "REUSE_STRATEGY": pool.reuse_strategy,
            "CIRCUIT_CACHE": str(pool.quantum_circuit_cache).lower(),
        }
    return [{"name": name, "value": value} for name, value in found.items()]


def _backend(qpu: Qpu) -> list[Object]:
    """What the agent computes with: a simulator of so many qubits, or the emulator of a device."""
    if qpu.device is not None:
        return [{"name": "BACKEND", "value": qpu.backend}, {"name": "DEVICE", "value": qpu.device}]
    return [{"name": "BACKEND", "value": qpu.backend}, {"name": "QUBITS", "value": str(qpu.qubits)}]


def _from_pod(variable: str, field: str) -> Object:
    return {"name": variable, "valueFrom": {"fieldRef": {"fieldPath": field}}}


def _probe(path: str, **timing: int) -> Object:
    return {"httpGet": {"path": path, "port": "metrics"}, **timing}


def _token(seconds: int) -> Object:
    """The API token, CA and namespace as a pod has them by default, but in this container only."""
    return {
        "name": "token",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": seconds}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}],
                    }
                },
            ],
        },
    }
