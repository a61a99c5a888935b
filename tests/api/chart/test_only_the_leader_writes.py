"""Of the operator's pods only the one that holds the Lease changes anything, whatever the others still send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from omnixan.edge_network.api.meta import API_VERSION, CLAIM_LABEL
from omnixan_operator.apiserver import NotLeadingError, classify
from tests.api.chart.conftest import Installed, role_binding
from tests.api.client import Kube, RefusedError
from tests.api.conftest import until
from tests.cases import agents as agents_of
from tests.cases import good
from tests.cases.chart import pod_of
from tests.cases.edit import DELETE, edited

CORE, APPS, LEASES = "v1", "apps/v1", "coordination.k8s.io/v1"
LEASE = "omnixan-operator"
MANAGER = "omnixan-operator"


class Replicas:
    """Two pods of the operator, by their tokens, and the Lease."""

    def __init__(self, installed: Installed) -> None:
        self._system = installed.system
        self.installed = installed
        template = pod_of(installed.manifests)
        self.one, self.two = (self._pod(name, template) for name in ("one", "two"))
        self.unbound = self._token(None)

    def _pod(self, name: str, template: Any) -> Kube:
        metadata = {"name": name, "labels": template["metadata"]["labels"]}
        pod = self._system.create({"apiVersion": CORE, "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        return self._token({"apiVersion": CORE, "kind": "Pod", "name": name, "uid": pod["metadata"]["uid"]})

    def _token(self, bound: Any) -> Kube:
        spec = {"expirationSeconds": 3600} | ({"boundObjectRef": bound} if bound else {})
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = self._system.path(CORE, "ServiceAccount", "omnixan-operator", "token")
        token = self._system.request("POST", path, request)["status"]["token"]
        return self._system.with_token(token).within(self.installed.clusters.namespace)

    def elect(self, holder: str) -> None:
        """Write the Lease, and wait until the policy goes by it."""
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15}
        metadata = {"name": LEASE, "namespace": self._system.namespace}
        lease = {"apiVersion": LEASES, "kind": "Lease", "metadata": metadata, "spec": spec}
        self._system.apply(lease, "tests", force=True)
        for kube, name in ((self.one, "one"), (self.two, "two")):
            leads = holder.startswith(name + "_")
            until(lambda kube=kube, leads=leads: _passes(kube) is leads, f"the policy knows {holder}")  # type: ignore[misc]


def _passes(kube: Kube) -> bool:
    try:
        kube.create(account(kube, "probe-agent"), dry_run=True)
    except RefusedError as refused:
        assert "omnixan-edge-leader" in refused.message, refused
        return False
    return True


def child(kube: Kube, name: str) -> Any:
    """Metadata as the operator's own policies want it: what an EdgeCluster owns."""
    cluster = name.removesuffix("-agent")
    owner = {"apiVersion": API_VERSION, "kind": "EdgeCluster", "name": cluster, "uid": f"uid-of-{cluster}"}
    return {"name": name, "namespace": kube.namespace, "ownerReferences": [owner | {"controller": True}]}


def account(kube: Kube, name: str) -> Any:
    return {"apiVersion": CORE, "kind": "ServiceAccount", "metadata": child(kube, name)}


def binding(kube: Kube, name: str) -> Any:
    return role_binding(kube, name, "omnixan-edge-agent", name) | {"metadata": child(kube, name)}


def agents(kube: Kube) -> Any:
    owners = child(kube, "late-agent")["ownerReferences"]
    return edited(here(DAEMON_SET, kube), {"metadata.ownerReferences": owners})


def here(manifest: Any, kube: Kube) -> Any:
    out = {key: value for key, value in manifest.items() if key != "status"}
    return edited(out, {"metadata.namespace": kube.namespace})


@pytest.fixture(scope="module")
def replicas(installed: Installed) -> Iterator[Replicas]:
    made = Replicas(installed)
    installed.clusters.create(here(good.EDGE_CLUSTER, installed.clusters))
    installed.clusters.create(here(good.EDGE_NODE, installed.clusters))
    installed.tenant.create(here(good.JOB_PROGRAM, installed.tenant))
    yield made
    for name in ("one", "two"):
        installed.system.delete("Pod", name, CORE)


DAEMON_SET = {
    "apiVersion": APPS,
    "kind": "DaemonSet",
    "metadata": {"name": "late"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": agents_of.pod("late-agent")},
    },
}


def status_of_node(kube: Kube) -> None:
    manifest = here(good.EDGE_NODE, kube)
    kube.apply(edited(manifest, {"spec": DELETE, "status": {"observedGeneration": 1}}), MANAGER, "status", dry_run=True)


def status_of_job(kube: Kube, tenant: str) -> None:
    own = kube.within(tenant)
    manifest = here(good.JOB_PROGRAM, own)
    own.apply(edited(manifest, {"spec": DELETE, "status": {"phase": "Running"}}), MANAGER, "status", dry_run=True)


def deletion(kube: Kube) -> None:
    kube.request("DELETE", kube.path(API_VERSION, "EdgeNode", good.EDGE_NODE["metadata"]["name"]), dryRun="All")


def label_of_node(kube: Kube, name: str) -> None:
    body = {"metadata": {"labels": {CLAIM_LABEL: "p.0"}}}
    kube.request("PATCH", kube.path(CORE, "Node", name), body, "application/merge-patch+json", dryRun="All")


WRITES: dict[str, Callable[[Kube, Installed, str], Any]] = {
    "a job's status": lambda kube, i, _n: status_of_job(kube, i.tenant.namespace),
    "a node's verdict": lambda kube, _i, _n: status_of_node(kube),
    "a DaemonSet": lambda kube, _i, _n: kube.apply(agents(kube), MANAGER, dry_run=True),
    "an account": lambda kube, _i, _n: kube.apply(account(kube, "late-agent"), MANAGER, dry_run=True),
    "a binding": lambda kube, _i, _n: kube.apply(binding(kube, "late-agent"), MANAGER, dry_run=True),
    "a claim": lambda kube, _i, name: label_of_node(kube, name),
    "a deletion": lambda kube, _i, _n: deletion(kube),
}


@pytest.fixture(scope="module")
def node(control_plane: Kube, installed: Installed) -> Iterator[str]:
    name = f"node-of-{installed.clusters.namespace}"
    control_plane.create({"apiVersion": CORE, "kind": "Node", "metadata": {"name": name}})
    yield name
    control_plane.delete("Node", name, CORE)


@pytest.mark.parametrize("what", WRITES)
def test_a_former_leaders_write_is_refused_and_its_successors_is_not(
    replicas: Replicas, installed: Installed, node: str, what: str
) -> None:
    write = WRITES[what]
    replicas.elect("one_1")
    write(replicas.one, installed, node)
    replicas.elect("two_2")
    write(replicas.two, installed, node)
    for former in (replicas.one, replicas.unbound):
        with pytest.raises(RefusedError, match="omnixan-edge-leader") as refused:
            write(former, installed, node)
        body = f'{{"reason": "{refused.value.reason}", "message": {_quoted(refused.value.message)}}}'
        assert isinstance(classify(refused.value.code, body.encode(), None), NotLeadingError)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_nobody_writes_while_a_released_lease_waits_for_its_next_holder(replicas: Replicas) -> None:
    replicas.elect("two_2")
    replicas.elect("")
    for kube in (replicas.one, replicas.two, replicas.unbound):
        assert not _passes(kube)


def test_a_pod_whose_name_begins_alike_is_another_pod(replicas: Replicas) -> None:
    replicas.elect("one-more_1")
    assert not _passes(replicas.one)


def test_everybody_may_stand_for_election_and_tell_what_happens(replicas: Replicas, installed: Installed) -> None:
    replicas.elect("two_2")
    system = replicas.one.within(installed.system.namespace)
    assert system.patch("Lease", LEASE, {"spec": {"holderIdentity": "one_3"}}, "", LEASES)
