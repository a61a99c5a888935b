"""EdgeClusters that are refused."""

from __future__ import annotations

from tests.cases import good
from tests.cases.case import ROOT, Case
from tests.cases.edit import DELETE
from tests.cases.good import Manifest


def pools(count: int) -> list[Manifest]:
    """That many pools."""
    return [
        {"name": f"pool-{number}", "tier": "compute", "nodeSelector": {"a": "b"}, "qpu": {"qubits": 8}}
        for number in range(count)
    ]


SELECTOR = ("spec", "tenants", "namespaceSelector", "matchExpressions", 0)
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
