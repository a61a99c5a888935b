"""What is kept of an object, and that large things are not."""

from __future__ import annotations

import json

from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan.edge_network.api.quantumrun import QuantumRun
from omnixan_operator import kinds
from omnixan_operator.trim import DIGEST, TRIMMED, share, trim
from tests.unit.omnixan_operator.operator_makers import Object, job_object, meta


def run() -> Object:
    spec = {
        "program": {"inline": {"format": "openqasm3", "data": "x" * 1000}},
        "nodeName": "n",
        "attempt": 1,
        "jobRef": {"namespace": "t", "name": "x", "uid": "u"},
        "execution": {"seed": 1, "timeoutSeconds": 5},
    }
    summary = {"shots": 1, "distinctOutcomes": 1, "top": []}
    status = {"state": "Succeeded", "result": {"summary": summary, "counts": {"0" * 20: 1}}}
    return {"metadata": meta("u-1"), "spec": spec, "status": status}


def test_a_run_is_kept_without_program_and_result_and_can_still_be_read() -> None:
    whole = run()
    copy = json.loads(json.dumps(whole))
    kept = trim(kinds.QUANTUM_RUN, whole)
    assert whole == copy, "the original is not touched"
    parsed = QuantumRun.model_validate(kept)
    assert parsed.spec.program is not None and parsed.spec.program.inline.data == TRIMMED
    assert parsed.status.state == "Succeeded" and parsed.status.result is None


def test_a_job_keeps_its_program_until_it_is_over() -> None:
    data = job_object()["spec"]["program"]["inline"]["data"]
    assert trim(kinds.QUANTUM_JOB, job_object())["spec"]["program"]["inline"]["data"] == data
    over = trim(kinds.QUANTUM_JOB, job_object(status={"completionTime": "2026-11-24T21:00:00Z"}))
    assert QuantumJob.model_validate(over).spec.program.inline.data == TRIMMED  # type: ignore[union-attr]


def test_of_managed_fields_only_our_own_are_kept() -> None:
    fields = {"f:spec": {}}
    entries = [
        {"manager": "omnixan-operator", "operation": "Apply", "fieldsV1": fields, "time": "now"},
        {"manager": "omnixan-operator", "operation": "Apply", "fieldsV1": fields, "subresource": "status"},
        {"manager": "omnixan-operator", "operation": "Update", "fieldsV1": fields},
        {"manager": "kubectl", "operation": "Apply", "fieldsV1": fields},
    ]
    kept = trim(kinds.DAEMON_SET, {"metadata": meta("d", managedFields=entries), "spec": {"a": 1}})
    assert kept["metadata"]["managedFields"] == [{"manager": "omnixan-operator", "operation": "Apply", "fieldsV1": fields}]
    assert kept["spec"] == {"a": 1}


def test_a_node_changes_only_with_what_claiming_looks_at() -> None:
    def node(beat: str, images: list[str]) -> Object:
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": beat}
        disk = {"type": "DiskPressure", "status": "False", "lastHeartbeatTime": beat}
        return {
            "metadata": meta("n", "", labels={"a": "b"}, annotations={"beat": beat}),
            "spec": {"podCIDR": beat, "unschedulable": True, "taints": [{"key": "k", "effect": "NoSchedule"}]},
            "status": {"conditions": [disk, ready], "images": images},
        }

    kept = trim(kinds.NODE, node("1", ["a"]))
    assert kept == trim(kinds.NODE, node("2", ["b"]))
    assert kept["status"] == {"conditions": [{"type": "Ready", "status": "True"}]}
    assert kept["spec"] == {"unschedulable": True, "taints": [{"key": "k", "effect": "NoSchedule"}]}


def test_a_config_map_is_kept_as_digests() -> None:
    kept = trim(kinds.CONFIG_MAP, {"metadata": meta("m"), "data": {"result.json": "abc"}})
    assert kept[DIGEST] == {"result.json": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert "data" not in kept


def test_what_kubectl_remembers_is_dropped() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "edge.omnixan.io/paused": "true"}
    kept = trim(kinds.EDGE_CLUSTER, {"metadata": meta("ec", annotations=annotations), "spec": {}})
    assert kept["metadata"]["annotations"] == {"edge.omnixan.io/paused": "true"}


def test_equal_strings_of_two_objects_are_one() -> None:
    text = '{"metadata": {"name": "a", "labels": {"role of it": "gateway of it"}}, "spec": {"clusterRef": {"name": "b c"}}}'
    one, other = (share(trim(kinds.QUANTUM_JOB, json.loads(text))) for _ in range(2))
    assert one == other and one is not other
    (key,), (same,) = one["metadata"]["labels"], other["metadata"]["labels"]
    assert key is same
    assert one["spec"]["clusterRef"]["name"] is other["spec"]["clusterRef"]["name"]
