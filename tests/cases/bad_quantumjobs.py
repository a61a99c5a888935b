"""QuantumJobs that are refused."""

from __future__ import annotations

from tests.cases import good
from tests.cases.case import ROOT, Case
from tests.cases.edit import DELETE

JOB_CASES = (
    Case(
        "a name of 53 characters",
        good.JOB_PROGRAM,
        {"metadata.name": "j" * 53},
        {"metadata.name": "j" * 52},
        "metadata.name must have at most 52 characters",
        ROOT,
    ),
    Case(
        "no cluster",
        good.JOB_PROGRAM,
        {"spec.clusterRef": DELETE},
        {"spec.clusterRef.namespace": DELETE},
        "Required value",
    ),
    Case(
        "a timeout longer than a week",
        good.JOB_PROGRAM,
        {"spec.execution.timeoutSeconds": 604801},
        {"spec.execution.timeoutSeconds": 604800},
        "should be less than or equal to 604800",
    ),
    Case(
        "a success probability over 1",
        good.JOB_PROGRAM,
        {"spec.requirements.minSuccessProbability": "1.01"},
        {"spec.requirements.minSuccessProbability": "1.00"},
        "should match",
    ),
    Case(
        "a success probability that is a float",
        good.JOB_PROGRAM,
        {"spec.requirements.minSuccessProbability": 0.5},
        {"spec.requirements.minSuccessProbability": "0.5"},
        "must be of type string",
    ),
    Case(
        "an optimization level that does not exist",
        good.JOB_PROGRAM,
        {"spec.execution.optimizationLevel": 4},
        {"spec.execution.optimizationLevel": 3},
        "should be less than or equal to 3",
    ),
    Case(
        "a priority over 1000",
        good.JOB_PROGRAM,
        {"spec.priority": 1001},
        {"spec.priority": 1000},
        "should be less than or equal to 1000",
    ),
    Case(
        "a backoff limit over 16",
        good.JOB_PROGRAM,
        {"spec.backoffLimit": 17},
        {"spec.backoffLimit": 16},
        "should be less than or equal to 16",
    ),
    Case(
        "a time to live below zero",
        good.JOB_PROGRAM,
        {"spec.ttlSecondsAfterFinished": -1},
        {"spec.ttlSecondsAfterFinished": 0},
        "should be greater than or equal to 0",
    ),
    Case(
        "a program in two places",
        good.JOB_PROGRAM,
        {"spec.program.configMapRef": good.OF_CONFIG_MAP["program"]["configMapRef"]},
        {"spec.program": good.OF_CONFIG_MAP["program"]},
        "exactly one of inline and configMapRef must be given",
        "spec.program",
    ),
    Case(
        "a program in no place",
        good.JOB_PROGRAM,
        {"spec.program.inline": DELETE},
        {"spec.program.sha256": DELETE},
        "exactly one of inline and configMapRef must be given",
        "spec.program",
    ),
    Case(
        "a key that no ConfigMap can have",
        good.JOB_CONFIG_MAP,
        {"spec.program.configMapRef.key": "a/b"},
        {"spec.program.configMapRef.key": "a_b-c.qasm"},
        "should match",
    ),
    Case(
        "an unknown tier",
        good.JOB_PROGRAM,
        {"spec.requirements.tiers": ["cloud"]},
        {"spec.requirements.tiers": ["compute"]},
        'supported values: "gateway", "compute"',
    ),
)
