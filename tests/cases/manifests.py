"""Named bad manifests, each with a passing twin next to the border, and the changes that a live object refuses.

The same tables are tried on a real API server (tests/api/kinds) and on the models (tests/unit/api): a manifest that the
cluster refuses must not run locally either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cases import good
from tests.cases.edit import DELETE, Path, edited
from tests.cases.good import Manifest

Edits = Mapping[str | Path, Any]
MAX_PROGRAM = 128 * 1024


@dataclass(frozen=True)
class Case:
    """A good manifest, edits that spoil it, and edits that go as far as is allowed.

    `rule` is the schema path of the CEL rule that refuses it; None: a bound of the schema does.
    """

    id: str
    good: Manifest
    bad: Edits
    border: Edits
    message: str
    rule: str | None = None

    @property
    def kind(self) -> str:
        """The manifest's kind."""
        return str(self.good["kind"])

    @property
    def bad_manifest(self) -> Manifest:
        """What must be refused."""
        return edited(self.good, self.bad)

    @property
    def border_manifest(self) -> Manifest:
        """What must be taken."""
        return edited(self.good, self.border)


@dataclass(frozen=True)
class Change:
    """An object as it is, and what may and may not be written over it."""

    id: str
    old: Manifest
    bad: Edits
    allowed: Edits
    message: str
    rule: str
    status: bool = field(default=False)
    """Whether it is the status that changes."""

    @property
    def kind(self) -> str:
        """The object's kind."""
        return str(self.old["kind"])


def pools(count: int) -> list[Manifest]:
    """That many pools."""
    return [
        {"name": f"pool-{number}", "tier": "compute", "nodeSelector": {"a": "b"}, "qpu": {"qubits": 8}}
        for number in range(count)
    ]


SELECTOR = ("spec", "tenants", "namespaceSelector", "matchExpressions", 0)
ROOT = ""
CLUSTER_CASES = (
    Case(
        "a name of 53 characters",
        good.EDGE_CLUSTER,
        {"metadata.name": "e" * 53},
        {"metadata.name": "e" * 52},
        "metadata.name must have at most 52 characters",
        ROOT,
    ),
    Case(
        "minNodes greater than maxNodes",
        good.EDGE_CLUSTER,
        {"spec.pools.0.minNodes": 3},
        {"spec.pools.0.minNodes": 2},
        "minNodes must not be greater than maxNodes",
        "spec.pools[]",
    ),
    Case(
        "more minNodes than nodes",
        good.EDGE_CLUSTER,
        {"spec.nodes": 1, "spec.pools.1.minNodes": 1},
        {"spec.nodes": 2, "spec.pools.1.minNodes": 1},
        "nodes must be at least the sum of all pools' minNodes",
        "spec",
    ),
    Case(
        "In without values",
        good.EDGE_CLUSTER,
        {(*SELECTOR, "values"): DELETE},
        {SELECTOR: {"key": "stage", "operator": "NotIn", "values": ["test"]}},
        "values must be given for In and NotIn, and only for them",
        "spec.tenants.namespaceSelector.matchExpressions[]",
    ),
    Case(
        "Exists with values",
        good.EDGE_CLUSTER,
        {(*SELECTOR, "operator"): "Exists"},
        {SELECTOR: {"key": "stage", "operator": "Exists"}},
        "values must be given for In and NotIn, and only for them",
        "spec.tenants.namespaceSelector.matchExpressions[]",
    ),
    Case("300 pools", good.EDGE_CLUSTER, {"spec.pools": pools(300)}, {"spec.pools": pools(32)}, "at most 32"),
    Case(
        "two pools of one name",
        good.EDGE_CLUSTER,
        {"spec.pools.1.name": "gateway"},
        {"spec.pools.1.name": "gateway-2"},
        "Duplicate value",
    ),
    Case(
        "a simulator of 25 qubits",
        good.EDGE_CLUSTER,
        {"spec.pools.0.qpu.qubits": 25},
        {"spec.pools.0.qpu.qubits": 24},
        "should be less than or equal to 24",
    ),
    Case(
        "a simulator with a device",
        good.EDGE_CLUSTER,
        {"spec.pools.0.qpu.device": "manila"},
        {"spec.pools.0.qpu": {"backend": "simulator", "qubits": 5}},
        "a simulator needs qubits, and takes no device",
        "spec.pools[].qpu",
    ),
    Case(
        "a simulator without qubits",
        good.EDGE_CLUSTER,
        {"spec.pools.0.qpu": {"backend": "simulator"}},
        {"spec.pools.0.qpu": {"qubits": 1}},
        "a simulator needs qubits, and takes no device",
        "spec.pools[].qpu",
    ),
    Case(
        "an emulator with qubits",
        good.EDGE_EMULATED,
        {"spec.pools.0.qpu.qubits": 5},
        {"spec.pools.0.qpu": {"backend": "emulator", "device": "melbourne"}},
        "an emulator needs device, and takes no qubits",
        "spec.pools[].qpu",
    ),
    Case(
        "an emulator without a device",
        good.EDGE_EMULATED,
        {"spec.pools.0.qpu": {"backend": "emulator"}},
        {"spec.pools.0.qpu": {"backend": "emulator", "device": "lima"}},
        "an emulator needs device, and takes no qubits",
        "spec.pools[].qpu",
    ),
    Case(
        "a device nobody knows",
        good.EDGE_EMULATED,
        {"spec.pools.0.qpu.device": "osprey"},
        {"spec.pools.0.qpu.device": "guadalupe"},
        'supported values: "boeblingen", "guadalupe", "jakarta", "lagos", "lima", "manila", "melbourne", "perth", "quito"',
    ),
    Case(
        "an autonomy of less than 5 seconds",
        good.EDGE_CLUSTER,
        {"spec.pools.0.autonomyDuration": "4s"},
        {"spec.pools.0.autonomyDuration": "5s"},
        "autonomyDuration must be from 5s to 24h",
        "spec.pools[]",
    ),
    Case(
        "an autonomy of more than a day",
        good.EDGE_CLUSTER,
        {"spec.pools.0.autonomyDuration": "24h1s"},
        {"spec.pools.0.autonomyDuration": "23h59m60s"},
        "autonomyDuration must be from 5s to 24h",
        "spec.pools[]",
    ),
    Case(
        "an autonomy without a unit",
        good.EDGE_CLUSTER,
        {"spec.pools.0.autonomyDuration": "40"},
        {"spec.pools.0.autonomyDuration": DELETE},
        "should match",
    ),
    Case("no pool", good.EDGE_CLUSTER, {"spec.pools": []}, {"spec.pools": pools(1), "spec.nodes": 0}, "at least 1"),
    Case(
        "a tier that does not exist",
        good.EDGE_CLUSTER,
        {"spec.pools.0.tier": "core"},
        {"spec.pools.0.tier": "compute"},
        'supported values: "gateway", "compute"',
    ),
    Case(
        "a pool that would claim every node",
        good.EDGE_CLUSTER,
        {"spec.pools.0.nodeSelector": {}},
        {"spec.pools.0.nodeSelector": {"kubernetes.io/os": "linux"}},
        "should have at least 1 properties",
    ),
    *(
        Case(
            f"persistent memory in {path} ({where})",
            good.EDGE_CLUSTER,
            {f"{where}.persistentMemory.pmemPath": path},
            {f"{where}.persistentMemory.pmemPath": border},
            "pmemPath must be a folder of its own",
            f"{where.replace('.0', '[]')}.persistentMemory",
        )
        for where in ("spec.modules", "spec.pools.0.modules")
        for path, border in (
            ("/etc", "/etcetera"),
            ("/etc/kubernetes", "/mnt/etc"),
            ("/proc", "/process"),
            ("/var/lib/kubelet/pods", "/srv/var"),
            ("/dev/sda", "/dev/dax0.0"),
            ("/dev/dax0.0/x", "/dev/dax12.3"),
            ("/tmp/pmem", "/mnt/tmp"),
            ("/run/containerd", "/runner"),
            ("/opt/cni/bin", "/optane"),
        )
    ),
    *(
        Case(
            f"a path for persistent memory that is {what}",
            good.EDGE_CLUSTER,
            {"spec.modules.persistentMemory.pmemPath": path},
            {"spec.modules.persistentMemory.pmemPath": border},
            "should match",
        )
        for what, path, border in (
            ("relative", "mnt/pmem0", "/mnt/pmem0"),
            ("the root", "//", "/mnt"),
            ("climbing", "/mnt/../etc", "/mnt/a..b"),
            ("not normalised", "/mnt//etc", "/mnt/_etc"),
            ("open at its end", "/mnt/pmem0/", "/mnt/pmem0"),
            ("here", "/mnt/./pmem0", "/mnt/p.mem0"),
            ("a line long", "/mnt/pmem0\n", "/mnt/pmem-0"),
        )
    ),
    *(
        Case(
            f"a checkpoint {what} ({where})",
            good.EDGE_CLUSTER,
            {f"{where}.persistentMemory.checkpointInterval": bad},
            {f"{where}.persistentMemory.checkpointInterval": border},
            "checkpointInterval must be from 1s to 24h",
            f"{where.replace('.0', '[]')}.persistentMemory",
        )
        for where in ("spec.modules", "spec.pools.0.modules")
        for what, bad, border in (("without pause", "0s", "1s"), ("every other day", "48h", "24h"))
    ),
    *(
        Case(
            f"a store of 15Mi ({where})",
            good.EDGE_CLUSTER,
            {f"{where}.persistentMemory.size": "15Mi"},
            {f"{where}.persistentMemory.size": "16Mi"},
            "size must be at least 16Mi",
            f"{where.replace('.0', '[]')}.persistentMemory",
        )
        for where in ("spec.modules", "spec.pools.0.modules")
    ),
    *(
        Case(
            f"a pool of {size} in blocks of {block} ({where})",
            good.EDGE_CLUSTER,
            {f"{where}.memoryPooling": {"poolSize": size, "blockSize": block}},
            {f"{where}.memoryPooling": {"poolSize": border, "blockSize": block}},
            "poolSize must be a whole number of blocks of blockSize",
            f"{where.replace('.0', '[]')}.memoryPooling",
        )
        for where in ("spec.modules", "spec.pools.0.modules")
        for size, block, border in (("100Mi", "64Mi", "128Mi"), ("512Mi", "1Gi", "1024Mi"))
    ),
    Case(
        "a block that is no power of two",
        good.EDGE_CLUSTER,
        {"spec.modules.memoryPooling.blockSize": "96Mi"},
        {"spec.modules.memoryPooling.blockSize": "128Mi"},
        'supported values: "1Mi"',
    ),
    Case(
        "a strategy that does not exist",
        good.EDGE_CLUSTER,
        {"spec.modules.memoryPooling.reuseStrategy": "FIFO"},
        {"spec.modules.memoryPooling": {}},
        'supported values: "LRU"',
    ),
    Case(
        "a pool of memory without a unit",
        good.EDGE_CLUSTER,
        {"spec.modules.memoryPooling.poolSize": "4294967296"},
        {"spec.modules.memoryPooling.poolSize": "4096Mi"},
        "may not be more than 8 bytes",
    ),
)

NODE_CASES = (
    Case(
        "a pool name of 21 characters",
        good.EDGE_NODE,
        {"spec.pool": "p" * 21},
        {"spec.pool": "p" * 20},
        "may not be more than 20 bytes",
    ),
    Case(
        "a node name that is none",
        good.EDGE_NODE,
        {"spec.nodeName": "Worker_1"},
        {"spec.nodeName": "worker-1.site-a.example"},
        "should match",
    ),
)

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


def _workload_cases(program: Manifest, knapsack: Manifest, maxcut: Manifest, qubo: Manifest) -> tuple[Case, ...]:
    """What QuantumJob and QuantumRun have in common."""
    problem = "spec.algorithm.qaoa.problem"
    either = "exactly one of program and algorithm must be given"
    one_problem = "exactly one of knapsack, maxcut and qubo must be given"
    entries = "values and weights must have the same number of entries"
    of_knapsack, of_maxcut, of_qubo = f"{problem}.knapsack", f"{problem}.maxcut", f"{problem}.qubo"
    return (
        Case("neither program nor algorithm", program, {"spec.program": DELETE}, {}, either, "spec"),
        Case(
            "program and algorithm",
            knapsack,
            {"spec.program": good.OF_PROGRAM["program"]},
            {"spec.optimizer": DELETE},
            either,
            "spec",
        ),
        Case(
            "an optimizer without an algorithm",
            program,
            {"spec.optimizer": good.OPTIMIZER},
            {},
            "optimizer needs algorithm",
            "spec",
        ),
        Case(
            "a checkpoint without an algorithm",
            program,
            {"spec.checkpoint": {"everyIterations": 5}},
            {},
            "checkpoint needs algorithm",
            "spec",
        ),
        Case(
            "a checkpoint more often than every second",
            knapsack,
            {"spec.checkpoint.interval": "0s"},
            {"spec.checkpoint.interval": "1s"},
            "interval must be from 1s to 24h",
            "spec.checkpoint",
        ),
        Case(
            "a checkpoint less often than every day",
            knapsack,
            {"spec.checkpoint.interval": "25h"},
            {"spec.checkpoint": {}},
            "interval must be from 1s to 24h",
            "spec.checkpoint",
        ),
        Case(
            "a program over 128 KiB",
            program,
            {"spec.program.inline.data": "/" * (MAX_PROGRAM + 1)},
            {"spec.program.inline.data": "/" * MAX_PROGRAM},
            "may not be more than 131072 bytes",
        ),
        Case(
            "a digest in capitals",
            program,
            {"spec.program.sha256": "AB" * 32},
            {"spec.program.sha256": "0f" * 32},
            "should match",
        ),
        Case(
            "a digest that is too short",
            program,
            {"spec.program.sha256": "ab" * 20},
            {"spec.program.sha256": DELETE},
            "should be at least 64 chars long",
        ),
        Case(
            "another language",
            program,
            {"spec.program.inline.format": "qpy"},
            {"spec.program.inline.format": "openqasm2"},
            'supported values: "openqasm3"',
        ),
        Case(
            "sampler and estimator",
            program,
            {"spec.primitive.estimator": {"observables": [good.OBSERVABLE]}},
            {"spec.primitive": {"estimator": {"observables": [good.OBSERVABLE]}}},
            "only one of sampler and estimator can be given",
            "spec.primitive",
        ),
        Case(
            "an estimator of an algorithm",
            knapsack,
            {"spec.primitive": {"estimator": {"observables": [good.OBSERVABLE]}}},
            {"spec.primitive": {"sampler": {"shots": 5}}},
            "estimator needs program: an algorithm is read out by its sampler",
            "spec",
        ),
        Case("no shot", program, {"spec.primitive.sampler.shots": 0}, {"spec.primitive.sampler.shots": 1}, "to 1"),
        Case(
            "a knapsack of 40 items",
            knapsack,
            {f"{of_knapsack}.values": [1] * 40, f"{of_knapsack}.weights": [1] * 40},
            {f"{of_knapsack}.values": [1] * 20, f"{of_knapsack}.weights": [1] * 20},
            "must have at most 20 items",
        ),
        Case(
            "a knapsack with negative weights",
            knapsack,
            {f"{of_knapsack}.weights": [2, -3, 4]},
            {f"{of_knapsack}.weights": [2, 0, 4]},
            "should be greater than or equal to 0",
        ),
        Case(
            "a knapsack with broken numbers",
            knapsack,
            {f"{of_knapsack}.values": [3, 4.5, 5]},
            {f"{of_knapsack}.values": [3, 4, 1_000_000_000]},
            "must be of type integer",
        ),
        Case(
            "more values than weights",
            knapsack,
            {f"{of_knapsack}.values": [3, 4, 5, 6]},
            {f"{of_knapsack}.values": [6], f"{of_knapsack}.weights": [2]},
            entries,
            of_knapsack,
        ),
        Case("no problem", knapsack, {of_knapsack: DELETE}, {}, one_problem, problem),
        Case("two problems", knapsack, {of_maxcut: good.MAXCUT}, {}, one_problem, problem),
        Case(
            "fewer weights than edges",
            maxcut,
            {f"{of_maxcut}.weights": ["1"]},
            {f"{of_maxcut}.weights": DELETE},
            "weights must have one entry for every edge",
            of_maxcut,
        ),
        Case(
            "an edge from a node to itself",
            maxcut,
            {f"{of_maxcut}.edges": [[0, 1], [2, 2]]},
            {f"{of_maxcut}.edges": [[0, 1], [1, 19]]},
            "an edge must join two different nodes",
            of_maxcut,
        ),
        Case(
            "an edge of three nodes",
            maxcut,
            {f"{of_maxcut}.edges.0": [0, 1, 2]},
            {f"{of_maxcut}.edges.0": [0, 2]},
            "must have at most 2 items",
        ),
        Case(
            "a weight that is no decimal string",
            maxcut,
            {f"{of_maxcut}.weights": ["1", "heavy"]},
            {f"{of_maxcut}.weights": ["1", "-2.5e-3"]},
            "should match",
        ),
        Case(
            "a term outside the matrix",
            qubo,
            {f"{of_qubo}.terms.1.column": 2},
            {f"{of_qubo}.size": 20, f"{of_qubo}.terms.1.column": 19},
            "row and column of every term must be less than size",
            of_qubo,
        ),
        Case(
            "the same term twice",
            qubo,
            {f"{of_qubo}.terms.1.column": 0},
            {f"{of_qubo}.terms.1": {"row": 1, "column": 0, "value": "2"}},
            "Duplicate value",
        ),
    )


CASES: tuple[Case, ...] = (
    *CLUSTER_CASES,
    *NODE_CASES,
    *JOB_CASES,
    *_workload_cases(good.JOB_PROGRAM, good.JOB_KNAPSACK, good.JOB_MAXCUT, good.JOB_QUBO),
    *_workload_cases(good.RUN_PROGRAM, good.RUN_KNAPSACK, good.RUN_MAXCUT, good.RUN_QUBO),
)

OPEN_JOB = edited(good.JOB_PROGRAM, {"status.completionTime": DELETE, "status.result": DELETE, "status.failure": DELETE})
ENDED_JOB = edited(good.JOB_PROGRAM, {"status.phase": "Complete"})
ENDED_RUN = edited(good.RUN_PROGRAM, {"status.state": "Succeeded"})
CANCELLED_JOB = edited(good.JOB_PROGRAM, {"spec.cancel": True})
OVER = "a job that is over stays as it ended: completionTime, phase, run, attempts and failure cannot be changed"
FROZEN = "spec cannot be changed, but for priority, suspend, cancel, ttlSecondsAfterFinished"
BACKWARDS = "an assignment cannot move backwards"
SECOND = edited(OPEN_JOB, {"status.run.attempt": 2, "status.run.name": f"{good.UID}-2"})
NEXT = {"status.run.attempt": 3, "status.run.name": f"{good.UID}-3", "status.run.node": "worker-9"}
CHANGES: tuple[Change, ...] = (
    Change(
        "other shots for a job",
        good.JOB_PROGRAM,
        {"spec.primitive.sampler.shots": 2},
        {"metadata.labels": {"team": "blue"}, "spec.priority": -5, "spec.ttlSecondsAfterFinished": DELETE},
        FROZEN,
        "spec",
    ),
    Change(
        "another cluster for a job",
        good.JOB_KNAPSACK,
        {"spec.clusterRef.name": "elsewhere"},
        {},
        FROZEN,
        "spec",
    ),
    Change(
        "another program for a job",
        good.JOB_CONFIG_MAP,
        {"spec.program.configMapRef.key": "other.qasm"},
        {"spec.suspend": True},
        FROZEN,
        "spec",
    ),
    Change("a pin for a job that had none", good.JOB_CONFIG_MAP, {"spec.program.sha256": "0f" * 32}, {}, FROZEN, "spec"),
    Change("more attempts for a job", good.JOB_QUBO, {"spec.backoffLimit": 4}, {"spec.cancel": True}, FROZEN, "spec"),
    Change(
        "a cancelled job that shall run after all",
        CANCELLED_JOB,
        {"spec.cancel": False},
        {"spec.suspend": True},
        "a job that was cancelled stays so",
        "spec",
    ),
    Change(
        "a cancelled job without a word about it",
        CANCELLED_JOB,
        {"spec.cancel": DELETE},
        {"spec.suspend": DELETE},
        "a job that was cancelled stays so",
        "spec",
    ),
    Change(
        "another node for a run",
        good.RUN_PROGRAM,
        {"spec.nodeName": "worker-2"},
        {"metadata.labels": {"seen": "yes"}},
        "spec is immutable",
        "spec",
    ),
    Change(
        "another phase after the end",
        ENDED_JOB,
        {"status.phase": "Running"},
        {"status.observedGeneration": 2},
        OVER,
        "status",
        status=True,
    ),
    Change(
        "another completion time",
        ENDED_JOB,
        {"status.completionTime": "2027-01-01T00:00:00Z"},
        {"status.conditions": [good.condition("Complete"), good.condition("Paused")]},
        OVER,
        "status",
        status=True,
    ),
    Change(
        "no completion time any more",
        ENDED_JOB,
        {"status.completionTime": DELETE},
        {},
        OVER,
        "status",
        status=True,
    ),
    Change(
        "another result after the end",
        ENDED_JOB,
        {"status.result.summary.shots": 1},
        {},
        "the result of a job that is over cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "no result any more",
        ENDED_JOB,
        {"status.result": DELETE},
        {},
        "the result of a job that is over cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "another run after the end",
        ENDED_JOB,
        {"status.run": edited(ENDED_JOB, NEXT)["status"]["run"]},
        {},
        OVER,
        "status",
        status=True,
    ),
    Change("no failure any more", ENDED_JOB, {"status.failure": DELETE}, {}, OVER, "status", status=True),
    Change(
        "a result for a job that failed",
        edited(ENDED_JOB, {"status.result": DELETE}),
        {"status.result": good.JOB_STATUS["result"]},
        {"status.observedGeneration": 3},
        "the result of a job that is over cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "a job that completed and now did not",
        edited(ENDED_JOB, {"status.conditions": [good.condition("Complete"), good.condition("Failed", "False")]}),
        {"status.conditions.0.status": "False"},
        {"status.conditions": [good.condition("Failed", "False"), good.condition("Complete")]},
        "its conditions Complete and Failed cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "a job that completed and says nothing of it any more",
        edited(ENDED_JOB, {"status.conditions": [good.condition("Complete")]}),
        {"status.conditions": DELETE},
        {"status.conditions": [good.condition("Paused"), good.condition("Complete")]},
        "its conditions Complete and Failed cannot be changed",
        "status",
        status=True,
    ),
    Change("an earlier attempt", SECOND, {"status.run.attempt": 1}, NEXT, BACKWARDS, "status", status=True),
    Change(
        "the run of an earlier attempt",
        SECOND,
        {"status.run.attempt": 1, "status.run.name": f"{good.UID}-1", "status.run.node": "worker-2"},
        {"status.run.state": "Running"},
        BACKWARDS,
        "status",
        status=True,
    ),
    Change(
        "another node for the same attempt", SECOND, {"status.run.node": "worker-2"}, {}, BACKWARDS, "status", status=True
    ),
    Change(
        "another run for the same attempt",
        SECOND,
        {"status.run.name": f"{good.UID}-3"},
        {},
        BACKWARDS,
        "status",
        status=True,
    ),
    Change("no assignment any more", SECOND, {"status.run": DELETE}, {}, BACKWARDS, "status", status=True),
    Change(
        "the analysis of another program",
        OPEN_JOB,
        {"status.analysis.sha256": "0f" * 32},
        {"status.analysis.depth": 4},
        "the program that was analysed cannot become another one",
        "status",
        status=True,
    ),
    Change(
        "no analysis any more",
        OPEN_JOB,
        {"status.analysis": DELETE},
        {"status.analysis.gates": DELETE},
        "the program that was analysed cannot become another one",
        "status",
        status=True,
    ),
    Change(
        "a run that starts again",
        ENDED_RUN,
        {"status.state": "Running"},
        {"status.usage.shots": 2048},
        "a run that is over stays as it ended",
        "status",
        status=True,
    ),
    Change(
        "a run that failed after it succeeded",
        ENDED_RUN,
        {"status.state": "Failed"},
        {},
        "a run that is over stays as it ended",
        "status",
        status=True,
    ),
)
