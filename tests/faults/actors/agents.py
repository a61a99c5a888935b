"""Node agents: they renew their Leases, report, and execute the runs of their node, now and then badly."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

from omnixan.edge_network.api.meta import API_VERSION, HEARTBEAT_LABEL
from tests.faults.apiserver.resources import Object
from tests.faults.cluster import Cluster

BEAT_SECONDS = 10.0
LEASE_SECONDS = 40
OVER = ("Succeeded", "Failed")


class Agents:
    """All agents. One that is silent writes nothing, works on, and is heard again later: its results come late."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.silent: set[str] = set()
        self.unready: set[str] = set()
        """Nodes whose agents say that they are not ready; they work on."""
        self.failing = 0.0
        """Share of runs that end badly."""
        self.spoils: Callable[[Object], str] = lambda run: ""
        """The category with which a run is made to end badly besides; empty: as it may."""
        self.lasts: Callable[[Object], float | None] = lambda run: None
        """Seconds that a run takes; None: that is drawn."""
        self.longest = 6.0
        """Seconds that a run takes at most."""
        self.results: dict[str, Object] = {}
        """What each run found, by the run's uid: a job's result must be one of its own runs'."""
        self._working: dict[str, asyncio.Task[None]] = {}
        self._late: dict[str, list[tuple[Object, Object]]] = {}

    async def run(self) -> None:
        """For ever: look after every EdgeNode of the cluster."""
        beats: dict[str, float] = {}
        while True:
            now = self.cluster.loop.now
            for obj in self.cluster.api.all("EdgeNode"):
                namespace, name, uid = (obj["metadata"][key] for key in ("namespace", "name", "uid"))
                if name in self.silent or not self._is_up(name):
                    continue
                if now - beats.get(uid, -1e9) >= BEAT_SECONDS:
                    beats[uid] = now
                    self._beat(namespace, name, uid)
                    self._report(namespace, name, obj)
                for run, status in self._late.pop(name, []):
                    self._write(run, status)
            for obj in self.cluster.api.all("QuantumRun"):
                self._begin(obj)
            await asyncio.sleep(0.5)

    def _is_up(self, node: str) -> bool:
        return self.cluster.api.find("Node", "", node) is not None

    def _beat(self, namespace: str, name: str, uid: str) -> None:
        owner = {"apiVersion": API_VERSION, "kind": "EdgeNode", "name": name, "uid": uid}
        metadata = {"name": name, "namespace": namespace, "labels": {HEARTBEAT_LABEL: "true"}, "ownerReferences": [owner]}
        spec = {"renewTime": self.cluster.micro_time(), "leaseDurationSeconds": LEASE_SECONDS, "holderIdentity": name}
        live = self.cluster.api.find("Lease", namespace, name)
        if live is not None and live["metadata"]["ownerReferences"][0]["uid"] != uid:
            self.cluster.delete("Lease", namespace, name, "omnixan-agent")
        self.cluster.apply("Lease", {"metadata": metadata, "spec": spec})

    def _report(self, namespace: str, name: str, obj: Object) -> None:
        conditions = {c["type"]: c["status"] for c in obj.get("status", {}).get("conditions", ())}
        ready = str(name not in self.unready)
        if conditions.get("AgentReady") == ready:
            return
        condition = {
            "type": "AgentReady",
            "status": ready,
            "reason": "WorkerWarm" if ready == "True" else "WorkerStarting",
            "message": "",
            "lastTransitionTime": self.cluster.micro_time()[:19] + "Z",
            "observedGeneration": 0,
        }
        status = {"version": "0.0.0", "backend": "simulator", "qubits": 8, "conditions": [condition]}
        if zlib.crc32(name.encode()) % 2:  # every other node has a memory that survives
            status["persistentMemory"] = {"tier": "T3-file"}
        self.cluster.apply("EdgeNode", {"metadata": {"name": name, "namespace": namespace}, "status": status}, "status")

    def _begin(self, run: Object) -> None:
        uid, node = run["metadata"]["uid"], run["spec"]["nodeName"]
        if (
            uid in self._working
            or run.get("status", {}).get("state") in OVER
            or node in self.silent
            or not self._is_up(node)
        ):
            return
        if self.cluster.api.find("EdgeNode", run["metadata"]["namespace"], node) is None:
            return
        self._working[uid] = asyncio.create_task(self._execute(run))

    async def _execute(self, run: Object) -> None:
        rng = self.cluster.rng
        drawn = rng.choice((0.1, 0.3, 1.5, self.longest))
        seconds = self.lasts(run) or drawn
        fails = rng.random() < self.failing
        times = {"startTime": self.cluster.micro_time()}
        if seconds > 1:
            self._say(run, {"state": "Running"} | times)
        await asyncio.sleep(seconds)
        times |= {"firstShotTime": self.cluster.micro_time(), "completionTime": self.cluster.micro_time()}
        if category := self.spoils(run):
            status: Object = self._failed(category) | times
        elif fails:
            category = rng.choice(("BACKEND_ERROR", "BACKEND_ERROR", "INVALID_PROGRAM"))
            status = self._failed(category) | times
        else:
            status = {"state": "Succeeded", "usage": {"shots": 4, "cpuSeconds": 0.25}, "result": self._result(run)} | times
        self._say(run, status)

    @staticmethod
    def _failed(category: str) -> Object:
        error = {"category": category, "reason": "Simulated", "message": "the simulated backend failed"}
        return {"state": "Failed", "error": error}

    def _result(self, run: Object) -> Object:
        """Different for every run, so that whose result a job took can be told."""
        zeros = int(run["metadata"]["uid"][:4], 16) % 4
        counts = {"00": zeros, "11": 4 - zeros} if zeros else {"11": 4}
        top = [{"bitstring": b, "count": c, "probability": c / 4} for b, c in sorted(counts.items(), key=lambda i: -i[1])]
        result = {"summary": {"shots": 4, "distinctOutcomes": len(top), "top": top}, "counts": counts}
        self.results[run["metadata"]["uid"]] = result
        return result

    def _say(self, run: Object, status: Object) -> None:
        node = run["spec"]["nodeName"]
        if node in self.silent:
            self._late.setdefault(node, []).append((run, status))
        else:
            self._write(run, status)

    def _write(self, run: Object, status: Object) -> None:
        """As the real agent: only to the run of this uid; its name may by now be another's."""
        metadata = {key: run["metadata"][key] for key in ("name", "namespace", "uid")}
        code, answer = self.cluster.apply("QuantumRun", {"metadata": metadata, "status": status}, "status")
        if code not in (200, 404, 422):
            raise AssertionError(f"an agent's write of {metadata['name']} is refused: {code} {answer['message']}")
