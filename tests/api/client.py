"""A small synchronous client: raw JSON in and out, and refusals with the causes that the API server names."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from kubernetes import client, config

from omnixan.edge_network.api.crd import KINDS
from omnixan.edge_network.api.meta import API_VERSION

Object = dict[str, Any]
TIMEOUT_SECONDS = 30
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
PLURALS = {kind.name: kind.plural for kind in KINDS} | {
    "ServiceAccount": "serviceaccounts",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Pod": "pods",
    "Event": "events",
    "Namespace": "namespaces",
    "Node": "nodes",
    "Lease": "leases",
    "DaemonSet": "daemonsets",
    "Deployment": "deployments",
    "Service": "services",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "NetworkPolicy": "networkpolicies",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "CustomResourceDefinition": "customresourcedefinitions",
}
CLUSTER_SCOPED = frozenset(
    {
        "Namespace",
        "Node",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
    }
)


@dataclass(frozen=True)
class Cause:
    """One reason for a refusal, and the field it is about."""

    reason: str
    field: str
    message: str


class RefusedError(Exception):
    """The API server said no."""

    def __init__(self, code: int, status: Object) -> None:
        self.code = code
        self.reason: str = status.get("reason", "")
        self.message: str = status.get("message", "")
        self.causes = [
            Cause(c.get("reason", ""), c.get("field", ""), c.get("message", ""))
            for c in status.get("details", {}).get("causes", ())
        ]
        super().__init__(f"{code} {self.message}")


class Kube:
    """Requests of one user in one namespace."""

    def __init__(self, session: requests.Session, host: str, namespace: str) -> None:
        self._session = session
        self._host = host
        self.namespace = namespace

    @classmethod
    def of(cls, kubeconfig: Path, namespace: str = "default") -> Kube:
        """The user of a kubeconfig."""
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        session = _session(settings.ssl_ca_cert if settings.verify_ssl else False)
        if settings.cert_file:
            session.cert = (settings.cert_file, settings.key_file)
        if token := settings.get_api_key_with_prefix("BearerToken"):
            session.headers["Authorization"] = token
        return cls(session, settings.host, namespace)

    @property
    def host(self) -> str:
        """The API server's URL."""
        return self._host

    def within(self, namespace: str) -> Kube:
        """The same user in another namespace."""
        return Kube(self._session, self._host, namespace)

    def with_token(self, token: str) -> Kube:
        """The user whose bearer token it is, in the same namespace."""
        session = _session(self._session.verify)
        session.headers["Authorization"] = f"Bearer {token}"
        return Kube(session, self._host, self.namespace)

    def acting_as(self, user: str) -> Kube:
        """An administrator's requests in the name of another user, as the API server would get them from that one."""
        session = _session(self._session.verify)
        session.cert = self._session.cert
        session.headers.update({**self._session.headers, "Impersonate-User": user})
        return Kube(session, self._host, self.namespace)

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        media_type: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Object:
        """One request; returns the answer. Raises RefusedError for any status of 400 and above."""
        answer = self._session.request(
            method,
            self._host + path,
            params=query,
            json=body,
            headers={"Content-Type": media_type, "Accept": accept},
            timeout=TIMEOUT_SECONDS,
        )
        if answer.status_code >= 400:
            raise RefusedError(answer.status_code, _status(answer))
        content: Object = answer.json()
        return content

    def answer(
        self, method: str, path: str, body: Object | None = None, media_type: str = "application/json", **query: str
    ) -> tuple[int, str]:
        """Status of a request, and the message of a refusal; of a watch, only whether it begins."""
        headers = {"Content-Type": media_type, "Accept": "application/json"}
        url = self._host + path
        with self._session.request(
            method, url, params=query, json=body, headers=headers, timeout=TIMEOUT_SECONDS, stream=True
        ) as answer:
            return answer.status_code, "" if answer.ok else str(_status(answer).get("message", ""))

    def path(self, api_version: str, kind: str, name: str = "", subresource: str = "") -> str:
        """The path of a collection, an object or a subresource, in this client's namespace."""
        root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
        scope = "" if kind in CLUSTER_SCOPED else f"/namespaces/{self.namespace}"
        return root + scope + "".join(f"/{part}" for part in (PLURALS[kind], name, subresource) if part)

    def create(self, manifest: Object, *, dry_run: bool = False) -> Object:
        """POST with strict field validation, as kubectl does it."""
        path = self.path(manifest["apiVersion"], manifest["kind"])
        return self.request("POST", path, manifest, fieldValidation="Strict", **_dry(dry_run))

    def get(self, kind: str, name: str, subresource: str = "", api_version: str = API_VERSION) -> Object:
        """GET an object or a subresource of it."""
        return self.request("GET", self.path(api_version, kind, name, subresource))

    def list(self, kind: str, api_version: str = API_VERSION, **query: str) -> list[Object]:
        """The objects of the namespace."""
        items: list[Object] = self.request("GET", self.path(api_version, kind), **query)["items"]
        return items

    def replace(self, manifest: Object, subresource: str = "", *, dry_run: bool = False) -> Object:
        """PUT an object over a live one, of whatever version."""
        kind, name, api_version = manifest["kind"], manifest["metadata"]["name"], manifest["apiVersion"]
        live = self.get(kind, name, api_version=api_version)
        metadata = manifest["metadata"] | {"resourceVersion": live["metadata"]["resourceVersion"]}
        path = self.path(api_version, kind, name, subresource)
        return self.request("PUT", path, manifest | {"metadata": metadata}, fieldValidation="Strict", **_dry(dry_run))

    def patch(self, kind: str, name: str, body: Object, subresource: str = "", api_version: str = API_VERSION) -> Object:
        """A JSON merge patch."""
        return self.request("PATCH", self.path(api_version, kind, name, subresource), body, MERGE)

    def apply(
        self, manifest: Object, manager: str, subresource: str = "", *, force: bool = False, dry_run: bool = False
    ) -> Object:
        """Server-side apply."""
        path = self.path(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"], subresource)
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"} | _dry(dry_run)
        return self.request("PATCH", path, manifest, APPLY, **query)

    def delete(self, kind: str, name: str, api_version: str = API_VERSION) -> Object:
        """DELETE an object."""
        return self.request("DELETE", self.path(api_version, kind, name))


@contextmanager
def new_namespace(admin: Kube, **labels: str) -> Iterator[Kube]:
    """A namespace of a unique name, and the administrator in it. In the end our kinds in it are deleted, and it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    own = admin.within(name)
    try:
        yield own
    finally:
        # no controller empties a namespace on a bare control plane
        for kind in KINDS:
            own.request("DELETE", own.path(API_VERSION, kind.name))
        own.delete("Namespace", name, api_version="v1")


def _status(answer: requests.Response) -> Object:
    """The Status object of a refusal; a server that is overloaded or just starting says no in plain text."""
    try:
        status = answer.json()
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"message": answer.text}


def _session(verify: Any) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.verify = verify
    return session


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
