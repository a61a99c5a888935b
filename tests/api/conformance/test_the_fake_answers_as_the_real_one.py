"""What the operator's logic leans on, asked of the fake API server and of a real one.

Garbage collection is left out: it is the controller-manager's work, and a bare control plane has none.
"""

from __future__ import annotations

import pytest

from tests.api.client import APPLY, MERGE, Kube, Object, RefusedError
from tests.api.conformance.conftest import Watched

EDGE, CORE, APPS = "edge.omnixan.io/v1alpha1", "v1", "apps/v1"
POOL = {"name": "gateway", "tier": "gateway", "nodeSelector": {"role": "gw"}, "qpu": {"qubits": 8}}
TEXT = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;'


def config_map(name: str = "one", **data: str) -> Object:
    return {"apiVersion": CORE, "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"a": "1"}}


def edge_cluster(name: str = "ec", nodes: int = 1) -> Object:
    spec = {"nodes": nodes, "pools": [POOL]}
    return {"apiVersion": EDGE, "kind": "EdgeCluster", "metadata": {"name": name}, "spec": spec}


def job(name: str = "bell") -> Object:
    spec = {"clusterRef": {"name": "ec"}, "program": {"inline": {"data": TEXT}}}
    return {"apiVersion": EDGE, "kind": "QuantumJob", "metadata": {"name": name}, "spec": spec}


def run(name: str = "run-1", node: str = "n1") -> Object:
    spec = {
        "nodeName": node,
        "attempt": 1,
        "jobRef": {"namespace": "default", "name": "bell", "uid": "u"},
        "program": {"inline": {"data": TEXT}},
        "execution": {"seed": 1, "timeoutSeconds": 60},
    }
    return {"apiVersion": EDGE, "kind": "QuantumRun", "metadata": {"name": name}, "spec": spec}


def status_of(kind: str, name: str, status: Object) -> Object:
    return {"apiVersion": EDGE, "kind": kind, "metadata": {"name": name}, "status": status}


def version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


def test_a_name_is_taken_once(kube: Kube) -> None:
    kube.create(config_map())
    with pytest.raises(RefusedError) as error:
        kube.create(config_map())
    assert (error.value.code, error.value.reason) == (409, "AlreadyExists")


def test_what_is_not_there_is_not_found(kube: Kube) -> None:
    for request in (
        lambda: kube.get("ConfigMap", "none", api_version=CORE),
        lambda: kube.delete("ConfigMap", "none", CORE),
        lambda: kube.patch("ConfigMap", "none", {"data": {}}, api_version=CORE),
        lambda: kube.apply(status_of("QuantumJob", "none", {"observedGeneration": 1}), "m", "status"),
        lambda: kube.within("no-such-namespace").create(config_map()),
    ):
        with pytest.raises(RefusedError) as error:
            request()
        assert error.value.code == 404, error.value


def test_an_old_resource_version_conflicts_and_the_right_one_does_not(kube: Kube) -> None:
    first = kube.create(config_map())
    kube.patch("ConfigMap", "one", {"data": {"a": "2"}}, api_version=CORE)
    stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    with pytest.raises(RefusedError) as error:
        kube.patch("ConfigMap", "one", stale, api_version=CORE)
    assert (error.value.code, error.value.reason) == (409, "Conflict")
    live = kube.get("ConfigMap", "one", api_version=CORE)
    fresh = {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    assert kube.patch("ConfigMap", "one", fresh, api_version=CORE)["data"] == {"a": "3"}


def test_another_uid_is_refused_on_apply_and_on_delete(kube: Kube) -> None:
    kube.create(config_map())
    path = kube.path(CORE, "ConfigMap", "one")
    foreign = config_map() | {"metadata": {"name": "one", "uid": "11111111-1111-1111-1111-111111111111"}}
    with pytest.raises(RefusedError) as error:
        kube.request("PATCH", path, foreign, APPLY, fieldManager="m", force="true")
    assert error.value.code == 422
    foreign["metadata"]["resourceVersion"] = "1"  # a version that is not the live one's counts first
    with pytest.raises(RefusedError) as error:
        kube.request("PATCH", path, foreign, APPLY, fieldManager="m", force="true")
    assert error.value.code == 409
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}}
    with pytest.raises(RefusedError) as error:
        kube.request("DELETE", path, options)
    assert error.value.code == 409


def test_an_apply_with_the_uid_of_what_is_gone_makes_nothing(kube: Kube) -> None:
    gone = kube.create(config_map())
    kube.delete("ConfigMap", "one", CORE)
    again = config_map() | {"metadata": {"name": "one", "uid": gone["metadata"]["uid"]}}
    with pytest.raises(RefusedError) as error:
        kube.request("PATCH", kube.path(CORE, "ConfigMap", "one"), again, APPLY, fieldManager="m", force="true")
    assert error.value.code == 409


def test_an_apply_makes_what_is_missing_and_an_equal_one_changes_nothing(kube: Kube) -> None:
    first = kube.apply(config_map(), "m")
    again = kube.apply(config_map(), "m")
    assert version(first) == version(again) and first["metadata"]["uid"] == again["metadata"]["uid"]


def test_a_field_of_another_manager_conflicts_unless_forced(kube: Kube) -> None:
    kube.apply(config_map(a="1"), "first")
    with pytest.raises(RefusedError) as error:
        kube.apply(config_map(a="2"), "second")
    assert error.value.code == 409 and [cause.reason for cause in error.value.causes] == ["FieldManagerConflict"]
    assert kube.apply(config_map(a="2"), "second", force=True)["data"] == {"a": "2"}
    # the first manager has lost the field: leaving it out removes nothing
    assert kube.apply(config_map(b="1"), "first")["data"] == {"a": "2", "b": "1"}


def test_equal_values_are_shared_and_stay_until_the_last_owner_leaves(kube: Kube) -> None:
    kube.apply(config_map(a="1", b="1"), "first")
    kube.apply(config_map(a="1"), "second")
    assert kube.apply(config_map(b="1"), "first")["data"] == {"a": "1", "b": "1"}
    assert kube.apply(config_map(c="1"), "second")["data"] == {"b": "1", "c": "1"}


def test_what_is_no_longer_applied_is_removed_and_foreign_fields_stay(kube: Kube) -> None:
    kube.apply(config_map(a="1", b="1"), "m")
    kube.patch("ConfigMap", "one", {"data": {"foreign": "1"}}, api_version=CORE)
    assert kube.apply(config_map(b="1"), "m")["data"] == {"b": "1", "foreign": "1"}


def test_a_merge_patch_takes_a_field_over_and_null_removes_it(kube: Kube) -> None:
    kube.apply(config_map(a="1", b="1"), "m")
    kube.request("PATCH", kube.path(CORE, "ConfigMap", "one"), {"data": {"a": "2", "b": None}}, MERGE, fieldManager="h")
    live = kube.get("ConfigMap", "one", api_version=CORE)
    owners = {entry["manager"]: entry["fieldsV1"]["f:data"] for entry in live["metadata"]["managedFields"]}
    assert live["data"] == {"a": "2"} and "f:a" in owners["h"] and "f:a" not in owners.get("m", {})
    with pytest.raises(RefusedError) as error:
        kube.apply(config_map(a="1"), "m")
    assert error.value.code == 409


def test_the_owners_of_fields_are_named_as_the_operator_reads_them(kube: Kube) -> None:
    live = kube.apply(edge_cluster(), "m")
    (entry,) = [e for e in live["metadata"]["managedFields"] if e["manager"] == "m"]
    assert entry["operation"] == "Apply" and "subresource" not in entry
    pools = entry["fieldsV1"]["f:spec"]["f:pools"]
    assert list(pools) == ['k:{"name":"gateway"}']
    assert {".", "f:name", "f:tier"} <= set(pools['k:{"name":"gateway"}'])


def test_defaults_are_set_and_unknown_fields_are_dropped(kube: Kube) -> None:
    sent = edge_cluster()
    sent["spec"]["nonsense"] = 1
    live = kube.request("POST", kube.path(EDGE, "EdgeCluster"), sent)
    assert "nonsense" not in live["spec"] and live["status"] == {"observedGeneration": -1}
    assert kube.create(job())["spec"]["backoffLimit"] == 3


def test_the_generation_counts_wishes_only(kube: Kube) -> None:
    assert kube.create(edge_cluster())["metadata"]["generation"] == 1
    labelled = kube.patch("EdgeCluster", "ec", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    reported = kube.apply(status_of("EdgeCluster", "ec", {"observedGeneration": 1}), "m", "status")
    assert reported["metadata"]["generation"] == 1
    assert kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 0}})["metadata"]["generation"] == 2


def test_status_and_wish_are_written_apart(kube: Kube) -> None:
    kube.create(edge_cluster())
    ignored = kube.patch("EdgeCluster", "ec", {"status": {"observedGeneration": 7}})
    assert ignored["status"] == {"observedGeneration": -1}
    both = status_of("EdgeCluster", "ec", {"observedGeneration": 1}) | {"spec": {"nodes": 5, "pools": [POOL]}}
    after = kube.apply(both, "m", "status")
    assert after["status"]["observedGeneration"] == 1 and after["spec"]["nodes"] == 1


def test_two_managers_share_a_status_by_the_keys_of_its_conditions(kube: Kube) -> None:
    spec = {"pool": "gateway", "tier": "gateway", "nodeName": "n1"}
    kube.create({"apiVersion": EDGE, "kind": "EdgeNode", "metadata": {"name": "n1"}, "spec": spec})

    def conditions(kind: str) -> Object:
        one = {"type": kind, "status": "True", "reason": "R", "message": "", "observedGeneration": 0}
        return status_of("EdgeNode", "n1", {"conditions": [one | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]})

    kube.apply(conditions("AgentReady"), "agent", "status")
    live = kube.apply(conditions("Ready"), "operator", "status")
    assert {c["type"] for c in live["status"]["conditions"]} == {"AgentReady", "Ready"}
    live = kube.apply(status_of("EdgeNode", "n1", {}), "operator", "status")
    assert [c["type"] for c in live["status"]["conditions"]] == ["AgentReady"]


def test_what_is_immutable_stays(kube: Kube) -> None:
    kube.create(run())
    kube.create(job())
    kube.create(config_map() | {"immutable": True})
    for request in (
        lambda: kube.patch("QuantumRun", "run-1", {"spec": {"nodeName": "n2"}}),
        lambda: kube.patch("QuantumJob", "bell", {"spec": {"clusterRef": {"name": "other"}}}),
        lambda: kube.patch("ConfigMap", "one", {"data": {"a": "2"}}, api_version=CORE),
    ):
        with pytest.raises(RefusedError) as error:
            request()
        assert (error.value.code, error.value.reason) == (422, "Invalid"), error.value
    kube.patch("QuantumJob", "bell", {"spec": {"suspend": True}})


def test_a_run_that_is_over_stays_as_it_ended(kube: Kube) -> None:
    kube.create(run())
    kube.apply(status_of("QuantumRun", "run-1", {"state": "Failed"}), "agent", "status")
    with pytest.raises(RefusedError) as error:
        kube.apply(status_of("QuantumRun", "run-1", {"state": "Running"}), "agent", "status")
    assert error.value.code == 422


def test_an_assignment_does_not_move_backwards(kube: Kube) -> None:
    def placed(attempt: int, node: str) -> Object:
        where = {"namespace": "default", "clusterUid": "u", "node": node, "state": "Pending", "seed": 1}
        return status_of("QuantumJob", "bell", {"run": {"name": f"u-{attempt}", "attempt": attempt} | where})

    kube.create(job())
    kube.apply(placed(2, "n1"), "m", "status")
    for backwards in (placed(1, "n1"), placed(2, "n2")):
        with pytest.raises(RefusedError) as error:
            kube.apply(backwards, "m", "status")
        assert error.value.code == 422
    assert kube.apply(placed(3, "n2"), "m", "status")["status"]["run"]["attempt"] == 3


def test_what_the_schema_does_not_allow_is_refused(kube: Kube) -> None:
    for spoilt in (
        edge_cluster(nodes=-1),
        edge_cluster() | {"spec": {"nodes": 1, "pools": [POOL, POOL]}},
        edge_cluster("x" * 53),
        edge_cluster() | {"spec": {"nodes": "1", "pools": [POOL]}},
        job() | {"spec": {"clusterRef": {"name": "ec"}}},
        {"apiVersion": EDGE, "kind": "EdgeCluster", "metadata": {"name": "ec"}, "spec": {"nodes": 1}},
    ):
        with pytest.raises(RefusedError) as error:
            kube.create(spoilt)
        assert error.value.code == 422, spoilt


def test_lists_select_by_labels_and_fields(kube: Kube) -> None:
    for number, node in enumerate(("n1", "n2", "n2")):
        one = run(f"run-{number}", node)
        one["metadata"]["labels"] = {"number": str(number), "all": "yes"}
        kube.create(one)

    def names(**query: str) -> list[str]:
        return sorted(item["metadata"]["name"] for item in kube.list("QuantumRun", **query))

    assert names(labelSelector="number=1") == ["run-1"]
    assert names(labelSelector="number in (0,2),all") == ["run-0", "run-2"]
    assert names(labelSelector="number!=0") == ["run-1", "run-2"]
    assert names(labelSelector="!all") == []
    assert names(fieldSelector="spec.nodeName=n2") == ["run-1", "run-2"]
    with pytest.raises(RefusedError) as error:
        names(fieldSelector="spec.attempt=1")
    assert error.value.code == 400


def test_long_lists_come_in_pages_and_metadata_alone_if_asked(kube: Kube) -> None:
    for number in range(5):
        kube.create(config_map(f"map-{number}"))
    path, seen, token = kube.path(CORE, "ConfigMap"), [], ""
    while True:
        page = kube.request("GET", path, limit="2", **({"continue": token} if token else {}))
        seen += [item["metadata"]["name"] for item in page["items"] if item["metadata"]["name"].startswith("map-")]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert seen == [f"map-{number}" for number in range(5)]
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    items = kube.request("GET", path, accept=accept)["items"]
    assert items and all("data" not in item and item["metadata"]["uid"] for item in items)


def test_a_watch_tells_everything_since_a_version_in_order(kube: Kube, watched: Watched) -> None:
    path = kube.path(CORE, "ConfigMap")
    since = kube.request("GET", path)["metadata"]["resourceVersion"]
    kube.create(config_map())
    middle = kube.patch("ConfigMap", "one", {"data": {"a": "2"}}, api_version=CORE)
    kube.delete("ConfigMap", "one", CORE)
    events = [e for e in watched(path, resourceVersion=since) if e["object"]["metadata"]["name"] == "one"]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [version(event["object"]) for event in events]
    assert versions == sorted(set(versions)) and versions[-1] > version(middle)
    resumed = watched(path, resourceVersion=middle["metadata"]["resourceVersion"])
    assert [e["type"] for e in resumed if e["object"]["metadata"]["name"] == "one"] == ["DELETED"]


def test_a_watch_with_a_selector_sees_objects_come_and_go_by_their_labels(kube: Kube, watched: Watched) -> None:
    path = kube.path(CORE, "ConfigMap")
    since = kube.request("GET", path)["metadata"]["resourceVersion"]
    kube.create(config_map())
    kube.patch("ConfigMap", "one", {"metadata": {"labels": {"mine": "yes"}}}, api_version=CORE)
    kube.patch("ConfigMap", "one", {"data": {"a": "2"}}, api_version=CORE)
    kube.patch("ConfigMap", "one", {"metadata": {"labels": None}}, api_version=CORE)
    events = watched(path, resourceVersion=since, labelSelector="mine=yes")
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]


def test_a_version_that_is_forgotten_is_gone(kube: Kube, watched: Watched) -> None:
    kube.create(edge_cluster())
    if hasattr(kube, "api"):
        kube.api.compact()
        kube.create(edge_cluster("two"))
    # The real one remembers a kind since its definition came, which was long after version 1.
    events = watched(kube.path(EDGE, "EdgeCluster"), resourceVersion="1")
    assert [(event["type"], event["object"].get("code")) for event in events] == [("ERROR", 410)]


def test_a_lease_is_taken_by_one(kube: Kube) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}
    live = kube.create(lease | {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}})
    path = kube.path("coordination.k8s.io/v1", "Lease", "l")
    take = {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}, "spec": {"holderIdentity": "b"}}
    assert kube.request("PATCH", path, take, MERGE)["spec"]["holderIdentity"] == "b"
    with pytest.raises(RefusedError) as error:
        kube.request("PATCH", path, take | {"spec": {"holderIdentity": "c"}}, MERGE)
    assert error.value.code == 409
