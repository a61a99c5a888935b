"""`omnixan run`: exit status, what is printed where, and the same strictness as the API server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from omnixan.edge_network.api.quantumjob import QuantumJobSpec, QuantumJobStatus
from omnixan.edge_network.cli import local
from omnixan.edge_network.persistent_memory.memory import PersistentMemory

ROOT = Path(__file__).resolve().parents[3]
BELL = """OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
"""


def job(**spec):
    return {
        "apiVersion": "edge.omnixan.io/v1alpha1",
        "kind": "QuantumJob",
        "metadata": {"name": "bell"},
        "spec": {"clusterRef": {"name": "c"}, "execution": {"seed": 7}} | spec,
    }


def program(text, **more):
    return {"inline": {"data": text}} | more


def run(tmp_path, document, *options):
    path = tmp_path / "job.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    command = [sys.executable, "-m", "omnixan.edge_network.cli.main", "run", str(path), *options]
    environment = {"PYTHONPATH": f"{ROOT}/operator:{ROOT}/node_agent", "PATH": "/usr/bin:/bin", "COLUMNS": "100"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_a_complete_job_exits_with_0_and_prints_json_as_kubectl_would(tmp_path):
    done = run(tmp_path, job(program=program(BELL)), "-o", "json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["kind"], printed["metadata"]["name"]) == ("QuantumJob", "bell")
    assert printed["spec"]["primitive"] == {"sampler": {"shots": 1024}}, "defaults are filled in"
    status = QuantumJobStatus.model_validate(printed["status"], extra="forbid")
    assert status.phase == "Complete"
    assert status.result is not None
    assert {o.bitstring for o in status.result.summary.top} == {"00", "11"}
    assert {(c.type, c.status) for c in status.conditions or []} >= {("Complete", "True")}


def test_equal_manifest_and_seed_give_an_equal_summary(tmp_path):
    document = job(algorithm={"qaoa": {"problem": {"maxcut": {"edges": [[0, 1], [1, 2], [2, 0]]}}, "layers": 1}})
    first, second = (json.loads(run(tmp_path, document, "-o", "json").stdout) for _ in range(2))
    assert first["status"]["result"]["summary"] == second["status"]["result"]["summary"]


def test_a_failed_job_exits_with_1_and_says_why(tmp_path):
    done = run(tmp_path, job(program=program(BELL.replace("h q", "frobnicate q"))))
    assert done.returncode == 1
    assert "INVALID_PROGRAM" in done.stdout
    assert "frobnicate" in done.stdout


def test_a_wrong_digest_fails_the_job(tmp_path):
    done = run(tmp_path, job(program=program(BELL, sha256="0" * 64)), "-o", "json")
    assert done.returncode == 1
    failure = json.loads(done.stdout)["status"]["failure"]
    assert (failure["category"], failure["reason"]) == ("PAYLOAD_REJECTED", "DigestMismatch")


def test_a_timeout_fails_the_job_and_names_the_limit(tmp_path):
    problem = {"knapsack": {"values": list(range(1, 21)), "weights": list(range(1, 21)), "capacity": 60}}
    document = job(algorithm={"qaoa": {"problem": problem, "layers": 10}}, execution={"seed": 1, "timeoutSeconds": 1})
    done = run(tmp_path, document, "-o", "json")
    assert done.returncode == 1
    failure = json.loads(done.stdout)["status"]["failure"]
    assert failure["category"] == "TIMEOUT"
    assert "timeoutSeconds = 1" in failure["message"]


def test_more_qubits_than_fit_here_is_a_failure_that_says_how_many_there_are(tmp_path):
    done = run(tmp_path, job(program=program(BELL), requirements={"minQubits": 25}), "-o", "json")
    assert done.returncode == 1
    failure = json.loads(done.stdout)["status"]["failure"]
    assert failure["category"] == "CAPABILITY_MISMATCH"
    assert "25" in failure["message"] and "24" in failure["message"]


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ("a: [", "not YAML"),
        ("", "0 documents"),
        ("a: 1\n---\nb: 2\n", "2 documents"),
        (job() | {"kind": "Pod"}, "is a Pod"),
        (job(program=program(BELL)) | {"speck": {}}, "unknown field speck"),
        (job(program=program(BELL), optimiser={}), "spec.optimiser: unknown field"),
        (job(), "exactly one of program and algorithm"),
        (job(program=program(BELL), execution={"seed": -1}), "spec.execution.seed (-1)"),
        (job(program=program("x" * 140_000)), "spec.program.inline.data"),
        (job(program=program("é" * 100_000)), "spec.program.inline.data"),
        (job(algorithm={"qaoa": {"problem": {"knapsack": {"values": [1], "weights": [-1], "capacity": 1}}}}), "weights[0]"),
        (job(program=program(BELL)) | {"metadata": {"name": "x" * 53}}, "metadata.name"),
    ],
)
def test_a_wrong_manifest_exits_with_2_and_names_the_field(tmp_path, document, part):
    done = run(tmp_path, document)
    assert done.returncode == 2
    assert part in done.stderr
    assert done.stdout == ""


def test_a_missing_file_is_said_in_one_line(tmp_path):
    command = [sys.executable, "-m", "omnixan.edge_network.cli.main", "run", str(tmp_path / "nothing.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": f"{ROOT}/node_agent"})
    assert done.returncode == 2
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


class Interrupted(Exception):
    pass


def interrupt(progress):
    if progress["iteration"] > 40:
        raise Interrupted


@pytest.mark.parametrize("seed", [{"seed": 7}, {}])
def test_an_interrupted_loop_goes_on_with_the_same_manifest_and_leaves_nothing_behind(tmp_path, seed):
    problem = {"maxcut": {"edges": [[a, (a + 1) % 12] for a in range(12)]}}
    document = job(algorithm={"qaoa": {"problem": problem}}, optimizer={"name": "COBYLA"}, execution=seed)
    document["spec"]["checkpoint"] = {"everyIterations": 1}
    spec = QuantumJobSpec.model_validate(document["spec"])
    log = tmp_path / "new" / "log"
    with pytest.raises(Interrupted):
        local.execute(spec, interrupt, log)
    other = job(program=program(BELL))
    assert run(tmp_path, other, "--checkpoint", str(log)).returncode == 0, "a program has no loop"
    done = run(tmp_path, document, "--checkpoint", str(log), "-o", "json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)["status"]
    assert status["resumedFromIteration"] > 40
    with PersistentMemory(log, readonly=True) as store:
        assert store.list() == []
    if seed:
        undisturbed = json.loads(run(tmp_path, document, "-o", "json").stdout)["status"]
        assert status["result"] == undisturbed["result"]
        assert status["usage"]["shots"] == undisturbed["usage"]["shots"]


def test_a_folder_that_cannot_keep_a_log_exits_with_2_and_is_named(tmp_path):
    document = job(algorithm={"qaoa": {"problem": {"maxcut": {"edges": [[0, 1]]}}}})
    taken = tmp_path / "file"
    taken.write_text("not a store")
    for folder in (taken, taken / "below"):
        done = run(tmp_path, document, "--checkpoint", str(folder))
        assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
        assert done.stderr.strip().startswith(f"--checkpoint {folder}") and len(done.stderr.split()) < 20
