"""A SIMULATOR of node agents: one process plays all of them, and the DaemonSet controller's count.

It writes with the agent's own client what the real agent writes: EdgeNode status, heartbeat Leases every ten seconds,
one final status a short run. It computes nothing: results are drawn, and a run takes the time it is told.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import uvloop

from omnixan.edge_network.agent.apiserver import LEASES, NODES, RUNS, ApiServer, RefusedError, Resource, UnreachableError
from omnixan.edge_network.agent.conditions import Report, desired_status, lease_body
from omnixan.edge_network.agent.credentials import from_kubeconfig
from omnixan.edge_network.agent.informer import follow
from omnixan.edge_network.agent.outcome import Record, micro_time, succeeded
from omnixan.edge_network.agent.twin import HEARTBEAT_SECONDS, LEASE_SECONDS
from omnixan.edge_network.api.meta import CLUSTER_LABEL, POOL_LABEL

DAEMON_SETS = Resource("apps/v1", "daemonsets", "DaemonSet")
SHOTS = 1024
Object = dict[str, Any]


class Simulator:
    """All agents of a namespace."""

    def __init__(self, api: ApiServer, namespace: str, qubits: int, run_seconds: float) -> None:
        self._api = api
        self._namespace = namespace
        self._report = Report("0.0.0-simulated", "simulator", qubits, True, "WorkerWarm", "simulated")
        self._run_seconds = run_seconds
        self._nodes: dict[str, Object] = {}
        self._beating: dict[str, asyncio.Task[None]] = {}
        self._queues: defaultdict[str, asyncio.Queue[Object]] = defaultdict(asyncio.Queue)
        self._seen: set[str] = set()
        self._daemon_sets: dict[str, Object] = {}
        self._count = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_nodes(group))
            group.create_task(self._watch_runs())
            group.create_task(self._watch_daemon_sets())
            group.create_task(self._roll_out())

    async def _watch_nodes(self, group: asyncio.TaskGroup) -> None:
        async for change in follow(self._api, NODES, self._namespace, ""):
            if change.type == "SYNC":
                continue
            name = change.object["metadata"]["name"]
            if change.type == "DELETED":
                self._nodes.pop(name, None)
            else:
                self._nodes[name] = change.object
                if name not in self._beating:
                    self._beating[name] = group.create_task(self._live(name))
                    group.create_task(self._work(name))
            self._count.set()

    async def _live(self, name: str) -> None:
        """One agent: heartbeats, and its status where it is not as it says."""
        rest = 0.0
        while True:
            node = self._nodes.get(name)
            if node is not None:
                now = time.time()
                body = lease_body(node, f"agent-{name}", micro_time(now), LEASE_SECONDS)
                status = desired_status(self._report, node, micro_time(now)[:19] + "Z")
                try:
                    await self._api.apply(LEASES, self._namespace, name, body)
                    if status is not None:
                        await self._api.apply_status(NODES, self._namespace, name, status)
                except (RefusedError, UnreachableError) as error:
                    print(f"{name}: {error}", flush=True)
            rest = random.uniform(1, HEARTBEAT_SECONDS) if rest == 0.0 else HEARTBEAT_SECONDS
            await asyncio.sleep(rest)

    async def _watch_runs(self) -> None:
        async for change in follow(self._api, RUNS, self._namespace, ""):
            run = change.object
            if change.type in ("SYNC", "DELETED") or run["metadata"]["uid"] in self._seen:
                continue
            self._seen.add(run["metadata"]["uid"])
            if run.get("status", {}).get("state") not in ("Succeeded", "Failed"):
                self._queues[run["spec"]["nodeName"]].put_nowait(run)

    async def _work(self, name: str) -> None:
        """One agent's runs, one after the other."""
        while True:
            run = await self._queues[name].get()
            record = Record(start=time.time())
            await asyncio.sleep(self._run_seconds)
            record.first_shot = record.completion = time.time()
            metadata = run["metadata"]
            usage = {"shots": SHOTS, "cpuSeconds": self._run_seconds}
            status = succeeded(record, result(metadata["uid"]), usage)
            for delay in (0.5, 1.0, 2.0, 5.0, 10.0, 30.0):
                try:
                    await self._api.replace_status(RUNS, self._namespace, metadata["name"], metadata["uid"], status)
                    break
                except RefusedError as error:
                    print(f"{metadata['name']}: {error}", flush=True)
                    if error.status != 429:
                        break
                except UnreachableError as error:
                    print(f"{metadata['name']}: {error}", flush=True)
                await asyncio.sleep(delay)

    async def _watch_daemon_sets(self) -> None:
        async for change in follow(self._api, DAEMON_SETS, self._namespace, ""):
            if change.type == "SYNC":
                continue
            name = change.object["metadata"]["name"]
            if change.type == "DELETED":
                self._daemon_sets.pop(name, None)
            else:
                self._daemon_sets[name] = change.object
            self._count.set()

    async def _roll_out(self) -> None:
        """What the DaemonSet controller counts: every claimed node runs the current template."""
        while True:
            await self._count.wait()
            await asyncio.sleep(0.2)
            self._count.clear()
            nodes = Counter(_pool(node) for node in self._nodes.values())
            wanted = {name: _counted(obj, nodes[_pool(obj)]) for name, obj in self._daemon_sets.items()}
            for name, status in wanted.items():
                obj = self._daemon_sets[name]
                if any(obj.get("status", {}).get(field) != value for field, value in status.items()):
                    try:
                        await self._api.replace_status(DAEMON_SETS, self._namespace, name, obj["metadata"]["uid"], status)
                        self._daemon_sets[name] = obj | {"status": status}
                    except (RefusedError, UnreachableError) as error:
                        print(f"DaemonSet {name}: {error}", flush=True)
                        self._count.set()


def _pool(obj: Object) -> tuple[str, str]:
    labels = obj["metadata"].get("labels", {})
    return labels.get(CLUSTER_LABEL, ""), labels.get(POOL_LABEL, "")


def _counted(daemon_set: Object, count: int) -> Object:
    numbers = ("currentNumberScheduled", "desiredNumberScheduled", "numberReady", "updatedNumberScheduled")
    status: Object = dict.fromkeys(numbers, count)
    return status | {"numberMisscheduled": 0, "observedGeneration": daemon_set["metadata"]["generation"]}


def result(uid: str) -> Object:
    """Drawn, not computed: counts of four qubits' outcomes, the same for the same run."""
    draw = random.Random(uid)
    counts = Counter(f"{min(draw.getrandbits(4), draw.getrandbits(4)):04b}" for _ in range(SHOTS))
    top = [{"bitstring": bits, "count": n, "probability": n / SHOTS} for bits, n in counts.most_common(8)]
    return {"summary": {"shots": SHOTS, "distinctOutcomes": len(counts), "top": top}, "counts": dict(counts)}


async def _run(options: argparse.Namespace) -> None:
    async with ApiServer(from_kubeconfig(Path(options.kubeconfig))) as api:
        await Simulator(api, options.namespace, options.qubits, options.run_seconds).run()


def main() -> None:
    """`python -m e2e.load.simulator`: play the agents until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--qubits", type=int, default=8)
    parser.add_argument("--run-seconds", type=float, default=0.05, help="how long a run takes")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
