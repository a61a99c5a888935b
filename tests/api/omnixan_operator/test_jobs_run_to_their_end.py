"""A job on the real operator, from its creation to its result."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from typing import Any

import pytest

from omnixan_operator.triggers import RUNNING_DELAY
from tests.api.client import Kube, RefusedError, new_namespace
from tests.api.omnixan_operator.harness import AWHILE, BELL, PATIENCE, RESULT, Agents, Operator, Site, wait

KNAPSACK = {"qaoa": {"problem": {"knapsack": {"values": [3, 4, 5], "weights": [2, 3, 4], "capacity": 5}}}}


def ready(site: Site, nodes: int = 1, **spec: Any) -> None:
    for number in range(nodes):
        site.node(f"n{number}")
    site.cluster(nodes, **spec)
    site.is_ready()


def test_a_program_ends_with_its_result_in_status_and_config_map(site: Site, agents: Agents) -> None:
    ready(site)
    created = site.job()
    job = site.is_so("QuantumJob", "bell", "Complete")
    status = job["status"]
    assert status["phase"] == "Complete"
    assert status["analysis"]["qubits"] == 2 and status["analysis"]["twoQubitGates"] == 1
    assert status["placement"]["node"] == status["run"]["node"] == f"{site.mark}-n0"
    assert status["run"]["state"] == "Succeeded" and status["run"]["attempt"] == 1
    assert status["result"]["summary"] == RESULT["summary"]
    assert status["usage"] == {"shots": 4, "cpuSeconds": 0.25}
    assert {c["type"] for c in status["conditions"]} == {"Validated", "Placed", "Complete", "Failed"}
    ref = status["result"]["ref"]
    text = site.kube.get("ConfigMap", ref["name"], api_version="v1")["data"]["result.json"]
    assert json.loads(text) == RESULT
    assert hashlib.sha256(text.encode()).hexdigest() == ref["sha256"] and len(text.encode()) == ref["bytes"]
    assert status["run"]["name"] == f"{created['metadata']['uid']}-1"


def test_a_short_job_costs_three_writes_and_its_result_is_not_read_again(
    site: Site, agents: Agents, operator: Operator
) -> None:
    ready(site)
    operator.settled(AWHILE)
    names = itertools.count()
    made = wait("a job is a short one", lambda: cost_if_short(site, operator, f"short-{next(names)}"), 3 * PATIENCE)
    assert made == {
        ("create", "QuantumRun"): 1,
        ("create", "ConfigMap"): 1,
        ("apply_status", "QuantumJob"): 1,
    }


def cost_if_short(site: Site, operator: Operator, name: str) -> dict[tuple[str, str], int]:
    """The requests for a job; none if all of it took longer than what counts as short, as it may on a busy machine."""
    before = operator.requests(writes_only=False)
    began = time.monotonic()
    site.job(name)
    site.is_so("QuantumJob", name, "Complete")
    took = time.monotonic() - began
    operator.settled()
    if took >= RUNNING_DELAY:
        return {}
    after = operator.requests(writes_only=False)
    return {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}


def test_an_algorithm_is_sized_without_the_analyzer(site: Site, agents: Agents) -> None:
    ready(site)
    site.job("knapsack", algorithm=KNAPSACK)
    job = site.is_so("QuantumJob", "knapsack", "Complete")
    assert job["status"]["analysis"] == {"qubits": 3}


def test_a_deleted_result_comes_back(site: Site, agents: Agents) -> None:
    ready(site)
    site.job()
    job = site.is_so("QuantumJob", "bell", "Complete")
    first = site.kube.get("ConfigMap", "bell-result", api_version="v1")
    site.kube.delete("ConfigMap", "bell-result", "v1")
    again = wait("the ConfigMap is back", lambda: site.kube.get("ConfigMap", "bell-result", api_version="v1"))
    assert again["data"] == first["data"] and again["metadata"]["uid"] != first["metadata"]["uid"]
    assert site.kube.get("QuantumJob", "bell")["status"] == job["status"]


def test_a_damaged_result_is_put_right(site: Site, agents: Agents, operator: Operator) -> None:
    ready(site)
    site.job()
    site.is_so("QuantumJob", "bell", "Complete")
    whole = site.kube.get("ConfigMap", "bell-result", api_version="v1")
    with pytest.raises(RefusedError, match="immutable"):
        site.kube.patch("ConfigMap", "bell-result", {"data": {"result.json": "{}"}}, api_version="v1")
    operator.stop()  # else the whole one would be back before a damaged one could take its place
    try:
        site.kube.delete("ConfigMap", "bell-result", "v1")
        metadata = {k: whole["metadata"][k] for k in ("name", "labels", "ownerReferences")}
        site.kube.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"result.json": '{"counts"'}}
        )
    finally:
        operator.start()
    again = wait("it is whole again", lambda: _with_data(site, "bell-result", whole["data"]))
    assert again["immutable"] is True
    wait("an event says so", lambda: "ChildRestored" in reasons(site, "bell"))


def _with_data(site: Site, name: str, data: Any) -> Any:
    found = site.kube.get("ConfigMap", name, api_version="v1")
    return found if found.get("data") == data else None


def test_somebody_elses_config_map_is_left_alone(site: Site, agents: Agents) -> None:
    ready(site)
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bell-result"}, "data": {"mine": "1"}}
    site.kube.create(foreign)
    site.job()
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert "ref" not in job["status"]["result"] and job["status"]["result"]["summary"] == RESULT["summary"]
    assert site.kube.get("ConfigMap", "bell-result", api_version="v1")["data"] == {"mine": "1"}
    wait("an event says so", lambda: "ResultNameTaken" in reasons(site, "bell"))


def test_a_job_waits_for_its_cluster_and_runs_when_it_comes(site: Site, agents: Agents) -> None:
    site.job()
    job = site.is_so("QuantumJob", "bell", "Placed", "False", "ClusterNotFound")
    assert job["status"]["phase"] == "Pending" and "does not exist" in condition(job, "Placed")["message"]
    assert condition(job, "Reconciling")["status"] == "True" and not site.runs()
    site.node("n0")
    site.cluster(1)
    site.is_so("QuantumJob", "bell", "Complete")


def test_a_namespace_is_a_tenant_once_its_labels_say_so(site: Site, agents: Agents, control_plane: Kube) -> None:
    ready(site, tenants={"namespaceSelector": {"matchLabels": {"quantum": site.mark}}})
    with new_namespace(control_plane) as tenant:
        site.job(kube=tenant)
        elsewhere = Site(tenant)
        elsewhere.is_so("QuantumJob", "bell", "Placed", "False", "TenantNotAllowed")
        assert not site.runs()
        tenant.patch("Namespace", tenant.namespace, {"metadata": {"labels": {"quantum": site.mark}}}, "", "v1")
        job = elsewhere.is_so("QuantumJob", "bell", "Complete")
        assert job["status"]["run"]["namespace"] == site.mark
        assert tenant.get("ConfigMap", "bell-result", api_version="v1")


def test_a_wide_job_waits_for_a_fitting_node_with_a_reason_per_node(site: Site, agents: Agents) -> None:
    site.node("g0"), site.node("g1"), site.node("c0", "compute")
    agents.qubits = {f"{site.mark}-g0": 8, f"{site.mark}-g1": 8, f"{site.mark}-c0": 16}
    compute = site.pool("compute", "compute", "compute", minNodes=0, qpu={"qubits": 16})
    site.cluster(2, site.pool(), compute)
    site.is_so("EdgeCluster", "ec", "Ready")
    site.job("ghz", program={"inline": {"data": ghz(12)}})
    job = site.is_so("QuantumJob", "ghz", "Placed", "False", "NoNodeFits")
    placement = job["status"]["placement"]
    assert placement["rejectedCount"] == 2 and "node" not in placement
    assert [(r["constraint"], r["actual"], r["required"]) for r in placement["rejected"]] == [("qubits", "8", "12")] * 2
    site.kube.patch("EdgeCluster", "ec", {"spec": {"nodes": 3}})
    job = site.is_so("QuantumJob", "ghz", "Complete")
    assert job["status"]["run"]["node"] == f"{site.mark}-c0"
    assert job["status"]["placement"]["rejectedCount"] == 2


def test_a_run_that_disappears_is_followed_by_another_attempt(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job()
    first = wait("a run", site.runs)[0]
    site.kube.delete("QuantumRun", first["metadata"]["name"])
    second = wait("another run", site.runs)[0]
    assert second["spec"]["attempt"] == 2 and second["spec"]["execution"] == first["spec"]["execution"]
    agents.work = True
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert [(a["attempt"], a["category"]) for a in job["status"]["attempts"]] == [(1, "RUN_LOST")]
    assert job["status"]["run"]["attempt"] == 2


def test_a_run_whose_node_is_gone_goes_to_another_node(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job()
    run = wait("a run", site.runs)[0]
    site.kube.delete("Node", run["spec"]["nodeName"], "v1")
    spare = site.node("spare")
    second = wait("a run on the other node", lambda: [r for r in site.runs() if r["spec"]["nodeName"] == spare])[0]
    assert second["spec"]["attempt"] == 2
    wait("the first run is deleted", lambda: len(site.runs()) == 1)
    job = site.kube.get("QuantumJob", "bell")
    assert job["status"]["attempts"][0]["category"] == "NODE_UNREACHABLE"


def test_a_job_fails_when_its_cluster_is_deleted_and_unplaced_ones_wait(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job()
    site.job("wide", requirements={"minQubits": 20})
    wait("a run", site.runs)
    site.is_so("QuantumJob", "wide", "Placed", "False", "NoNodeFits")
    site.kube.delete("EdgeCluster", "ec")
    job = site.is_so("QuantumJob", "bell", "Failed", "True", "ClusterDeleted")
    assert job["status"]["failure"]["category"] == "CLUSTER_DELETED" and job["status"]["completionTime"]
    assert condition(job, "Stalled")["status"] == "True"
    site.is_so("QuantumJob", "wide", "Placed", "False", "ClusterNotFound")
    wait("the node is given back", lambda: not site.claims())


def test_a_failed_run_fails_its_job_with_the_agents_words(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job()
    run = wait("a run", site.runs)[0]["metadata"]["name"]
    agents.fail(run, category="TIMEOUT", reason="Timeout", message="spec.execution.timeoutSeconds (1) ran out")
    job = site.is_so("QuantumJob", "bell", "Failed", "True", "Timeout")
    assert job["status"]["failure"]["message"] == "spec.execution.timeoutSeconds (1) ran out"
    assert job["status"]["run"]["state"] == "Failed"


def test_a_running_job_says_so(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job()
    run = wait("a run", site.runs)[0]["metadata"]["name"]
    job = site.is_so("QuantumJob", "bell", "Placed")
    assert job["status"]["phase"] == "Pending" and condition(job, "Reconciling")["reason"] == "Queued"
    agents.start(run)
    job = site.is_so("QuantumJob", "bell", "Reconciling", "True", "Running")
    assert job["status"]["phase"] == "Running" and job["status"]["run"]["state"] == "Running"


def test_a_deleted_job_takes_its_run_with_it(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job()
    wait("a run", site.runs)
    site.kube.delete("QuantumJob", "bell")
    wait("the run is gone", lambda: not site.runs())


def test_bad_programs_fail_with_a_category_and_neighbours_run_on(site: Site, agents: Agents) -> None:
    ready(site)
    bad = {
        "syntax": ({"data": "OPENQASM 3.0; qubit[2 q;"}, "INVALID_PROGRAM"),
        "file": ({"data": 'OPENQASM 3.0; include "/etc/passwd"; qubit q;'}, "PAYLOAD_REJECTED"),
        "bytes": ({"data": "OPENQASM 3.0; qubit q; //" + "é" * 70_000}, "PAYLOAD_REJECTED"),
    }
    for name, (inline, _) in bad.items():
        site.job(name, program={"inline": inline})
    site.job("digest", program={"inline": {"data": BELL}, "sha256": "0" * 64})
    site.job("wide", algorithm=KNAPSACK, requirements={"minQubits": 64})
    short = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; h q;'
    observables = [{"terms": [{"pauli": "ZZZ"}]}]
    site.job("width", program={"inline": {"data": short}}, primitive={"estimator": {"observables": observables}})
    site.job("unread", program={"inline": {"data": short}})
    site.job("language", program={"inline": {"data": short, "format": "openqasm2"}})
    site.job("good")
    for name, reason in (("width", "ObservableWidth"), ("unread", "NothingMeasured"), ("language", "FormatMismatch")):
        job = site.is_so("QuantumJob", name, "Failed", "True", reason)
        assert job["status"]["failure"]["category"] == "INVALID_PROGRAM"
        assert condition(job, "Validated")["reason"] == reason
    for name, (_, category) in bad.items():
        job = site.is_so("QuantumJob", name, "Failed")
        assert job["status"]["failure"]["category"] == category, job["status"]["failure"]
        assert condition(job, "Validated")["status"] == "False"
        assert job["status"]["failure"]["message"] == condition(job, "Failed")["message"]
    assert site.is_so("QuantumJob", "digest", "Failed", "True", "DigestMismatch")
    wide = site.is_so("QuantumJob", "wide", "Failed", "True", "TooManyQubits")
    assert wide["status"]["failure"]["category"] == "CAPABILITY_MISMATCH"
    site.is_so("QuantumJob", "good", "Complete")
    assert len(site.runs()) == 1


def test_a_parser_bomb_is_stopped_and_neighbours_do_not_wait(site: Site, agents: Agents) -> None:
    ready(site)
    bomb = 'OPENQASM 3.0; include "stdgates.inc"; qubit q; rx(' + "-" * 60_000 + "1) q;"
    for number in range(3):
        site.job(f"bomb-{number}", program={"inline": {"data": bomb + f"// {number}"}})
    site.job("good")
    site.is_so("QuantumJob", "good", "Complete")
    for number in range(3):
        job = site.is_so("QuantumJob", f"bomb-{number}", "Failed", "True", "ParserKilled")
        assert job["status"]["failure"]["category"] == "PAYLOAD_REJECTED"


def test_a_paused_job_is_left_alone(site: Site, agents: Agents) -> None:
    ready(site)
    pause = {"metadata": {"annotations": {"edge.omnixan.io/paused": "true"}}}
    site.job("bell", clusterRef={"namespace": site.mark, "name": "later"})
    site.is_so("QuantumJob", "bell", "Placed", "False")
    site.kube.patch("QuantumJob", "bell", pause)
    site.is_so("QuantumJob", "bell", "Paused")
    site.cluster(0, name="later")
    site.job("other")
    site.is_so("QuantumJob", "other", "Complete")
    assert site.condition("QuantumJob", "bell", "Placed")["reason"] == "ClusterNotFound"
    pause["metadata"]["annotations"]["edge.omnixan.io/paused"] = None  # type: ignore[assignment]
    site.kube.patch("QuantumJob", "bell", pause)
    job = site.is_so("QuantumJob", "bell", "Placed", "False", "NoNodes")
    assert not condition(job, "Paused")


def test_runs_spread_over_nodes_by_queue_length(site: Site, agents: Agents) -> None:
    ready(site, nodes=3)
    agents.work = False
    for number in range(9):
        site.job(f"job-{number}")
    runs = wait("nine runs", lambda: len(site.runs()) == 9 and site.runs())
    per_node = [sum(run["spec"]["nodeName"] == f"{site.mark}-n{i}" for run in runs) for i in range(3)]
    assert per_node == [3, 3, 3]


def ghz(qubits: int) -> str:
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{qubits}] q;", f"bit[{qubits}] c;", "h q[0];"]
    lines += [f"cx q[{i}], q[{i + 1}];" for i in range(qubits - 1)]
    return "\n".join([*lines, "c = measure q;"])


def condition(obj: Any, type_: str) -> Any:
    return next((c for c in obj["status"]["conditions"] if c["type"] == type_), {})


def reasons(site: Site, name: str) -> set[str]:
    events = site.kube.list("Event", "events.k8s.io/v1")
    return {event["reason"] for event in events if event["regarding"]["name"] == name}
