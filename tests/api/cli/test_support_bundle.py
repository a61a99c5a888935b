"""`omnixan support-bundle` against a real API server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnixan.edge_network.api.meta import API_VERSION, PART_OF, PART_OF_LABEL
from tests.api.client import Kube
from tests.api.conftest import ROOT
from tests.cases import good

SECRET = "what-nobody-may-see"


def bundle(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "omnixan.edge_network.cli.main", "support-bundle", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "node_agent"), "KUBECONFIG": str(kubeconfig)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def read(path: Path) -> dict[str, str]:
    """File name in the bundle -> text."""
    with tarfile.open(path) as tar:
        return {m.name.split("/", 1)[1]: tar.extractfile(m).read().decode() for m in tar.getmembers()}  # type: ignore[union-attr]


@pytest.fixture
def site(kube: Kube) -> Kube:
    """Objects of ours, a pod with a secret in its environment, and what must never be read."""
    for manifest in (good.EDGE_CLUSTER, good.EDGE_NODE, good.JOB_PROGRAM, good.JOB_KNAPSACK):
        kube.create(manifest)
        if "status" in manifest:
            kube.replace(manifest, "status")
    data = {"password": base64.b64encode(SECRET.encode()).decode()}
    kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"result.json": SECRET}})
    env = [{"name": "API_TOKEN", "value": SECRET}]
    container = {"name": "agent", "image": "registry.invalid/agent:1", "env": env}
    container["ports"] = [{"name": "http", "containerPort": 8080}]
    metadata = {"name": "agent-1", "labels": {PART_OF_LABEL: PART_OF}}
    kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})
    regarding = {"apiVersion": API_VERSION, "kind": "QuantumJob", "name": "job", "namespace": kube.namespace}
    for name, by, about in (
        ("ours", "omnixan-operator", regarding),
        ("theirs", "other.example", {"kind": "Pod", "name": "x"}),
    ):
        event = {
            "metadata": {"name": name},
            "eventTime": good.MICRO_TIME,
            "type": "Normal",
            "reason": "Because",
            "action": "Reconcile",
            "note": f"note of {name}",
            "reportingController": by,
            "reportingInstance": "test",
            "regarding": about | {"namespace": kube.namespace},
        }
        kube.request("POST", f"/apis/events.k8s.io/v1/namespaces/{kube.namespace}/events", event)
    return kube


def test_a_bundle_has_what_helps_and_nothing_that_is_secret(site: Kube, kubeconfig: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    done = bundle(kubeconfig, str(path), "-n", site.namespace, "-o", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    files = read(path)
    assert told["file"] == str(path) and told["bytes"] == path.stat().st_size
    assert {e["path"] for e in told["entries"] if e["bytes"]} | {"contents.json"} == files.keys()
    whole = "".join(files.values())
    assert SECRET not in whole and base64.b64encode(SECRET.encode()).decode() not in whole
    assert "cx q[0]" not in whole

    jobs = {j["metadata"]["name"]: j for j in json.loads(files["objects/quantumjobs.json"])["items"]}
    assert jobs.keys() == {"job", "knapsack"}
    assert jobs["job"]["status"]["phase"] == good.JOB_PROGRAM["status"]["phase"]
    assert len(json.loads(files["objects/edgeclusters.json"])["items"]) == 1
    assert "note of ours" in files[f"events/events-{site.namespace}.json"] and "note of theirs" not in whole
    assert json.loads(files["cluster/version.json"])["gitVersion"].startswith("v1.")
    assert len(json.loads(files["cluster/customresourcedefinitions.json"])["items"]) == 4
    pods = json.loads(files[f"workloads/pods-{site.namespace}.json"])["items"]
    assert [p["metadata"]["name"] for p in pods] == ["agent-1"]


def test_what_cannot_be_read_is_listed_with_the_reason(site: Kube, kubeconfig: Path, tmp_path: Path) -> None:
    """The pod has no kubelet here, so its log cannot be had; the rest is there."""
    done = bundle(kubeconfig, str(tmp_path / "b.tar.gz"), "-n", site.namespace, "-o", "json")
    missing = {e["path"]: e["note"] for e in json.loads(done.stdout)["entries"] if not e["bytes"]}
    assert missing.keys() == {f"logs/{site.namespace}/agent-1/agent.log", f"metrics/{site.namespace}/agent-1.prom"}
    assert all(missing.values())


def test_programs_are_taken_in_when_asked_for_and_people_get_a_table(site: Kube, kubeconfig: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    done = bundle(kubeconfig, str(path), "-n", site.namespace, "--include-programs")
    assert done.returncode == 0, done.stderr
    assert "objects/quantumjobs.json" in done.stdout and "redacted" not in done.stdout
    assert "cx q[0]" in read(path)["objects/quantumjobs.json"]
    assert SECRET not in "".join(read(path).values())


def test_a_bundle_stays_within_its_bound(site: Kube, kubeconfig: Path, tmp_path: Path) -> None:
    for number in range(12):
        site.create(
            {
                **good.JOB_PROGRAM,
                "metadata": {"name": f"large-{number}", "annotations": {"filler": "x" * 100_000}},
            }
        )
    path = tmp_path / "b.tar.gz"
    done = bundle(kubeconfig, str(path), "-n", site.namespace, "--max-mib", "1", "-o", "json")
    assert done.returncode == 0, done.stderr
    entries = {e["path"]: e for e in json.loads(done.stdout)["entries"]}
    assert "left out" in entries["objects/quantumjobs.json"]["note"]
    assert sum(e["bytes"] for e in entries.values()) <= 1024 * 1024


def limited(kubeconfig: Path, folder: Path, user: dict[str, Any], server: str | None = None) -> Path:
    """The kubeconfig with another user, and perhaps another server."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = user
    if server:
        config["clusters"][0]["cluster"]["server"] = server
    path = folder / "limited"
    path.write_text(yaml.safe_dump(config))
    return path


def test_somebody_without_rights_gets_a_bundle_that_says_so(site: Kube, kubeconfig: Path, tmp_path: Path) -> None:
    site.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = site.request("POST", site.path("v1", "ServiceAccount", "nobody", "token"), asked)["status"]["token"]
    config = limited(kubeconfig, tmp_path, {"token": token})
    done = bundle(config, str(tmp_path / "b.tar.gz"), "-o", "json")
    assert done.returncode == 0, done.stderr
    notes = {e["path"]: e["note"] for e in json.loads(done.stdout)["entries"]}
    assert notes["objects/quantumjobs.json"].startswith("not allowed: ")
    assert token not in "".join(read(tmp_path / "b.tar.gz").values())


def test_errors_say_what_is_wrong_and_leave_no_file(kubeconfig: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    away = bundle(limited(kubeconfig, tmp_path, {"token": "x"}, "http://127.0.0.1:9"), str(path))
    assert away.returncode == 1 and "http://127.0.0.1:9 cannot be read" in away.stderr
    missing = bundle(tmp_path / "nothing", str(path))
    assert missing.returncode == 2 and "cannot read the kubeconfig" in missing.stderr
    nowhere = bundle(kubeconfig, str(tmp_path / "no" / "folder" / "b.tar.gz"))
    assert nowhere.returncode == 2 and "cannot write" in nowhere.stderr
    wrong = bundle(kubeconfig, str(path), "--max-mib", "0")
    assert wrong.returncode == 2 and "at least 1" in wrong.stderr
    assert not path.exists() and not list(tmp_path.glob(".*partial"))
