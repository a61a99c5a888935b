"""A bare control plane with the chart's kinds, rights and policies, and a kubeconfig for every account of the load."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster.apiserver import BareControlPlane
from e2e.cluster.pypi import helm
from e2e.cluster.steps import Steps
from e2e.install import CHART, RELEASE
from e2e.load.accounts import GROUP, LOAD, SYSTEM
from e2e.load.scale import TENANT_LABEL, Scale, tenant

POD = "omnixan-operator-0"
_PROCESSES = frozenset({"Deployment", "Service", "PodDisruptionBudget", "PriorityClass", "NetworkPolicy"})
"""Of the chart, what is about pods: here the operator is a process, and nothing runs pods."""


@dataclass(frozen=True)
class Plane:
    """An API server that is ready for the load."""

    bare: BareControlPlane
    operator: Path
    """Kubeconfig of the operator: its account's rights, with a token bound to its pod."""
    simulator: Path
    """Kubeconfig of the simulator, an administrator: it stands for many agents."""
    generator: Path
    """Kubeconfig of the generator and checker."""


@contextmanager
def loaded_plane(scale: Scale, steps: Steps) -> Iterator[Plane]:
    """Start etcd and kube-apiserver and install everything but the operator itself."""
    with BareControlPlane(steps, audit=True) as bare:
        with steps.step("install kinds, rights and policies"):
            _install(bare, scale)
        token = f"{bare.directory}/"
        paths = {name: Path(f"{token}{name}.kubeconfig") for name in ("operator", "simulator", "generator")}
        bound = json.loads(bare.kubectl("get", "pod", POD, "-n", SYSTEM, "-o", "json"))["metadata"]["uid"]
        binding = ("--bound-object-kind", "Pod", "--bound-object-name", POD, "--bound-object-uid", bound)
        _write(bare, paths["operator"], _token(bare, SYSTEM, "omnixan-operator", *binding))
        _write(bare, paths["simulator"], _token(bare, LOAD, "simulator"))
        _write(bare, paths["generator"], _token(bare, LOAD, "generator"))
        yield Plane(bare, paths["operator"], paths["simulator"], paths["generator"])


def _install(bare: BareControlPlane, scale: Scale) -> None:
    _apply(bare, [_named("v1", "Namespace", name) for name in (SYSTEM, LOAD)])
    labels = {TENANT_LABEL: "true"}
    _apply(bare, [_named("v1", "Namespace", tenant(number), labels=labels) for number in range(scale.tenants)])
    chart = _chart()
    crds = [manifest for manifest in chart if manifest["kind"] == "CustomResourceDefinition"]
    _apply(bare, crds)
    bare.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{m['metadata']['name']}" for m in crds))
    rest = [manifest for manifest in chart if manifest["kind"] not in _PROCESSES | {"CustomResourceDefinition"}]
    _apply(bare, sorted(rest, key=lambda manifest: manifest["kind"] != "Namespace"))
    accounts = [_named("v1", "ServiceAccount", name, namespace=LOAD) for name in ("simulator", "generator")]
    rbac = "rbac.authorization.k8s.io"
    binding = _named(f"{rbac}/v1", "ClusterRoleBinding", "omnixan-load") | {
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": GROUP}],
    }
    pod = _named("v1", "Pod", POD, namespace=SYSTEM) | {
        "spec": {"serviceAccountName": "omnixan-operator", "containers": [{"name": "operator", "image": "operator"}]}
    }
    _apply(bare, [*accounts, binding, pod])


def _chart() -> list[dict[str, Any]]:
    groups = ("--set", f"security.adminGroups={{system:masters,{GROUP}}}")
    argv = [str(helm()), "template", RELEASE, str(CHART), "--namespace", SYSTEM, *groups]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def _named(api_version: str, kind: str, name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name} | metadata}


def _apply(bare: BareControlPlane, manifests: list[dict[str, Any]]) -> None:
    bare.kubectl("apply", "--server-side", "-f", "-", text_input=yaml.safe_dump_all(manifests))


def _token(bare: BareControlPlane, namespace: str, account: str, *options: str) -> str:
    return bare.kubectl("create", "token", account, "-n", namespace, "--duration=24h", *options).strip()


def _write(bare: BareControlPlane, path: Path, token: str) -> None:
    """The administrator's kubeconfig with another user."""
    kubeconfig = json.loads(bare.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(kubeconfig))
    path.chmod(0o600)
