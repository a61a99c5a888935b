"""Every verb on every kind with every sort of agent's token: what is not in the table is refused.

Whatever else the API server serves, by its own discovery, is tried as well, and refused.
Writes are dry runs: they pass authorization, validation and admission as others do, and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from omnixan.edge_network.api.meta import API_VERSION, GROUP, HEARTBEAT_LABEL
from tests.api.chart.conftest import Installed, Site, make_site, may, run_on
from tests.api.client import APPLY, MERGE, Kube, Object
from tests.api.conftest import until
from tests.api.tokens import bound, unbound
from tests.cases import good

LEASES = "coordination.k8s.io/v1"
EVENTS = "events.k8s.io/v1"

# (apiVersion, plural, subresource): namespaced, then cluster-wide.
NAMESPACED = (
    (API_VERSION, "edgeclusters", ""),
    (API_VERSION, "edgeclusters", "status"),
    (API_VERSION, "edgeclusters", "scale"),
    (API_VERSION, "edgenodes", ""),
    (API_VERSION, "edgenodes", "status"),
    (API_VERSION, "quantumjobs", ""),
    (API_VERSION, "quantumjobs", "status"),
    (API_VERSION, "quantumruns", ""),
    (API_VERSION, "quantumruns", "status"),
    (LEASES, "leases", ""),
    ("v1", "events", ""),
    (EVENTS, "events", ""),
    ("v1", "secrets", ""),
    ("v1", "configmaps", ""),
    ("v1", "pods", ""),
    ("v1", "pods", "status"),
    ("v1", "pods", "exec"),
    ("v1", "pods", "log"),
    ("v1", "pods", "eviction"),
    ("v1", "pods", "ephemeralcontainers"),
    ("v1", "services", ""),
    ("v1", "endpoints", ""),
    ("v1", "persistentvolumeclaims", ""),
    ("v1", "serviceaccounts", ""),
    ("v1", "serviceaccounts", "token"),
    ("v1", "replicationcontrollers", ""),
    ("apps/v1", "daemonsets", ""),
    ("apps/v1", "deployments", ""),
    ("apps/v1", "statefulsets", ""),
    ("batch/v1", "jobs", ""),
    ("rbac.authorization.k8s.io/v1", "roles", ""),
    ("rbac.authorization.k8s.io/v1", "rolebindings", ""),
    ("networking.k8s.io/v1", "networkpolicies", ""),
    ("discovery.k8s.io/v1", "endpointslices", ""),
)
CLUSTER_WIDE = (
    ("v1", "nodes", ""),
    ("v1", "nodes", "status"),
    ("v1", "nodes", "proxy"),
    ("v1", "namespaces", ""),
    ("v1", "persistentvolumes", ""),
    ("rbac.authorization.k8s.io/v1", "clusterroles", ""),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings", ""),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", ""),
    ("admissionregistration.k8s.io/v1", "validatingadmissionpolicies", ""),
    ("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", ""),
    ("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies", ""),
    ("admissionregistration.k8s.io/v1", "mutatingadmissionpolicybindings", ""),
    ("certificates.k8s.io/v1", "certificatesigningrequests", ""),
    ("authentication.k8s.io/v1", "tokenreviews", ""),
    (API_VERSION, "edgenodes", ""),
    (API_VERSION, "quantumruns", ""),
    (API_VERSION, "quantumjobs", ""),
    (API_VERSION, "edgeclusters", ""),
    ("v1", "secrets", ""),
    ("v1", "configmaps", ""),
    ("v1", "pods", ""),
    ("v1", "events", ""),
    (LEASES, "leases", ""),
)
# Beside the table and closed to agents is all that the API server serves but this: (apiVersion, plural) and why.
OPEN_TO_EVERYBODY = {
    ("authentication.k8s.io/v1", "selfsubjectreviews"): "tells who asks who they are",
    ("authorization.k8s.io/v1", "selfsubjectaccessreviews"): "tells who asks what they may do",
    ("authorization.k8s.io/v1", "selfsubjectrulesreviews"): "the same, as a list",
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "apply", "delete", "deletecollection")
READS = ("get", "list", "watch")
RULES = "authorization.k8s.io/v1"

# What a token bound to the first node may do to things of that node, to those of the second, and what belongs to none.
READABLE = {f"{verb} {plural}" for verb in READS for plural in ("edgenodes", "quantumruns")}
OWN_NODE = READABLE | {
    "patch edgenodes/status",
    "apply edgenodes/status",
    "patch quantumruns/status",
    "apply quantumruns/status",
    "create leases",
    "patch leases",
    "apply leases",
    "create events",
}
EXPECTED: dict[str, dict[str, set[str]]] = {
    # whose token → whose things → what is allowed
    "of the node's agent": {"first node": OWN_NODE, "second node": READABLE, "elsewhere": set()},
    "of the other node's agent": {"first node": READABLE, "second node": OWN_NODE, "elsewhere": set()},
    "bound to no node": {"first node": READABLE, "second node": READABLE, "elsewhere": set()},
    "bound to a pod that is on no node": {"first node": READABLE, "second node": READABLE, "elsewhere": set()},
    # the agents of another EdgeCluster in the same namespace, on this very node
    "of another EdgeCluster's agent": {
        "first node": READABLE | {"create leases", "patch leases", "apply leases", "create events"},
        "second node": READABLE,
        "elsewhere": set(),
    },
    "of another namespace's agent": {"first node": set(), "second node": set(), "elsewhere": set()},
}


@dataclass(frozen=True)
class Things:
    """Where requests go: a namespace, the node whose things are meant, and names of objects that exist."""

    namespace: str
    node: str
    run: str


@pytest.fixture(scope="module")
def neighbour(installed: Installed, site: Site, operator: Kube) -> Iterator[Site]:
    """Another EdgeCluster in the same namespace."""
    found = make_site(installed.clusters, operator)
    yield found
    for node in found.nodes:
        installed.clusters.delete("Node", node, "v1")


@pytest.fixture(scope="module")
def tokens(installed: Installed, site: Site, neighbour: Site, agent: Kube) -> dict[str, Kube]:
    """The askers of the table."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "omnixan-edge-agent"}
    foreign = installed.tenant
    foreign.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": site.account}})
    subject = {"kind": "ServiceAccount", "name": site.account, "namespace": foreign.namespace}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "agent"}}
    foreign.create(binding | {"roleRef": role, "subjects": [subject]})
    found = {
        "of the node's agent": agent,
        "of the other node's agent": bound(site.kube, site.account, site.nodes[1]),
        "bound to no node": unbound(site.kube, site.account),
        "bound to a pod that is on no node": bound(site.kube, site.account, ""),
        "of another EdgeCluster's agent": bound(site.kube, neighbour.account, site.nodes[0]),
        "of another namespace's agent": bound(foreign, site.account, site.nodes[0]),
    }
    for asker in found.values():
        until(lambda asker=asker: may(asker, "GET", API_VERSION, "QuantumRun"), "the binding counts")  # type: ignore[misc]
    return {name: asker.within(site.kube.namespace) for name, asker in found.items()}


def body_of(api_version: str, plural: str, name: str, things: Things) -> Object:
    """What is sent: valid where an agent may write, and a name alone elsewhere (authorization comes first)."""
    body: dict[str, Any] = {"apiVersion": api_version, "metadata": {"name": name}}
    if plural == "edgenodes":
        return body | {"kind": "EdgeNode", "status": {"version": "9.9.9", "conditions": [good.condition("AgentReady")]}}
    if plural == "quantumruns":
        return body | {"kind": "QuantumRun", "status": {"state": "Running", "startTime": good.MICRO_TIME}}
    if plural == "leases":
        body["metadata"]["labels"] = {HEARTBEAT_LABEL: "true"}
        return body | {"kind": "Lease", "spec": {"holderIdentity": "pod", "renewTime": good.MICRO_TIME}}
    if plural == "events" and api_version == "v1":
        about = {"apiVersion": API_VERSION, "kind": "EdgeNode", "name": things.node, "namespace": things.namespace}
        body |= {"involvedObject": about, "source": {"component": "omnixan-agent"}, "reason": "Told", "type": "Normal"}
    return body | {"kind": "Any"} if plural != "events" else body | {"kind": "Event"}


def name_of(plural: str, things: Things) -> str:
    """The object that is meant. Secrets, pods and the like need not exist: authorization comes first."""
    return {"edgenodes": things.node, "quantumruns": things.run, "leases": things.node}.get(plural, "omnixan-edge")


def ask(kube: Kube, verb: str, api_version: str, plural: str, part: str, things: Things, where: str) -> tuple[int, str]:
    """One request, as a dry run if it writes; `where` is the path between the version and the plural."""
    name = name_of(plural, things)
    root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    collection = f"{root}{where}/{plural}"
    single = f"{collection}/{name}" + (f"/{part}" if part else "")
    body = body_of(api_version, plural, name, things)
    match verb:
        case "get":
            return kube.answer("GET", single)
        case "list":
            return kube.answer("GET", collection)
        case "watch":
            return kube.answer("GET", collection, watch="true", timeoutSeconds="1")
        case "create":
            return kube.answer("POST", single if part else collection, body, dryRun="All")
        case "update":
            return kube.answer("PUT", single, body, dryRun="All")
        case "patch":
            return kube.answer("PATCH", single, body, MERGE, dryRun="All")
        case "apply":
            return kube.answer("PATCH", single, body, APPLY, dryRun="All", fieldManager="omnixan-agent", force="true")
        case "delete":
            return kube.answer("DELETE", single, dryRun="All")
    return kube.answer("DELETE", collection, dryRun="All")


def allowed(kube: Kube, things: Things, resources: tuple[tuple[str, str, str], ...], where: str) -> set[str]:
    """What of all verbs on all these resources is let through; any other answer than success and refusal fails.

    (A creation that got as far as the name that is taken was let through.)
    """
    found = set()
    for api_version, plural, part in resources:
        for verb in VERBS:
            if part and verb in ("list", "watch", "deletecollection"):
                continue  # subresources have no collection
            code, message = ask(kube, verb, api_version, plural, part, things, where)
            line = f"{verb} {plural}" + (f"/{part}" if part else "")
            if code < 300 or (verb == "create" and code == 409):
                found.add(line)
            else:
                assert code == 403, f"{line}: {code} {message}"
    return found


@pytest.fixture(scope="module")
def living(site: Site, tokens: dict[str, Kube]) -> dict[str, Things]:
    """The nodes of the site, with Leases that exist."""
    things = {}
    for number, (whose, who) in enumerate(
        (("first node", "of the node's agent"), ("second node", "of the other node's agent"))
    ):
        found = Things(site.kube.namespace, site.nodes[number], run_on(site, number))
        tokens[who].apply(body_of(LEASES, "leases", found.node, found), "omnixan-agent", force=True)
        things[whose] = found
    return things


@pytest.mark.parametrize("whose", ["first node", "second node"])
@pytest.mark.parametrize("token", EXPECTED)
def test_a_token_reaches_what_the_table_says_and_nothing_else(
    tokens: dict[str, Kube], living: dict[str, Things], token: str, whose: str
) -> None:
    things = living[whose]
    assert allowed(tokens[token], things, NAMESPACED, f"/namespaces/{things.namespace}") == EXPECTED[token][whose]


@pytest.mark.parametrize("token", EXPECTED)
def test_a_token_reaches_nothing_outside_its_namespace(
    installed: Installed, tokens: dict[str, Kube], living: dict[str, Things], token: str
) -> None:
    things = living["first node"]
    found = allowed(tokens[token], things, CLUSTER_WIDE, "")
    others = [installed.system.namespace, "kube-system", "default"]
    if token != "of another namespace's agent":
        others.append(installed.tenant.namespace)
    for other in others:
        found |= allowed(tokens[token], things, NAMESPACED, f"/namespaces/{other}")
    assert found == EXPECTED[token]["elsewhere"]


@dataclass(frozen=True)
class Served:
    """A resource or subresource that the API server's discovery names."""

    api_version: str
    plural: str
    part: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def row(self) -> tuple[str, str, str]:
        """As a row of the table."""
        return self.api_version, self.plural, self.part


@pytest.fixture(scope="module")
def served(installed: Installed) -> list[Served]:
    """All of them, in all versions."""
    admin = installed.clusters
    groups = admin.request("GET", "/apis")["groups"]
    versions = ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]
    found = []
    for version in versions:
        listed = admin.request("GET", "/api/v1" if version == "v1" else f"/apis/{version}")
        for one in listed["resources"]:
            plural, _, part = one["name"].partition("/")
            found.append(Served(version, plural, part, one["namespaced"], frozenset(one["verbs"])))
    return found


def test_the_table_is_about_what_there_is(served: list[Served]) -> None:
    there = {(one.row, one.namespaced) for one in served}
    assert [row for row in NAMESPACED if (row, True) not in there] == []
    assert [row for row in CLUSTER_WIDE if not {(row, True), (row, False)} & there] == []


@pytest.mark.parametrize("token", EXPECTED)
def test_no_resource_is_forgotten(
    served: list[Served], tokens: dict[str, Kube], living: dict[str, Things], token: str
) -> None:
    things, agent = living["first node"], tokens[token]
    others = [one for one in served if one.row not in {*NAMESPACED, *CLUSTER_WIDE}]
    assert len(others) > 50, "the API server serves more than the table has"
    unknown = {verb for one in others for verb in one.verbs} - set(VERBS)
    assert not unknown, f"verbs that nobody tries: {unknown}"
    found = set()
    for one in others:
        for verb in sorted(one.verbs):
            where = f"/namespaces/{things.namespace}" if one.namespaced else ""
            code, message = ask(agent, verb, *one.row, things, where)
            if code != 403:
                found.add((one.api_version, one.plural))
                known = (one.api_version, one.plural) in OPEN_TO_EVERYBODY
                assert known, f"{verb} {'/'.join(one.row)}: {code} {message}; if that is meant, say why in the table"
    assert found == set(OPEN_TO_EVERYBODY), "what is open to everybody is there, and open"


def test_an_agent_has_no_right_but_its_roles(
    installed: Installed, tokens: dict[str, Kube], living: dict[str, Things]
) -> None:
    agent, own = tokens["of the node's agent"], living["first node"].namespace
    everybodys = {f"create {plural}.{version.split('/')[0]}" for version, plural in OPEN_TO_EVERYBODY}
    role = {f"{verb} {plural}.{GROUP}" for verb in READS for plural in ("edgenodes", "quantumruns")}
    role |= {f"patch {plural}/status.{GROUP}" for plural in ("edgenodes", "quantumruns")}
    role |= {"create leases.coordination.k8s.io", "patch leases.coordination.k8s.io", "create events."}
    assert rights(agent, own) == role | everybodys
    assert rights(agent, installed.system.namespace) == everybodys


def rights(kube: Kube, namespace: str) -> set[str]:
    """What RBAC lets the asker do in a namespace and outside of all, wildcards as they are: `verb plural/part.group`."""
    body = {"apiVersion": RULES, "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = kube.request("POST", f"/apis/{RULES}/selfsubjectrulesreviews", body)["status"]
    return {
        f"{verb} {resource}.{group}" + "".join(f" {name}" for name in rule.get("resourceNames", ()))
        for rule in status["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
