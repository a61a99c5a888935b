"""Tokens of service accounts as the API server makes them: bound to a pod on a node, or to nothing."""

from __future__ import annotations

from tests.api.client import Kube, Object, RefusedError

AUTHENTICATION = "authentication.k8s.io/v1"


def token(kube: Kube, account: str, bound_to: Object | None = None) -> str:
    """A token of an account in the client's namespace; `bound_to`: the pod in whose hands it is, or a Secret."""
    spec: Object = {"expirationSeconds": 3600}
    if bound_to is not None:
        metadata = bound_to["metadata"]
        reference = {"kind": bound_to["kind"], "apiVersion": "v1"}
        spec["boundObjectRef"] = reference | {"name": metadata["name"], "uid": metadata["uid"]}
    request = {"apiVersion": AUTHENTICATION, "kind": "TokenRequest", "spec": spec}
    path = kube.path("v1", "ServiceAccount", account, "token")
    answer: str = kube.request("POST", path, request)["status"]["token"]
    return answer


def unbound(kube: Kube, account: str) -> Kube:
    """The account with a token that any machine could hold."""
    return kube.with_token(token(kube, account))


def bound(kube: Kube, account: str, node: str) -> Kube:
    """The account with a token as a pod on the Node has it (empty: as one that is not scheduled yet)."""
    try:
        kube.create(pod(account, node))
    except RefusedError as refused:
        if refused.reason != "AlreadyExists":
            raise
    return kube.with_token(token(kube, account, kube.get("Pod", pod(account, node)["metadata"]["name"], "", "v1")))


def pod(account: str, node: str) -> Object:
    """A pod of the account on the node, such as every namespace admits."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{account}-on-{node or 'no-node'}"},
        "spec": {
            **({"nodeName": node} if node else {}),
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "agent",
                    "image": "agent",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
