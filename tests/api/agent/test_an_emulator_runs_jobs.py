"""A node whose agent emulates a recorded device."""

from __future__ import annotations

import os
import subprocess
import sys

from omnixan.edge_network.api.edgenode import Calibration
from omnixan.edge_network.quantum import devices
from tests.api.agent.harness import ROOT, Lab, eventually


def test_an_emulator_reports_its_calibration_and_runs_with_noise(lab: Lab):
    agent = lab.agent(BACKEND="emulator", DEVICE="lima", QUBITS="").wait_ready()
    eventually(lambda: lab.condition().get("status") == "True", "the node reports itself")
    status = lab.kube.get("EdgeNode", "node-1")["status"]
    assert (status["backend"], status["qubits"]) == ("emulator", 5)
    calibration = Calibration.model_validate(status["calibration"])
    assert (calibration.device, calibration.id) == ("lima", devices.load("lima").id)
    assert calibration.time == "2021-03-15T04:36:03Z"

    lab.submit("noisy", shots=1000, seed=5)
    lab.submit("again", shots=1000, seed=5)
    noisy, again = lab.ended("noisy"), lab.ended("again")
    assert noisy["state"] == "Succeeded", noisy
    assert noisy["result"] == again["result"]
    counts = noisy["result"]["counts"]
    right = counts["000"] + counts["111"]
    assert 700 < right < 1000 and sum(counts.values()) == 1000
    usage = noisy["usage"]
    assert abs(usage["transpiled"]["successProbability"] - right / 1000) < 0.1
    assert 0.25 < usage["qpuSeconds"] < 0.5

    parity = {"estimator": {"observables": [{"name": "parity", "terms": [{"pauli": "IZZ"}]}], "precision": "0.03"}}
    lab.submit("misread", primitive=parity)
    lab.submit("mitigated", primitive=parity, mitigation={"readout": True})
    misread, mitigated = lab.ended("misread"), lab.ended("mitigated")
    assert misread["state"] == mitigated["state"] == "Succeeded", (misread, mitigated)
    (plain,), (undone,) = (one["result"]["summary"]["expectations"] for one in (misread, mitigated))
    assert plain["name"] == "parity" and 0.5 < plain["value"] < undone["value"] < 1.1
    assert (
        0 < plain["standardError"] <= 0.03 and mitigated["usage"]["shots"] == 1112 and mitigated["usage"]["qpuSeconds"] > 0
    )
    assert mitigated["result"]["summary"]["mitigation"]["readout"] == "tensored"

    lab.submit("long", shots=1_000_000, timeout=60)
    refused = lab.ended("long")
    assert (refused["error"]["category"], refused["error"]["reason"]) == ("CAPABILITY_MISMATCH", "DeviceTimeTooLong")

    lab.submit("deleted", shots=1_000_000, timeout=3600)
    lab.began("deleted")
    lab.kube.delete("QuantumRun", "deleted")
    lab.submit("next", shots=10)
    assert lab.ended("next")["state"] == "Succeeded", "the wait for a device ends with its run"
    assert agent.metric("omnixan_agent_runs_total", category="", state="Succeeded") == 5


def test_an_agent_told_of_a_device_nobody_knows_names_those_it_knows():
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "node_agent"),
        "NODE_NAME": "n",
        "POD_NAMESPACE": "ns",
        "POD_NAME": "p",
        "POOL": "p",
        "CLUSTER": "c",
        "BACKEND": "emulator",
        "DEVICE": "osprey",
    }
    command = [sys.executable, "-m", "omnixan.edge_network.agent.main"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert "DEVICE is 'osprey'; it must be a recorded device: boeblingen, guadalupe" in ended.stderr
