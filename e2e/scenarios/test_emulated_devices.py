"""Agents that emulate recorded devices: jobs are placed by what their calibrations promise, and run with their errors."""

from __future__ import annotations

from typing import Any

import pytest

from e2e import manifests
from e2e.kubectl import Kubectl, condition, is_true
from e2e.scenarios.conftest import EdgeClusterMaker

SHOTS = 2000
LIMA = manifests.pool("lima", "gateway", "gateway", qubits=5, low=1, high=1) | {
    "qpu": {"backend": "emulator", "device": "lima"}
}
GUADALUPE = manifests.pool("guadalupe", "compute", "compute", qubits=16, low=0, high=1) | {
    "qpu": {"backend": "emulator", "device": "guadalupe"}
}


def bell(name: str, tenant: str, **spec: Any) -> dict[str, Any]:
    job = manifests.program_job(name, tenant, "devices", manifests.ghz(2), **spec)
    return job | {"spec": job["spec"] | {"primitive": {"sampler": {"shots": SHOTS}}}}


def ran_as_promised(kubectl: Kubectl, tenant: str, name: str, device: str) -> None:
    """Complete on that device, with about as many right outcomes as placement had predicted."""
    done = kubectl.until("quantumjob", name, tenant, is_true("Complete"), 90)
    assert done is not None
    status = done["status"]
    node = kubectl.get("edgenode", status["placement"]["node"], manifests.CLUSTER_NAMESPACE)
    assert node is not None
    assert (node["status"]["backend"], node["status"]["calibration"]["device"]) == ("emulator", device)
    outcomes = {top["bitstring"]: top["probability"] for top in status["result"]["summary"]["top"]}
    right = outcomes["00"] + outcomes["11"]
    assert right < 1, "an emulator errs"
    assert right == pytest.approx(float(status["placement"]["predicted"]["successProbability"]), abs=0.05)
    assert right == pytest.approx(status["usage"]["transpiled"]["successProbability"], abs=0.05)
    assert status["usage"]["qpuSeconds"] > 0


def test_jobs_run_on_devices_that_are_as_good_as_they_ask_for(
    kubectl: Kubectl, edge_cluster: EdgeClusterMaker, tenant: str
) -> None:
    with edge_cluster(manifests.edge_cluster("devices", 1, LIMA, GUADALUPE, tenant="true")):
        kubectl.apply(
            bell("modest", tenant),
            bell("demanding", tenant, requirements={"minSuccessProbability": "0.965"}),
        )
        ran_as_promised(kubectl, tenant, "modest", "lima")
        waiting = kubectl.until("quantumjob", "demanding", tenant, lambda j: condition(j, "Placed").get("status") == "False")
        assert waiting is not None
        assert condition(waiting, "Placed")["reason"] == "NoNodeFits"
        (rejected,) = waiting["status"]["placement"]["rejected"]
        assert (rejected["constraint"], rejected["required"]) == ("minSuccessProbability", "0.965")
        assert 0.9 < float(rejected["actual"]) < 0.965

        kubectl.run("scale", "edgecluster/devices", "-n", manifests.CLUSTER_NAMESPACE, "--replicas=2")
        ran_as_promised(kubectl, tenant, "demanding", "guadalupe")
