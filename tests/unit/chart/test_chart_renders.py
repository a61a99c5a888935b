"""The chart: what is rendered with the default values, and what each value changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnixan.edge_network.api.crd import KINDS
from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import CLAIM_LABEL, GROUP
from omnixan_operator.decide.confinement import problem
from omnixan_operator.desired.daemonset import daemon_set
from tests.cases.chart import (
    CHART,
    NAMESPACE,
    ROOT,
    HelmError,
    container,
    of_kind,
    one,
    pod_of,
    render,
    run_helm,
)

CRDS = {path.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))}
ADMISSION = "admissionregistration.k8s.io"
EXAMPLE = ROOT / "examples/edgecluster.yaml"
KEEP = {"helm.sh/resource-policy": "keep"}


def test_helm_finds_nothing_to_complain_about() -> None:
    assert "0 chart(s) failed" in run_helm("lint", "--strict", str(CHART))


def test_every_manifest_is_whole_and_stands_once() -> None:
    manifests = render()
    identities = [(m["apiVersion"], m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in manifests]
    assert len(set(identities)) == len(identities)
    assert {kind for _, kind, _, _ in identities} == {
        "CustomResourceDefinition",
        "Namespace",
        "Deployment",
        "Service",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "RoleBinding",
        "Role",
        "PodDisruptionBudget",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "NetworkPolicy",
    }
    for manifest in manifests:
        if manifest["kind"] != "CustomResourceDefinition":
            assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "omnixan-edge"
    namespaces = {m["metadata"].get("namespace") for m in manifests}
    assert namespaces == {None, NAMESPACE, "omnixan"}


def test_the_crds_of_the_chart_are_those_of_the_folder() -> None:
    found = of_kind(render("crds.keep=false"), "CustomResourceDefinition")
    by_name = {m["metadata"]["name"]: m for m in found}
    assert by_name == {m["metadata"]["name"]: m for m in CRDS.values()}
    assert by_name.keys() == {f"{kind.plural}.{GROUP}" for kind in KINDS}


def test_crds_are_kept_at_uninstall_unless_said_otherwise() -> None:
    for crd in of_kind(render(), "CustomResourceDefinition"):
        assert crd["metadata"]["annotations"] == KEEP
    for crd in of_kind(render("crds.keep=false"), "CustomResourceDefinition"):
        assert "annotations" not in crd["metadata"]


def test_crds_can_be_left_to_somebody_else() -> None:
    assert not of_kind(render("crds.install=false"), "CustomResourceDefinition")


@pytest.mark.parametrize("name", ["operator", "analyzer"])
def test_every_container_is_restricted(name: str) -> None:
    security = container(render(), name)["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod = pod_of(render())["spec"]
    assert {c["name"] for c in pod["containers"]} == {"operator", "analyzer"}
    assert not pod.get("initContainers")
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


@pytest.mark.parametrize("name", ["operator", "analyzer"])
def test_every_container_has_requests_a_memory_limit_and_probes(name: str) -> None:
    found = container(render(), name)
    assert {"cpu", "memory"} <= found["resources"]["requests"].keys()
    assert "memory" in found["resources"]["limits"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= found.keys()


def test_the_operator_gets_64_to_256_mebibytes() -> None:
    resources = container(render(), "operator")["resources"]
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == ("64Mi", "256Mi")


def test_the_api_token_is_in_the_operators_container_only() -> None:
    pod = pod_of(render())["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert one(render(), "ServiceAccount")["automountServiceAccountToken"] is False
    (with_token,) = (
        v["name"]
        for v in pod["volumes"]
        if any("serviceAccountToken" in source for source in v.get("projected", {}).get("sources", ()))
    )
    mounting = [c["name"] for c in pod["containers"] if with_token in {m["name"] for m in c["volumeMounts"]}]
    assert mounting == ["operator"]
    (mount,) = (m for m in container(render(), "operator")["volumeMounts"] if m["name"] == with_token)
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"


def test_the_tokens_of_operator_and_agents_live_as_long_as_the_values_say() -> None:
    manifests = render("security.tokenSeconds=900")
    (seconds,) = (
        source["serviceAccountToken"]["expirationSeconds"]
        for volume in pod_of(manifests)["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        if "serviceAccountToken" in source
    )
    environment = {e["name"]: e.get("value") for e in container(manifests, "operator")["env"]}
    assert (seconds, environment["TOKEN_SECONDS"]) == (900, "900")


def test_both_containers_meet_at_one_socket_and_share_nothing_else() -> None:
    operator, analyzer = container(render(), "operator"), container(render(), "analyzer")
    environment = {e["name"]: e.get("value") for e in operator["env"]}
    assert environment["ANALYZER_SOCKET"] == analyzer["command"][analyzer["command"].index("--socket") + 1]
    mounted = [{m["name"]: m["mountPath"] for m in c["volumeMounts"]} for c in (operator, analyzer)]
    shared = mounted[0].keys() & mounted[1].keys()
    assert shared == {"analyzer-socket"}
    assert environment["ANALYZER_SOCKET"].startswith(mounted[0]["analyzer-socket"] + "/")


def test_commands_are_programs_of_the_distribution() -> None:
    scripts = (ROOT / "pyproject.toml").read_text()
    for name in ("operator", "analyzer"):
        assert f"\n{container(render(), name)['command'][0]} = " in scripts


def test_the_operator_is_told_the_role_that_agents_get_and_their_image() -> None:
    manifests = render("images.agent.repository=registry.example/agent", "images.agent.tag=v7")
    environment = {e["name"]: e.get("value") for e in container(manifests, "operator")["env"]}
    assert one(manifests, "ClusterRole", environment["AGENT_CLUSTER_ROLE"])
    assert environment["AGENT_IMAGE"] == "registry.example/agent:v7" == container(manifests, "analyzer")["image"]


def test_the_operator_watches_over_the_policies_that_confine_agents() -> None:
    environment = {e["name"]: e.get("value") for e in container(render(), "operator")["env"]}
    for name in environment["CONFINEMENT"].split(","):
        policy = one(render(), "ValidatingAdmissionPolicy", name)
        assert problem(policy, one(render(), "ValidatingAdmissionPolicyBinding", name)) == ""


def test_every_policy_refuses_and_says_what_is_wrong() -> None:
    for policy in of_kind(render(), "ValidatingAdmissionPolicy"):
        assert problem(policy, one(render(), "ValidatingAdmissionPolicyBinding", policy["metadata"]["name"])) == ""
        for validation in policy["spec"]["validations"]:
            assert validation["message"] and validation["reason"] == "Forbidden"
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]:
            # type checking leaves out what a wildcard matches; who leads is asked for all we have, but not of the object
            if rule["resources"] == ["*/*"] and policy["metadata"]["name"] == "omnixan-edge-leader":
                continue
            assert "*" not in rule["apiGroups"] + rule["apiVersions"] + rule["resources"]


def test_administrators_are_the_groups_of_the_values() -> None:
    manifests = render("security.adminGroups={system:masters,gke:admins@example.com}")
    variables = one(manifests, "ValidatingAdmissionPolicy", "omnixan-edge-edgenodes")["spec"]["variables"]
    (expression,) = (v["expression"] for v in variables if v["name"] == "isAdmin")
    assert "['system:masters', 'gke:admins@example.com']" in expression


@pytest.mark.parametrize(
    ("kubernetes", "served", "version"),
    [
        ("1.36.0", (), f"{ADMISSION}/v1"),
        ("1.34.0", (f"{ADMISSION}/v1beta1/MutatingAdmissionPolicy",), f"{ADMISSION}/v1beta1"),
        ("1.33.0", (), ""),
    ],
)
def test_the_submitter_is_stamped_where_the_api_server_can(kubernetes: str, served: tuple[str, ...], version: str) -> None:
    manifests = render(kubernetes=kubernetes, served=served)
    stamps = of_kind(manifests, "MutatingAdmissionPolicy") + of_kind(manifests, "MutatingAdmissionPolicyBinding")
    assert [m["apiVersion"] for m in stamps] == ([version] * 2 if version else [])
    rules = one(manifests, "ValidatingAdmissionPolicy", "omnixan-edge-quantumjobs")["spec"]["validations"]
    left_out = [rule for rule in rules if rule["expression"].endswith("|| variables.submitter == ''")]
    assert bool(left_out) == (not version)


def test_network_policies_match_the_golden_file_and_the_pods() -> None:
    values = ("networkPolicies.apiServer.cidrs={10.0.0.1/32}", "extraClusterNamespaces={site-a}")
    scrapers = "networkPolicies.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring"
    found = of_kind(render(*values, scrapers), "NetworkPolicy")
    golden = Path(__file__).with_name("networkpolicies.yaml")
    assert [{"metadata": _place(m), "spec": m["spec"]} for m in found] == list(yaml.safe_load_all(golden.read_text()))
    assert not of_kind(render("networkPolicies.enabled=false"), "NetworkPolicy")


def test_network_policies_select_the_pods_they_are_about() -> None:
    manifests = render()
    cluster = EdgeCluster.model_validate(yaml.safe_load(EXAMPLE.read_text()))
    agents = daemon_set(cluster, cluster.spec.pools[0], "image")["spec"]["template"]
    for name, template in (("omnixan-operator", pod_of(manifests)), ("omnixan-edge-agents", agents)):
        spec = one(manifests, "NetworkPolicy", name)["spec"]
        assert spec["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        named = {p["name"] for c in template["spec"]["containers"] for p in c.get("ports", ())}
        assert {p["port"] for rule in spec["ingress"] for p in rule["ports"]} <= named


def _place(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: manifest["metadata"][key] for key in ("name", "namespace")}


def test_a_digest_wins_over_the_tag() -> None:
    digest = "sha256:" + "0" * 64
    manifests = render("images.operator.tag=v7", f"images.operator.digest={digest}")
    assert container(manifests, "operator")["image"] == f"omnixan/operator@{digest}"


def test_two_replicas_are_kept_apart_and_drained_one_at_a_time() -> None:
    manifests = render()
    deployment, budget = one(manifests, "Deployment")["spec"], one(manifests, "PodDisruptionBudget")["spec"]
    assert deployment["replicas"] == 2 and deployment["strategy"]["type"] == "RollingUpdate"
    spread = deployment["template"]["spec"]["topologySpreadConstraints"][0]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"] == budget["selector"] == deployment["selector"]
    assert budget["minAvailable"] == 1


def test_a_single_replica_has_no_budget_that_would_block_every_drain() -> None:
    manifests = render("operator.replicas=1")
    assert one(manifests, "Deployment")["spec"]["replicas"] == 1
    assert not of_kind(manifests, "PodDisruptionBudget")


def test_the_service_selects_the_operators_pod_and_a_port_it_has() -> None:
    manifests = render()
    service, deployment = one(manifests, "Service")["spec"], one(manifests, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    named = {p["name"]: p["containerPort"] for p in container(manifests, "operator")["ports"]}
    assert service["ports"][0]["targetPort"] in named
    environment = {e["name"]: e.get("value") for e in container(manifests, "operator")["env"]}
    assert environment["METRICS_PORT"] == str(named["http"])


def test_the_clusters_namespace_is_restricted_and_kept() -> None:
    namespace = one(render(), "Namespace")
    assert namespace["metadata"]["name"] == "omnixan"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["annotations"] == KEEP
    assert not of_kind(render("clusterNamespace.create=false"), "Namespace")


def test_the_values_of_a_pod_arrive_in_the_pod() -> None:
    spec = pod_of(
        render(
            "nodeSelector.role=infra",
            "tolerations[0].operator=Exists",
            "priorityClassName=system-cluster-critical",
            "imagePullSecrets[0].name=registry",
            "podLabels.team=blue",
            "podAnnotations.note=here",
        )
    )
    assert spec["spec"]["nodeSelector"] == {"role": "infra"}
    assert spec["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert spec["spec"]["priorityClassName"] == "system-cluster-critical"
    assert spec["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["metadata"]["labels"]["team"] == "blue"
    assert spec["metadata"]["annotations"]["note"] == "here"


@pytest.mark.parametrize(
    "value",
    [
        "replicas=2",
        "operator.logLevl=INFO",
        "operator.logLevel=LOUD",
        "operator.resources.limit.memory=1Gi",
        "operator.resources.limits.memory=much",
        "images.agent.tga=1",
        "images.operator.digest=sha256:12",
        "images.operator.pullPolicy=Sometimes",
        "crds.keep=maybe",
        "crds.instal=false",
        "clusterNamespace.name=Not_A_Name",
        "clusterNamespace.podSecurity=strict",
        "extraClusterNamespaces[0]=UPPER",
        "serviceAccount.name=other",
        "networkPolicies.apiServer.cidrs[0]=everywhere",
        "networkPolicies.apiServer.ports[0]=70000",
        "networkPolicies.enable=true",
        "security.adminGroups={}",
        "security.tokenSeconds=300",
        "security.tokenSeconds=3607",
        "security.adminGroups[0]=it's",
    ],
)
def test_a_value_that_means_nothing_is_refused(value: str) -> None:
    with pytest.raises(HelmError, match="values don't meet the specifications of the schema"):
        render(value)


def test_every_default_is_described_by_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values.keys() | {"global"} == schema["properties"].keys()


def test_the_notes_say_how_to_uninstall_in_an_order_that_hangs_nowhere() -> None:
    notes = run_helm("install", "omnixan-edge", str(CHART), "--dry-run=client", "--namespace", NAMESPACE)
    notes = notes[notes.index("NOTES:") :]
    steps = ["kubectl delete edgeclusters --all --all-namespaces", f"get nodes -l {CLAIM_LABEL} ", "helm uninstall"]
    places = [notes.index(step) for step in steps]
    assert places == sorted(places)
    assert f"kubectl label nodes --all {CLAIM_LABEL}-" in notes
    for kind in KINDS:
        assert f"{kind.plural}.{GROUP}" in notes


def test_the_example_goes_where_the_operator_may_work() -> None:
    example = yaml.safe_load((ROOT / "examples/edgecluster.yaml").read_text())
    cluster = EdgeCluster.model_validate(example)
    assert cluster.metadata.namespace == one(render(), "Namespace")["metadata"]["name"]
    assert [(p.name, p.tier, p.max_nodes, p.qpu.qubits) for p in cluster.spec.pools] == [
        ("gateway", "gateway", 2, 12),
        ("compute", "compute", 1, 16),
    ]
    assert cluster.spec.nodes == 3
