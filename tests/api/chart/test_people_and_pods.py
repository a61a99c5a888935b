"""People with the roles of every cluster, and pods under the restricted Pod Security level."""

from __future__ import annotations

import pytest
import yaml

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import API_VERSION
from omnixan_operator.desired.daemonset import daemon_set
from tests.api.chart.conftest import Installed, may, role_binding
from tests.api.client import Kube, RefusedError
from tests.api.conftest import until
from tests.api.tokens import unbound
from tests.cases import agents, good
from tests.cases.chart import ROOT
from tests.cases.edit import edited

READS = {f"{method} {kind}" for method in ("GET",) for kind in ("EdgeCluster", "EdgeNode", "QuantumJob", "QuantumRun")}
JOBS = {"POST QuantumJob", "PATCH QuantumJob", "DELETE QuantumJob"}
CLUSTERS = {"GET EdgeCluster", "POST EdgeCluster", "PATCH EdgeCluster", "DELETE EdgeCluster"}
# The roles that are added to view, edit and admin: edit has view's, admin has both, as Kubernetes aggregates them.
EXPECTED: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "view": (("omnixan-edge-view",), READS),
    "edit": (("omnixan-edge-view", "omnixan-edge-edit"), READS | JOBS),
    "admin": (("omnixan-edge-view", "omnixan-edge-edit", "omnixan-edge-admin"), READS | JOBS),
    "platform": (("omnixan-edge-platform",), CLUSTERS),
}


@pytest.mark.parametrize("who", EXPECTED)
def test_people_may_do_what_their_role_says(installed: Installed, who: str) -> None:
    roles, expected = EXPECTED[who]
    kube = installed.tenant
    kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": who}})
    for role in roles:
        kube.create(role_binding(kube, f"{who}-{role}", role, who))
    person = unbound(kube, who)

    def allowed() -> set[str]:
        return {
            f"{method} {kind}"
            for kind in ("EdgeCluster", "EdgeNode", "QuantumJob", "QuantumRun")
            for method in ("GET", "POST", "PATCH", "DELETE")
            if may(person, method, API_VERSION, kind, "" if method in ("GET", "POST") else "x")
        }

    until(lambda: allowed() == expected, f"{who} may do {sorted(expected)}")
    for kind in ("EdgeCluster", "EdgeNode", "QuantumJob", "QuantumRun"):
        assert not may(person, "PATCH", API_VERSION, kind, "x", "status")
    for kind in ("EdgeCluster", "EdgeNode", "QuantumJob", "QuantumRun"):
        assert not may(person.within(installed.system.namespace), "GET", API_VERSION, kind)


@pytest.mark.parametrize("manifest", [good.EDGE_CLUSTER, good.EDGE_EMULATED], ids=["simulator", "emulator"])
def test_agents_pass_the_restricted_pod_security_level(installed: Installed, manifest: good.Manifest) -> None:
    live = installed.clusters.create({k: v for k, v in manifest.items() if k != "status"}, dry_run=True)
    cluster = EdgeCluster.model_validate(live)
    for pool in cluster.spec.pools:
        _admitted(installed.clusters, daemon_set(cluster, pool, "agent")["spec"]["template"])


def test_the_example_passes_it_too_and_a_privileged_pod_does_not(installed: Installed) -> None:
    manifest = yaml.safe_load((ROOT / "examples/edgecluster.yaml").read_text())
    example = EdgeCluster.model_validate(edited(manifest, {"metadata.uid": good.UID}))
    template = daemon_set(example, example.spec.pools[0], "agent")["spec"]["template"]
    _admitted(installed.clusters, template)
    for spoilt in ({"spec.hostNetwork": True}, {"spec.containers.0.securityContext.capabilities": {"add": ["BPF"]}}):
        with pytest.raises(RefusedError, match='violates PodSecurity "restricted'):
            _admitted(installed.clusters, edited(template, spoilt))


def _admitted(kube: Kube, template: good.Manifest) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": "agent"}}
    # The PriorityClass is the cluster's; that there is none here has nothing to do with Pod Security.
    spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
    kube.create(pod | {"spec": spec}, dry_run=True)


def test_a_folder_of_the_node_is_what_the_restricted_level_forbids_and_nothing_else(installed: Installed) -> None:
    with pytest.raises(RefusedError, match='violates PodSecurity "restricted') as refused:
        _admitted(installed.clusters, agents.template(persistentMemory={}))
    for part in ("hostPath", "runAsNonRoot", "runAsUser=0", 'capabilities (container "handover"'):
        assert part in refused.value.message.replace("restricted volume types", "hostPath"), part
    assert 'container "agent"' not in refused.value.message
    for modules in ({"memoryPooling": {}}, {"persistentMemory": {"pmemPath": "/dev/dax0.0"}}):
        _admitted(installed.clusters, agents.template(**modules))
