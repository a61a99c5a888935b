"""Good manifests of every kind: together they have every field that a schema has, so that each can be spoilt."""

from __future__ import annotations

from typing import Any

from omnixan.edge_network.api.meta import API_VERSION

Manifest = dict[str, Any]

UID = "2f0a1c9e-7c35-4d5c-9c1e-3f8f6a2b1d00"
SHA256 = "ab" * 32
TIME = "2026-11-24T21:00:13Z"
MICRO_TIME = "2026-11-24T21:00:13.123456Z"
PROGRAM = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n'


def manifest(kind: str, name: str, spec: Manifest, status: Manifest | None = None) -> Manifest:
    """An object of one of our kinds."""
    out: Manifest = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return out | ({"status": status} if status is not None else {})


def condition(kind: str, status: str = "True") -> Manifest:
    """A condition with all its fields."""
    return {
        "type": kind,
        "status": status,
        "reason": "AsItShould",
        "message": "all is well",
        "lastTransitionTime": TIME,
        "observedGeneration": 1,
    }


PERSISTENT_MEMORY = {
    "enabled": True,
    "mode": "auto",
    "pmemPath": "/mnt/pmem0",
    "size": "64Mi",
    "checkpointInterval": "1m30s",
}
MEMORY_POOLING = {
    "enabled": True,
    "poolSize": "1Gi",
    "blockSize": "64Mi",
    "reuseStrategy": "LRU",
    "quantumCircuitCache": True,
}


def modules() -> Manifest:
    """Both modules with all their fields, each time anew: what is edited in one place must stay in the others."""
    return {"memoryPooling": dict(MEMORY_POOLING), "persistentMemory": dict(PERSISTENT_MEMORY)}


RESOURCES = {"requests": {"cpu": "100m", "memory": 1048576}, "limits": {"memory": "2Gi"}}
HOW_PODS_RUN = {"imagePullSecrets": [{"name": "registry"}], "priorityClassName": "edge-agents"}
EDGE_CLUSTER = manifest(
    "EdgeCluster",
    "edge",
    {
        "region": "us-east-1",
        "nodes": 3,
        "agent": {"image": "registry.example/agent:1", "resources": RESOURCES} | HOW_PODS_RUN,
        "pools": [
            {
                "name": "gateway",
                "tier": "gateway",
                "nodeSelector": {"example.com/role": "gateway"},
                "tolerations": [
                    {
                        "key": "edge",
                        "operator": "Equal",
                        "value": "true",
                        "effect": "NoExecute",
                        "tolerationSeconds": 60,
                    }
                ],
                "minNodes": 1,
                "maxNodes": 2,
                "agent": {"image": "registry.example/agent:2", "resources": RESOURCES} | HOW_PODS_RUN,
                "qpu": {"backend": "simulator", "qubits": 12},
                "autonomyDuration": "1m30s",
                "modules": modules(),
            },
            {"name": "compute", "tier": "compute", "nodeSelector": {"a": "b"}, "qpu": {"qubits": 16}},
        ],
        "modules": modules(),
        "tenants": {
            "namespaceSelector": {
                "matchLabels": {"team": "blue"},
                "matchExpressions": [{"key": "stage", "operator": "In", "values": ["test", "prod"]}],
            }
        },
    },
    {
        "observedGeneration": 1,
        "phase": "Ready",
        "nodes": 3,
        "readyNodes": 3,
        "desiredNodes": 3,
        "selector": "app.kubernetes.io/component=node-agent",
        "pools": [
            {
                "name": "gateway",
                "desired": 2,
                "claimed": 2,
                "ready": 2,
                "updated": 2,
                "modules": modules(),
                "persistentMemoryReady": 2,
                "memoryPoolingReady": 2,
            }
        ],
        "conditions": [condition("Ready")],
    },
)

EDGE_EMULATED = manifest(
    "EdgeCluster",
    "emulated",
    {
        "nodes": 1,
        "pools": [
            {
                "name": "device",
                "tier": "compute",
                "nodeSelector": {"a": "b"},
                "qpu": {"backend": "emulator", "device": "manila"},
            },
        ],
    },
)

CALIBRATION = {
    "id": "manila-0123456789",
    "device": "manila",
    "method": "recorded snapshot",
    "time": TIME,
    "qubits": 5,
    "twoQubitFidelity": "0.99",
    "readoutFidelity": "0.97",
    "singleQubitError": "0.0003",
    "twoQubitError": "0.01",
    "readoutError": "0.03",
    "t1": "0.0001",
    "t2": "6e-5",
    "singleQubitSeconds": "3.6e-8",
    "twoQubitSeconds": "3e-7",
    "readoutSeconds": "5e-6",
    "shotDelaySeconds": "0.00025",
    "regions": [
        {"qubits": 2, "twoQubitError": "0.008", "readoutError": "0.02", "t1": "0.0001", "t2": "6e-5", "distance": "1"}
    ],
}
EDGE_NODE = manifest(
    "EdgeNode",
    "worker-1",
    {"pool": "gateway", "tier": "gateway", "nodeName": "worker-1", "drain": False},
    {
        "observedGeneration": 1,
        "version": "0.1.0",
        "backend": "simulator",
        "qubits": 12,
        "calibration": CALIBRATION,
        "memory": {
            "pool": 1 << 30,
            "used": 1 << 20,
            "external": "0.05",
            "internal": "0.01",
            "overhead": "0.02",
        },
        "persistentMemory": {
            "tier": "T1-fsdax",
            "proof": ["MAP_SYNC accepted: a flushed store is durable (T1)"],
            "namespaces": [{"dev": "namespace0.0", "mode": "fsdax", "size": 1 << 27}],
            "size": 1 << 26,
            "used": 1 << 20,
            "lastCheckpoint": TIME,
        },
        "conditions": [condition("AgentReady")],
    },
)

KNAPSACK = {"values": [3, 4, 5], "weights": [2, 3, 4], "capacity": 5}
MAXCUT = {"edges": [[0, 1], [1, 2]], "weights": ["1", "-2.5"]}
QUBO = {
    "size": 2,
    "terms": [{"row": 0, "column": 0, "value": "-1"}, {"row": 0, "column": 1, "value": "2"}],
    "sense": "minimize",
}
OPTIMIZER = {"name": "COBYLA", "maxIterations": 50}
PRIMITIVE = {"sampler": {"shots": 1024}}
OBSERVABLE = {"name": "parity", "terms": [{"pauli": "ZZ", "coefficient": "0.5"}]}
OF_ESTIMATOR = {
    "program": {"inline": {"format": "openqasm2", "data": PROGRAM}},
    "primitive": {"estimator": {"observables": [OBSERVABLE], "precision": "0.02"}},
    "mitigation": {"readout": True},
    "checkpoint": {"statevector": True, "interval": "5s"},
}
OF_CONFIG_MAP = {
    "program": {"configMapRef": {"name": "programs", "key": "bell.qasm", "format": "openqasm3"}},
    "primitive": PRIMITIVE,
}
OF_PROGRAM = {
    "program": {"inline": {"format": "openqasm3", "data": PROGRAM}, "sha256": SHA256},
    "primitive": PRIMITIVE,
}


def of_problem(kind: str, problem: Manifest) -> Manifest:
    """The workload of a QAOA."""
    return {
        "algorithm": {"qaoa": {"problem": {kind: problem}, "layers": 3}},
        "optimizer": OPTIMIZER,
        "primitive": PRIMITIVE,
        "checkpoint": {"everyIterations": 1, "interval": "30s", "resume": True, "statevector": False},
    }


JOB_REST = {
    "clusterRef": {"namespace": "omnixan", "name": "edge"},
    "requirements": {
        "minQubits": 2,
        "tiers": ["gateway", "compute"],
        "minSuccessProbability": "0.75",
        "simulatorAllowed": True,
    },
    "execution": {"seed": 7, "timeoutSeconds": 600, "optimizationLevel": 1},
    "priority": 10,
    "suspend": False,
    "cancel": False,
    "backoffLimit": 3,
    "ttlSecondsAfterFinished": 3600,
}
RUN_REST = {
    "nodeName": "worker-1",
    "attempt": 1,
    "jobRef": {"namespace": "team-blue", "name": "job", "uid": UID},
    "execution": {"seed": 7, "timeoutSeconds": 600, "optimizationLevel": 1},
}

SOLUTION = {
    "bitstring": "011",
    "value": 7.0,
    "feasible": True,
    "selected": [0, 1],
    "probability": 0.25,
    "approximationRatio": 1.0,
}
SUMMARY = {
    "shots": 1024,
    "distinctOutcomes": 2,
    "top": [{"bitstring": "00", "count": 512, "probability": 0.5}],
    "problem": {"kind": "knapsack", "variables": 3, "optimum": 7.0},
    "solution": SOLUTION,
    "uniform": SOLUTION,
    "probabilityRatio": 2.0,
    "training": {"optimizer": "COBYLA", "layers": 3, "evaluations": 90, "shots": 92160, "objective": 6.5},
    "expectations": [{"name": "parity", "value": 0.5, "standardError": 0.01}],
    "mitigation": {"readout": "tensored", "overhead": 1.2},
}
USAGE = {
    "shots": 1024,
    "cpuSeconds": 0.5,
    "qpuSeconds": 0.3,
    "transpiled": {"successProbability": 0.9, "depth": 5, "twoQubitGates": 1, "seconds": 6e-06},
}
PROGRESS = {"iteration": 10, "of": 100, "best": 6.5}
FAILURE = {"category": "INVALID_PROGRAM", "reason": "SyntaxError", "message": "mend line 3", "line": 3}

JOB_STATUS = {
    "observedGeneration": 1,
    "phase": "Running",
    "analysis": {
        "qubits": 2,
        "depth": 3,
        "twoQubitGates": 1,
        "twoQubitDepth": 1,
        "lineSwaps": 0,
        "measured": 2,
        "gates": {"h": 1, "cx": 1},
        "sha256": SHA256,
    },
    "placement": {
        "policy": "queue length, then name",
        "node": "worker-1",
        "reason": "shortest queue",
        "predicted": {"successProbability": "0.91", "waitSeconds": "0.3"},
        "rejected": [{"node": "worker-2", "constraint": "qubits", "actual": "1", "required": "2"}],
        "rejectedCount": 1,
    },
    "run": {
        "name": f"{UID}-1",
        "namespace": "omnixan",
        "clusterUid": UID,
        "attempt": 1,
        "node": "worker-1",
        "state": "Running",
        "seed": 7,
        "progress": PROGRESS,
    },
    "attempts": [
        {
            "attempt": 1,
            "node": "worker-2",
            "category": "NODE_UNREACHABLE",
            "message": "gone",
            "startTime": TIME,
            "endTime": TIME,
        }
    ],
    "usage": USAGE,
    "resumedFromIteration": 9,
    "result": {"summary": SUMMARY, "ref": {"name": "job-result", "sha256": SHA256, "bytes": 100}},
    "failure": FAILURE,
    "startTime": TIME,
    "completionTime": TIME,
    "conditions": [condition("Placed")],
}
RUN_STATUS = {
    "restarts": 0,
    "resumedFromIteration": 9,
    "state": "Running",
    "progress": PROGRESS,
    "startTime": MICRO_TIME,
    "firstShotTime": MICRO_TIME,
    "completionTime": MICRO_TIME,
    "usage": USAGE,
    "result": {"summary": SUMMARY, "counts": {"00": 512, "11": 512}},
    "error": FAILURE,
}

JOB_PROGRAM = manifest("QuantumJob", "job", OF_PROGRAM | JOB_REST, JOB_STATUS)
JOB_CONFIG_MAP = manifest("QuantumJob", "stored", OF_CONFIG_MAP | JOB_REST)
JOB_ESTIMATOR = manifest("QuantumJob", "estimator", OF_ESTIMATOR | JOB_REST)
JOB_KNAPSACK = manifest("QuantumJob", "knapsack", of_problem("knapsack", KNAPSACK) | JOB_REST)
JOB_MAXCUT = manifest("QuantumJob", "maxcut", of_problem("maxcut", MAXCUT) | JOB_REST)
JOB_QUBO = manifest("QuantumJob", "qubo", of_problem("qubo", QUBO) | JOB_REST)
RUN_PROGRAM = manifest("QuantumRun", f"{UID}-1", OF_PROGRAM | RUN_REST, RUN_STATUS)
RUN_ESTIMATOR = manifest("QuantumRun", f"{UID}-5", OF_ESTIMATOR | RUN_REST)
RUN_KNAPSACK = manifest("QuantumRun", f"{UID}-2", of_problem("knapsack", KNAPSACK) | RUN_REST)
RUN_MAXCUT = manifest("QuantumRun", f"{UID}-3", of_problem("maxcut", MAXCUT) | RUN_REST)
RUN_QUBO = manifest("QuantumRun", f"{UID}-4", of_problem("qubo", QUBO) | RUN_REST)

GOOD: dict[str, tuple[Manifest, ...]] = {
    "EdgeCluster": (EDGE_CLUSTER, EDGE_EMULATED),
    "EdgeNode": (EDGE_NODE,),
    "QuantumJob": (JOB_PROGRAM, JOB_CONFIG_MAP, JOB_ESTIMATOR, JOB_KNAPSACK, JOB_MAXCUT, JOB_QUBO),
    "QuantumRun": (RUN_PROGRAM, RUN_ESTIMATOR, RUN_KNAPSACK, RUN_MAXCUT, RUN_QUBO),
}
"""By kind; the first has every field of status."""
