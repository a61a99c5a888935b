"""What follows from the definitions beyond validation: scale, selectors, defaults, ownership of fields, names."""

from __future__ import annotations

import pytest

from omnixan.edge_network.api.crd import KINDS
from omnixan.edge_network.api.edgecluster import EdgeCluster, Pool
from omnixan.edge_network.api.meta import API_VERSION
from omnixan.edge_network.api.quantumjob import QuantumJob
from tests.api.client import Kube, RefusedError
from tests.cases import good
from tests.cases.edit import DELETE, edited


def applied_status(manifest: good.Manifest, **status: object) -> good.Manifest:
    """An apply configuration of nothing but status."""
    return {key: manifest[key] for key in ("apiVersion", "kind", "metadata")} | {"status": status}


def test_an_edgecluster_is_scaled_by_its_scale_subresource(kube: Kube) -> None:
    kube.create(good.EDGE_CLUSTER)
    kube.replace(good.EDGE_CLUSTER, "status")
    scale = kube.get("EdgeCluster", "edge", "scale")
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 3)
    assert scale["status"] == {"replicas": 3, "selector": "app.kubernetes.io/component=node-agent"}

    kube.patch("EdgeCluster", "edge", {"spec": {"replicas": 2}}, "scale")
    live = kube.get("EdgeCluster", "edge")
    assert live["spec"]["nodes"] == 2
    assert live["metadata"]["generation"] == 2


def test_scaling_below_the_pools_minimum_is_refused(kube: Kube) -> None:
    kube.create(good.EDGE_CLUSTER)
    with pytest.raises(RefusedError, match="sum of all pools' minNodes"):
        kube.patch("EdgeCluster", "edge", {"spec": {"replicas": 0}}, "scale")


def test_an_agent_lists_the_runs_of_its_node_only(kube: Kube) -> None:
    for number in range(4):
        edits = {"metadata.name": f"{good.UID}-{number + 1}", "spec.nodeName": f"worker-{number % 2}"}
        kube.create(edited(good.RUN_PROGRAM, edits))
    found = kube.list("QuantumRun", fieldSelector="spec.nodeName=worker-1")
    assert {run["metadata"]["name"] for run in found} == {f"{good.UID}-2", f"{good.UID}-4"}


@pytest.mark.parametrize("manifest", [good.EDGE_CLUSTER, good.EDGE_NODE, good.JOB_PROGRAM], ids=lambda m: m["kind"])
def test_a_fresh_object_does_not_pass_for_settled(kube: Kube, manifest: good.Manifest) -> None:
    created = kube.create(edited(manifest, {"status": DELETE}))
    assert created["status"] == {"observedGeneration": -1}
    assert created["metadata"]["generation"] == 1


def test_a_status_written_at_creation_is_ignored(kube: Kube) -> None:
    assert kube.create(good.JOB_PROGRAM)["status"] == {"observedGeneration": -1}
    assert "status" not in kube.create(good.RUN_PROGRAM)


def test_status_and_spec_are_written_apart(kube: Kube) -> None:
    kube.create(good.EDGE_NODE)
    kube.patch("EdgeNode", "worker-1", {"spec": {"drain": True}, "status": {"qubits": 12}}, "status")
    live = kube.get("EdgeNode", "worker-1")
    assert (live["spec"]["drain"], live["status"]["qubits"], live["metadata"]["generation"]) == (False, 12, 1)
    kube.patch("EdgeNode", "worker-1", {"spec": {"drain": True}, "status": {"qubits": 5}})
    live = kube.get("EdgeNode", "worker-1")
    assert (live["spec"]["drain"], live["status"]["qubits"], live["metadata"]["generation"]) == (True, 12, 2)


def test_agent_and_operator_own_one_condition_each(kube: Kube) -> None:
    kube.create(good.EDGE_NODE)
    agent = applied_status(good.EDGE_NODE, qubits=12, conditions=[good.condition("AgentReady")])
    operator = applied_status(
        good.EDGE_NODE, observedGeneration=1, conditions=[good.condition("Ready"), good.condition("Draining")]
    )
    kube.apply(agent, "omnixan-agent", "status")
    kube.apply(operator, "omnixan-operator", "status")
    status = kube.get("EdgeNode", "worker-1")["status"]
    assert {c["type"] for c in status["conditions"]} == {"AgentReady", "Ready", "Draining"}
    assert (status["qubits"], status["observedGeneration"]) == (12, 1)

    operator["status"]["conditions"] = [good.condition("Ready")]
    kube.apply(operator, "omnixan-operator", "status")
    status = kube.get("EdgeNode", "worker-1")["status"]
    assert {c["type"] for c in status["conditions"]} == {"AgentReady", "Ready"}
    assert status["qubits"] == 12


def test_a_condition_of_another_owner_is_not_taken_over(kube: Kube) -> None:
    kube.create(good.EDGE_NODE)
    kube.apply(applied_status(good.EDGE_NODE, conditions=[good.condition("AgentReady")]), "omnixan-agent", "status")
    theirs = applied_status(good.EDGE_NODE, conditions=[good.condition("AgentReady", "False")])
    with pytest.raises(RefusedError, match="omnixan-agent") as refused:
        kube.apply(theirs, "omnixan-operator", "status")
    assert refused.value.code == 409


def test_two_people_can_own_a_pool_each(kube: Kube) -> None:
    base = edited(good.EDGE_CLUSTER, {"status": DELETE})
    gateway = edited(base, {"spec.pools": base["spec"]["pools"][:1]})
    kube.apply(gateway, "platform", force=True)
    compute = {key: base[key] for key in ("apiVersion", "kind", "metadata")} | {
        "spec": {"nodes": 3, "pools": base["spec"]["pools"][1:]}
    }
    kube.apply(compute, "lab")
    assert [p["name"] for p in kube.get("EdgeCluster", "edge")["spec"]["pools"]] == ["gateway", "compute"]


def test_the_api_server_fills_in_the_defaults_of_the_models(kube: Kube) -> None:
    spec = {
        "nodes": 0,
        "pools": [{"name": "p", "tier": "compute", "nodeSelector": {"a": "b"}, "qpu": {"qubits": 5}}],
    }
    stored = kube.create(good.manifest("EdgeCluster", "small", spec))
    assert (
        EdgeCluster.model_validate(stored).spec
        == EdgeCluster.model_validate(good.manifest("EdgeCluster", "small", spec)).spec
    )
    assert Pool.model_fields["max_nodes"].default == stored["spec"]["pools"][0]["maxNodes"]
    assert (stored["spec"]["region"], stored["spec"]["agent"]) == ("", {})

    short = {"clusterRef": {"name": "small"}, "program": {"inline": {"data": good.PROGRAM}}}
    stored = kube.create(good.manifest("QuantumJob", "short", short))
    assert stored["spec"]["primitive"] == {"sampler": {"shots": 1024}}
    assert stored["spec"]["program"]["inline"]["format"] == "openqasm3"
    assert stored["spec"]["execution"] == {"timeoutSeconds": 3600, "optimizationLevel": 1}
    assert QuantumJob.model_validate(stored).spec.wire() == stored["spec"]


def test_kinds_answer_to_their_short_names_and_category(control_plane: Kube) -> None:
    served = control_plane.request("GET", f"/apis/{API_VERSION}")["resources"]
    by_kind = {r["kind"]: r for r in served if "/" not in r["name"]}
    assert {k: r["shortNames"] for k, r in by_kind.items()} == {kind.name: [kind.short] for kind in KINDS}
    assert {k for k, r in by_kind.items() if "omnixan" in r.get("categories", ())} == {
        "EdgeCluster",
        "EdgeNode",
        "QuantumJob",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_a_table_has_five_to_eight_columns(shared: Kube, kind: object) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    table = shared.request("GET", shared.path(API_VERSION, kind.name), accept=accept)  # type: ignore[attr-defined]
    wide = [column["name"] for column in table["columnDefinitions"]]
    assert 5 <= len(wide) <= 9, wide
    assert wide[-1] == "Age"


def test_every_field_is_explained(control_plane: Kube) -> None:
    schemas = control_plane.request("GET", f"/openapi/v3/apis/{API_VERSION}")["components"]["schemas"]
    for kind in KINDS:
        (name,) = (n for n in schemas if n.endswith(f".{kind.name}"))
        for part in ("spec", "status"):
            unexplained = list(_unexplained(schemas[name]["properties"][part], f"{kind.name}.{part}"))
            assert not unexplained


def _unexplained(schema: good.Manifest, path: str) -> list[str]:
    here = [] if schema.get("description") else [path]
    for name, child in schema.get("properties", {}).items():
        here += _unexplained(child, f"{path}.{name}")
    if "properties" in schema.get("items", {}):
        here += _unexplained(schema["items"], f"{path}[]")
    return here


def test_a_second_run_of_one_attempt_is_refused(kube: Kube) -> None:
    kube.create(good.RUN_PROGRAM)
    with pytest.raises(RefusedError) as refused:
        kube.create(good.RUN_PROGRAM)
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")
