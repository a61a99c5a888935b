"""Rights of operator and agents: exactly those in rights.txt, which a reviewer reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnixan.edge_network.agent import apiserver as agents
from omnixan_operator import kinds
from tests.cases.chart import NAMESPACE, Manifest, of_kind, one, render

RIGHTS = Path(__file__).with_name("rights.txt")
FORBIDDEN_RESOURCES = {"secrets", "pods", "pods/exec", "serviceaccounts/token", "nodes/proxy", "*"}
FORBIDDEN_VERBS = {"*", "escalate", "impersonate", "deletecollection"}


def rights(role: Manifest) -> list[str]:
    """One line for each right: role, verb, group/resource and the one name it is for."""
    return [
        f"{role['metadata']['name']} {verb} {group}/{resource}{f' {name}' if name else ''}"
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    ]


def roles() -> list[Manifest]:
    """Every role of the chart."""
    return of_kind(render(), "ClusterRole") + of_kind(render(), "Role")


def test_rights_are_the_reviewed_ones() -> None:
    found = sorted(line for role in roles() for line in rights(role))
    assert found == [line for line in RIGHTS.read_text().splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("role", roles(), ids=lambda r: r["metadata"]["name"])
def test_no_role_has_secrets_pods_wildcards_or_a_way_up(role: Manifest) -> None:
    for rule in role["rules"]:
        assert not FORBIDDEN_RESOURCES & set(rule["resources"])
        collections = {"deletecollection"} if role["metadata"]["name"] == "omnixan-edge-admin" else set()
        assert not (FORBIDDEN_VERBS - collections) & set(rule["verbs"])
        assert "*" not in rule["apiGroups"]
        if "bind" in rule["verbs"]:
            assert rule["resourceNames"] == ["omnixan-edge-agent"]


def test_people_get_nothing_internal_from_the_roles_of_every_cluster() -> None:
    added: dict[str, set[str]] = {}
    for role in of_kind(render(), "ClusterRole"):
        for label in role["metadata"]["labels"]:
            if label.startswith("rbac.authorization.k8s.io/aggregate-to-"):
                added.setdefault(label.rpartition("-")[2], set()).update(line.split(" ", 1)[1] for line in rights(role))
    assert added.keys() == {"view", "edit", "admin"}
    assert {line.split()[0] for line in added["view"]} == {"get", "list", "watch"}
    assert {line.split()[1] for line in added["edit"] | added["admin"]} == {"edge.omnixan.io/quantumjobs"}


def test_the_agents_role_is_bound_by_nobody_but_the_operator() -> None:
    bindings = of_kind(render(), "ClusterRoleBinding") + of_kind(render(), "RoleBinding")
    assert {b["roleRef"]["name"] for b in bindings} == {
        "omnixan-operator",
        "omnixan-operator-children",
        "omnixan-operator-election",
    }
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "omnixan-operator", "namespace": NAMESPACE}]


def test_children_are_written_only_where_edgeclusters_may_be() -> None:
    manifests = render("extraClusterNamespaces={site-a,site-b,omnixan}")
    bindings = [b for b in of_kind(manifests, "RoleBinding") if b["roleRef"]["kind"] == "ClusterRole"]
    assert [b["metadata"]["namespace"] for b in bindings] == ["omnixan", "site-a", "site-b"]
    everywhere = {
        line.split()[2]
        for line in rights(one(manifests, "ClusterRole", "omnixan-operator"))
        if line.split()[1] in ("create", "patch", "delete", "update")
    }
    assert everywhere == {
        "edge.omnixan.io/edgeclusters/status",
        "edge.omnixan.io/edgenodes/status",
        "edge.omnixan.io/quantumjobs/status",
        "edge.omnixan.io/quantumjobs",
        "/nodes",
        "/configmaps",
        "events.k8s.io/events",
    }


def test_the_operator_may_read_what_it_watches_and_post_the_events_it_posts() -> None:
    role = set(rights(one(render(), "ClusterRole", "omnixan-operator")))
    for kind in kinds.WATCHED:
        for verb in ("get", "list", "watch"):
            assert f"omnixan-operator {verb} {kind.group}/{kind.plural}" in role
    assert f"omnixan-operator create {kinds.EVENT.group}/{kinds.EVENT.plural}" in role


def test_agents_may_use_the_resources_they_know() -> None:
    role = set(rights(one(render(), "ClusterRole", "omnixan-edge-agent")))
    needs = {
        agents.RUNS: ("get", "list", "watch"),
        agents.NODES: ("get", "list", "watch"),
        agents.LEASES: ("create", "patch"),
        agents.EVENTS: ("create",),
    }
    for resource, verbs in needs.items():
        group = resource.api.rpartition("/")[0]
        for verb in verbs:
            assert f"omnixan-edge-agent {verb} {group}/{resource.plural}" in role
