"""What a tenant does to a job that is there already: suspend, cancel, delete, make again, let expire, patch by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Kube, RefusedError, new_namespace
from tests.api.omnixan_operator.harness import AWHILE, BELL, Agents, Operator, Site, wait


def ready(site: Site, nodes: int = 1, **spec: Any) -> None:
    for number in range(nodes):
        site.node(f"n{number}")
    site.cluster(nodes, **spec)
    site.is_ready()


def set_spec(site: Site, name: str = "bell", **spec: Any) -> None:
    site.kube.patch("QuantumJob", name, {"spec": spec})


def test_a_suspended_job_gives_its_node_back_and_goes_on_later(site: Site, agents: Agents, operator: Operator) -> None:
    ready(site)
    agents.work = False
    site.job(backoffLimit=0)
    first = wait("a run", site.runs)[0]
    agents.start(first["metadata"]["name"])
    set_spec(site, suspend=True)
    job = site.is_so("QuantumJob", "bell", "Suspended")
    wait("the run is taken back", lambda: not site.runs())
    assert job["status"]["phase"] == "Suspended" and "completionTime" not in job["status"]
    assert site.condition("QuantumJob", "bell", "Reconciling")["reason"] == "Suspended"
    site.is_told("bell", "Suspended")
    operator.settled(AWHILE)
    before = operator.requests()
    site.kube.patch("QuantumJob", "bell", {"metadata": {"labels": {"looked": "at"}}})
    operator.settled()
    assert operator.requests() == before, "nothing is written while it is suspended"
    set_spec(site, suspend=False)
    second = wait("another run, although no attempt may fail", site.runs)[0]
    assert second["spec"]["attempt"] == 2
    agents.work = True
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert [(a["attempt"], a["category"]) for a in job["status"]["attempts"]] == [(1, "SUSPENDED")]


def test_a_job_may_be_created_suspended_and_hands_cannot_start_it(site: Site, agents: Agents, operator: Operator) -> None:
    ready(site)
    site.job(suspend=True)
    site.is_so("QuantumJob", "bell", "Suspended")
    run = {"name": "x", "namespace": site.mark, "clusterUid": "x", "attempt": 0, "node": "n", "state": "Running", "seed": 1}
    # A run in status that nobody made: the job is suspended all the same, and runs as a later attempt.
    site.kube.patch("QuantumJob", "bell", {"status": {"run": run}, "metadata": {"labels": {"a": "b"}}}, "status")
    operator.settled()
    assert not site.runs()
    assert site.condition("QuantumJob", "bell", "Suspended")["status"] == "True"


def test_a_cancelled_job_is_over_and_its_run_is_taken_back(site: Site, agents: Agents) -> None:
    ready(site)
    agents.work = False
    site.job()
    wait("a run", site.runs)
    set_spec(site, cancel=True)
    job = site.is_so("QuantumJob", "bell", "Failed", "True", "Cancelled")
    assert job["status"]["failure"]["category"] == "CANCELLED" and job["status"]["phase"] == "Cancelled"
    assert job["status"]["completionTime"]
    wait("the run is taken back", lambda: not site.runs())
    with pytest.raises(RefusedError, match="a job that was cancelled stays so"):
        set_spec(site, cancel=False)


def test_a_job_that_waits_can_be_cancelled(site: Site, agents: Agents) -> None:
    site.job()
    site.is_so("QuantumJob", "bell", "Placed", "False", "ClusterNotFound")
    set_spec(site, cancel=True)
    site.is_so("QuantumJob", "bell", "Failed", "True", "Cancelled")


def test_a_job_is_deleted_when_its_time_to_live_is_over(site: Site, agents: Agents, operator: Operator) -> None:
    ready(site)
    site.job("kept")
    site.job("short", ttlSecondsAfterFinished=1)
    site.is_so("QuantumJob", "kept", "Complete")
    wait("it is deleted", lambda: {j["metadata"]["name"] for j in site.kube.list("QuantumJob")} == {"kept"})
    wait("its run is swept", lambda: [r["spec"]["jobRef"]["name"] for r in site.runs()] == ["kept"])
    set_spec(site, "kept", ttlSecondsAfterFinished=86400)
    live = wait("the new spec is seen", lambda: _settled(site.kube.get("QuantumJob", "kept")))
    assert live["status"]["phase"] == "Complete"
    set_spec(site, "kept", ttlSecondsAfterFinished=0)
    wait("it is deleted too", lambda: not site.kube.list("QuantumJob"))


def _settled(job: Any) -> Any:
    return job if job["status"]["observedGeneration"] == job["metadata"]["generation"] else None


def test_a_job_of_the_same_name_is_another_job(site: Site, agents: Agents) -> None:
    ready(site)
    first = site.job()
    site.is_so("QuantumJob", "bell", "Complete")
    site.kube.delete("QuantumJob", "bell")
    second = site.job()
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert job["metadata"]["uid"] == second["metadata"]["uid"] != first["metadata"]["uid"]
    assert job["status"]["run"]["name"] == f"{second['metadata']['uid']}-1" and job["status"]["result"]["ref"]
    found = site.kube.get("ConfigMap", "bell-result", api_version="v1")
    assert found["metadata"]["ownerReferences"][0]["uid"] == second["metadata"]["uid"]
    wait("the old run is swept", lambda: len(site.runs()) == 1)


def test_a_job_that_is_over_is_not_rewritten_by_hand(site: Site, agents: Agents, operator: Operator) -> None:
    ready(site)
    site.job()
    job = site.is_so("QuantumJob", "bell", "Complete")
    operator.settled()
    conditions = [c | ({"status": "False"} if c["type"] == "Complete" else {}) for c in job["status"]["conditions"]]
    for patch in (
        {"phase": "Running"},
        {"completionTime": None},
        {"result": None},
        {"run": job["status"]["run"] | {"attempt": 2}},
        {"failure": {"category": "TIMEOUT", "reason": "R", "message": "m"}},
        {"conditions": conditions},
    ):
        with pytest.raises(RefusedError, match="a job that is over"):
            site.kube.patch("QuantumJob", "bell", {"status": patch}, "status")
    assert site.kube.get("QuantumJob", "bell")["status"] == job["status"]


def test_a_cluster_that_takes_no_jobs_of_a_namespace_runs_none(site: Site, agents: Agents, control_plane: Kube) -> None:
    ready(site)
    with new_namespace(control_plane) as stranger:
        site.job(kube=stranger)
        elsewhere = Site(stranger)
        elsewhere.is_so("QuantumJob", "bell", "Placed", "False", "TenantNotAllowed")
        site.job("neighbour")
        site.is_so("QuantumJob", "neighbour", "Complete")
        assert [run["spec"]["jobRef"]["name"] for run in site.runs()] == ["neighbour"]


STORED = {"configMapRef": {"name": "programs", "key": "bell.qasm"}}


def config_map(site: Site, data: dict[str, str]) -> None:
    site.kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "programs"}, "data": data})


def test_a_job_waits_for_its_program_and_for_the_key(site: Site, agents: Agents) -> None:
    ready(site)
    site.job(program=STORED)
    job = site.is_so("QuantumJob", "bell", "Validated", "False", "ProgramNotFound")
    assert f"ConfigMap {site.mark}/programs does not exist" in _message(job, "Validated")
    config_map(site, {"other": "x"})
    wait("the key is missed", lambda: "has no key bell.qasm" in site.condition("QuantumJob", "bell", "Validated")["message"])
    assert not site.runs()
    site.kube.patch("ConfigMap", "programs", {"data": {"bell.qasm": BELL}}, api_version="v1")
    job = site.is_so("QuantumJob", "bell", "Complete")
    (run,) = site.runs()
    assert run["spec"]["program"]["inline"] == {"format": "openqasm3", "data": BELL}
    assert run["spec"]["program"]["sha256"] == job["status"]["analysis"]["sha256"]


def test_a_config_map_that_changes_later_does_not_change_the_job(site: Site, agents: Agents) -> None:
    config_map(site, {"bell.qasm": BELL})
    site.job(program=STORED)
    job = site.is_so("QuantumJob", "bell", "Placed", "False", "ClusterNotFound")
    pinned = job["status"]["analysis"]["sha256"]
    site.kube.patch("ConfigMap", "programs", {"data": {"bell.qasm": BELL + " // 2"}}, api_version="v1")
    ready(site)
    job = site.is_so("QuantumJob", "bell", "Placed", "False", "ProgramChanged")
    assert pinned in _message(job, "Placed") and not site.runs()
    site.kube.patch("ConfigMap", "programs", {"data": {"bell.qasm": BELL}}, api_version="v1")
    job = site.is_so("QuantumJob", "bell", "Complete")
    assert job["status"]["analysis"]["sha256"] == pinned == site.runs()[0]["spec"]["program"]["sha256"]


def test_programs_in_config_maps_are_bounded_and_pinned(site: Site, agents: Agents) -> None:
    ready(site)
    config_map(site, {"bell.qasm": "OPENQASM 3.0; qubit q; //" + "é" * 70_000, "small": BELL})
    site.job("large", program=STORED)
    site.job("pinned", program={"configMapRef": {"name": "programs", "key": "small"}, "sha256": "0" * 64})
    job = site.is_so("QuantumJob", "large", "Failed", "True", "ProgramTooLarge")
    assert "key bell.qasm of ConfigMap programs" in job["status"]["failure"]["message"]
    site.is_so("QuantumJob", "pinned", "Failed", "True", "DigestMismatch")


def _message(job: Any, type_: str) -> str:
    return str(next(c["message"] for c in job["status"]["conditions"] if c["type"] == type_))
