"""The operator's surroundings on a bare control plane: its process, the analyzer's, nodes, and agents played by us."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import requests

from e2e.cluster.process import dying_with_us
from omnixan.edge_network.api.meta import API_VERSION, CLAIM_LABEL, HEARTBEAT_LABEL
from omnixan.edge_network.quantum.devices import load
from omnixan.edge_network.quantum.emulator import calibration
from tests.api.client import Kube, Object, RefusedError

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
HELD = 3600
"""Seconds of a Lease that no test sees the end of, however slow the machine is."""
MOMENT, AWHILE = 0.5, 1.6
"""Seconds without work after which an operator is settled: with AWHILE also what comes back after a second has come back
(runs that run, jobs that wait). For comparisons of what was asked for before and after."""
LEASE = "coordination.k8s.io/v1"
APPS = "apps/v1"
BELL = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;'


def wait(what: str, probe: Callable[[], Any], seconds: float = PATIENCE, every: float = 0.03) -> Any:
    """Poll until `probe` returns something true, and return it; less often where a look costs much."""
    end = time.monotonic() + seconds
    while not (found := _quiet(probe)):
        assert time.monotonic() < end, f"after {seconds} s it is not so that {what}; last answer: {found!r}"
        time.sleep(every)
    return found


def _quiet(probe: Callable[[], Any]) -> Any:
    try:
        return probe()
    except RefusedError as error:
        if error.code in (404, 409):
            return None
        raise
    except requests.RequestException:  # no answer in time, or a connection that was closed: ask again
        return None


def process(module: str, *arguments: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """A Python module as a process with the repository's packages."""
    paths = os.pathsep.join(str(ROOT / part) for part in ("operator", "node_agent"))
    with log.open("ab") as output:
        return subprocess.Popen(
            dying_with_us([sys.executable, "-m", module, *arguments]),
            env=os.environ | {"PYTHONPATH": paths} | environment,
            stdout=output,
            stderr=output,
        )


class Operator:
    """The real operator, as a process."""

    command: tuple[str, ...] = ("omnixan_operator.main",)
    """The module that is run, and its arguments."""

    def __init__(self, kubeconfig: Path, socket: Path, log: Path, **environment: str) -> None:
        """`environment` is added to what the process gets."""
        self._environment = {
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": "default",
            "AGENT_IMAGE": "registry.invalid/agent:1",
            "ANALYZER_SOCKET": str(socket),
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": "0",
        } | environment
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self) -> None:
        """Start it and wait until it is ready."""
        seen = self.log.stat().st_size if self.log.exists() else 0
        self._process = process(*self.command, log=self.log, **self._environment)
        self._port = wait("the operator says its port", lambda: self._said_port(seen))
        wait("the operator is ready", lambda: self._get("/readyz").ok)

    def _said_port(self, seen: int) -> int:
        assert self._process is not None and self._process.poll() is None, self.log.read_text()[seen:]
        found = re.search(rb"listening on port (\d+)", self.log.read_bytes()[seen:])
        return int(found[1]) if found else 0

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it; returns its exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(PATIENCE)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self) -> int | None:
        """Its exit status; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def restart(self) -> None:
        """End it and start another."""
        self.stop()
        self.start()

    def requests(self, *, writes_only: bool = True) -> dict[tuple[str, str], int]:
        """Requests to the API server since the start, by verb and kind.

        Watches and their lists are kopf's own, and Leases are the election's.
        """
        return _requests(self._metrics(), ("get", "list") if writes_only else ("list",))

    def leads(self) -> bool:
        """Whether it says so now; one that does not answer does not."""
        return _total(self._get("/metrics").text, "omnixan_operator_leader") == 1

    def settled(self, seconds: float = MOMENT) -> None:
        """Wait until it leads, has worked, and then has had no key due or in hand and no request answered for so long."""
        wait("the operator leads", self.leads)
        since, last = time.monotonic(), (0.0, {("", ""): 0})

        def quiet() -> bool:
            nonlocal since, last
            asked = time.monotonic()
            page = self._get("/metrics").text
            done = _total(page, "omnixan_operator_reconcile_total")
            taken = _total(page, "omnixan_operator_queue_latency_seconds_count")
            idle = taken == done > 0 and _total(page, "omnixan_operator_queue_depth") == 0
            now = done, _requests(page, ("list",))
            if not idle or now != last:
                since, last = time.monotonic(), now
            return idle and asked - since >= seconds

        wait("the operator is settled", quiet)

    def metric(self, name: str) -> float:
        """The sum of a metric's series."""
        return _total(self._metrics(), name)

    def _metrics(self) -> str:
        """All its metrics; while no answer comes, it is asked again."""

        def page() -> str:
            assert self.ended() is None, f"the operator has ended: {self.log}"
            answer = self._get("/metrics")
            return answer.text if answer.ok else ""

        text: str = wait("the operator tells its metrics", page)
        return text

    def _get(self, path: str) -> requests.Response:
        try:
            return requests.get(f"http://127.0.0.1:{self._port}{path}", timeout=5)
        except (requests.ConnectionError, requests.Timeout):
            answer = requests.Response()
            answer.status_code = 503
            return answer


def _total(page: str, name: str) -> float:
    """The sum of a metric's series on a page of metrics."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)", page, re.MULTILINE))


def _requests(page: str, without: tuple[str, ...]) -> dict[tuple[str, str], int]:
    """Requests by verb and kind on a page of metrics, without some verbs and without those for Leases."""
    counts: dict[tuple[str, str], int] = {}
    pattern = r'^omnixan_operator_api_requests_total\{code="\d+",kind="(\w+)",verb="(\w+)"\} (\S+)'
    for kind, verb, count in re.findall(pattern, page, re.MULTILINE):
        if kind != "Lease" and verb not in without:
            counts[verb, kind] = counts.get((verb, kind), 0) + int(float(count))
    return counts


def micro_time() -> str:
    """Now, as Kubernetes writes a MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@cache
def _reported(device: str) -> Object:
    """What the agent of a recorded device says about it."""
    found = load(device)
    return {"backend": "emulator", "qubits": found.width, "calibration": calibration.report(found)}


RESULT = {
    "summary": {
        "shots": 4,
        "distinctOutcomes": 2,
        "top": [
            {"bitstring": "00", "count": 3, "probability": 0.75},
            {"bitstring": "11", "count": 1, "probability": 0.25},
        ],
    },
    "counts": {"00": 3, "11": 1},
}


class Agents:
    """Plays the node agents (and the DaemonSet controller's count) of a namespace."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.qubits: dict[str, int] = {}
        self.devices: dict[str, str] = {}
        """Recorded devices that nodes emulate; the others are simulators."""
        self.pace = 0.03
        """Seconds between two steps. More, while nothing is to come, leaves the machine to others."""
        self._works = True
        self._stepping = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Agents:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def work(self) -> bool:
        """Whether they run what waits."""
        return self._works

    @work.setter
    def work(self, works: bool) -> None:
        # A step in hand ends first: it may have decided to work, and would finish a run that is made only afterwards.
        with self._stepping:
            self._works = works

    def _run(self) -> None:
        while not self._stop.wait(self.pace):
            try:
                with self._stepping:
                    self.step()
            except (RefusedError, requests.RequestException):
                continue  # what it looked at is gone or changed, or there was no answer; the next step sees

    def step(self) -> None:
        """Report every EdgeNode ready, and run what waits."""
        for node in self.kube.list("EdgeNode"):
            self.report(node["metadata"]["name"], node)
        daemon_sets = self.kube.list("DaemonSet", APPS)
        nodes = self.kube.list("Node", "v1", labelSelector=CLAIM_LABEL) if daemon_sets else []
        for daemon_set in daemon_sets:
            self.roll_out(daemon_set, nodes)
        for run in self.kube.list("QuantumRun") if self.work else ():
            if run.get("status", {}).get("state") not in ("Succeeded", "Failed"):
                self.succeed(run["metadata"]["name"])

    def report(self, name: str, node: Object, ready: bool = True) -> None:
        """The agent's part of an EdgeNode's status, and its first Lease; only when they change."""
        facts = self._facts(name)
        status = node.get("status", {})
        last = {c["type"]: c for c in status.get("conditions", ())}.get("AgentReady", {})
        turned = last.get("status") != str(ready)
        if not turned and all(status.get(fact) == value for fact, value in facts.items()):
            return
        self.beat(name, node["metadata"]["uid"])
        condition = {
            "type": "AgentReady",
            "status": str(ready),
            "reason": "WorkerWarm" if ready else "WorkerFailed",
            "message": "",
            "lastTransitionTime": micro_time()[:19] + "Z" if turned else last["lastTransitionTime"],
            "observedGeneration": 0,
        }
        self._status("EdgeNode", name, facts | {"conditions": [condition]})

    def _facts(self, name: str) -> Object:
        facts: Object = {"version": "0.0.0", "backend": "simulator", "qubits": self.qubits.get(name, 8)}
        if name in self.devices:
            facts |= _reported(self.devices[name])
        return facts

    def beat(self, name: str, uid: str, seconds: int = HELD) -> None:
        """Renew a node's Lease, by default for longer than any test takes."""
        owner = {"apiVersion": API_VERSION, "kind": "EdgeNode", "name": name, "uid": uid}
        metadata = {"name": name, "labels": {HEARTBEAT_LABEL: "true"}, "ownerReferences": [owner]}
        spec = {"renewTime": micro_time(), "leaseDurationSeconds": seconds, "holderIdentity": "pod"}
        self.kube.apply(
            {"apiVersion": LEASE, "kind": "Lease", "metadata": metadata, "spec": spec}, "omnixan-agent", force=True
        )

    def roll_out(self, daemon_set: Object, nodes: list[Object]) -> None:
        """What the DaemonSet controller would count: every one of the claimed nodes runs the current template."""
        claim = daemon_set["spec"]["template"]["spec"]["nodeSelector"][CLAIM_LABEL]
        count = sum(node["metadata"]["labels"][CLAIM_LABEL] == claim for node in nodes)
        generation = daemon_set["metadata"]["generation"]
        status = daemon_set.get("status", {})
        if (status.get("updatedNumberScheduled", 0), status.get("observedGeneration")) != (count, generation):
            status = {
                "observedGeneration": generation,
                "currentNumberScheduled": count,
                "desiredNumberScheduled": count,
                "numberMisscheduled": 0,
                "numberReady": count,
                "updatedNumberScheduled": count,
            }
            self.kube.patch("DaemonSet", daemon_set["metadata"]["name"], {"status": status}, "status", APPS)

    def start(self, run: str) -> None:
        """Report a run as running."""
        self._status("QuantumRun", run, {"state": "Running", "startTime": micro_time()})

    def succeed(self, run: str) -> None:
        """Report a run as done."""
        times = {name: micro_time() for name in ("startTime", "firstShotTime", "completionTime")}
        usage = {"shots": 4, "cpuSeconds": 0.25}
        self._status("QuantumRun", run, {"state": "Succeeded", "usage": usage, "result": RESULT} | times)

    def fail(self, run: str, **error: Any) -> None:
        """Report a run as failed."""
        times = {"startTime": micro_time(), "completionTime": micro_time()}
        self._status("QuantumRun", run, {"state": "Failed", "error": error} | times)

    def _status(self, kind: str, name: str, status: Object) -> None:
        obj = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "status": status}
        self.kube.apply(obj, "omnixan-agent", "status")


class Site:
    """Kubernetes nodes, an EdgeCluster, jobs: what a test's manifests are about. Node names are the test's own."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.mark = kube.namespace

    def node(self, suffix: str, role: str = "gw", *, ready: bool = True, cordoned: bool = False) -> str:
        """A Kubernetes node; returns its name."""
        name = f"{self.mark}-{suffix}"
        self.kube.create(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"role": role, "test": self.mark}},
                "spec": {"unschedulable": cordoned},
            }
        )
        self.set_ready(name, ready)
        return name

    def set_ready(self, name: str, ready: bool) -> None:
        """The node's Ready condition."""
        time_ = micro_time()[:19] + "Z"
        condition = {
            "type": "Ready",
            "status": str(ready),
            "reason": "Test",
            "message": "",
            "lastHeartbeatTime": time_,
            "lastTransitionTime": time_,
        }
        self.kube.patch("Node", name, {"status": {"conditions": [condition]}}, "status", "v1")

    def pool(self, name: str = "gateway", role: str = "gw", tier: str = "gateway", **fields: Any) -> Object:
        """A pool that selects this test's nodes of a role."""
        selector = {"role": role, "test": self.mark}
        return {"name": name, "tier": tier, "nodeSelector": selector, "qpu": {"qubits": 8}} | fields

    def cluster(self, nodes: int, *pools: Object, name: str = "ec", **spec: Any) -> Object:
        """Create an EdgeCluster."""
        spec = {"nodes": nodes, "pools": list(pools) or [self.pool()]} | spec
        metadata = {"name": name, "namespace": self.mark}
        return self.kube.create({"apiVersion": API_VERSION, "kind": "EdgeCluster", "metadata": metadata, "spec": spec})

    def job(self, name: str = "bell", *, kube: Kube | None = None, **spec: Any) -> Object:
        """Create a job; by default a Bell pair on the EdgeCluster `ec` of the test's namespace."""
        where = kube or self.kube
        spec = {"clusterRef": {"namespace": self.mark, "name": "ec"}} | spec
        if "program" not in spec and "algorithm" not in spec:
            spec["program"] = {"inline": {"data": BELL}}
        metadata = {"name": name, "namespace": where.namespace}
        return where.create({"apiVersion": API_VERSION, "kind": "QuantumJob", "metadata": metadata, "spec": spec})

    def claims(self) -> dict[str, str]:
        """Claim labels of this test's nodes, by the part of the name after the mark."""
        nodes = self.kube.list("Node", "v1", labelSelector=f"test={self.mark}")
        found = {n["metadata"]["name"]: n["metadata"]["labels"].get(CLAIM_LABEL) for n in nodes}
        return {name.removeprefix(f"{self.mark}-"): claim for name, claim in found.items() if claim}

    def condition(self, kind: str, name: str, type_: str, kube: Kube | None = None) -> Object:
        """A condition of an object; empty if it has none."""
        obj = (kube or self.kube).get(kind, name)
        conditions = obj.get("status", {}).get("conditions", ())
        return next((c for c in conditions if c["type"] == type_), {})

    def is_so(self, kind: str, name: str, type_: str, status: str = "True", reason: str = "") -> Object:
        """Wait for a condition; returns the object."""

        def holds() -> Object | None:
            found = self.condition(kind, name, type_)
            so = found.get("status") == status and reason in ("", found.get("reason"))
            return self.kube.get(kind, name) if so else None

        try:
            found: Object = wait(f"{kind} {name} is {type_}={status} {reason}", holds)
        except AssertionError as error:
            raise AssertionError(f"{error}; its status is {self.kube.get(kind, name).get('status')}") from None
        return found

    def is_told(self, name: str, reason: str) -> None:
        """Wait for an Event about an object: it is posted behind the write that it tells of, and after all earlier ones."""

        def posted() -> bool:
            events = self.kube.list("Event", "events.k8s.io/v1")
            return any((e["regarding"]["name"], e["reason"]) == (name, reason) for e in events)

        wait(f"an Event tells of {name}: {reason}", posted)

    def is_ready(self, name: str = "ec") -> Object:
        """Wait until an EdgeCluster is Ready and its agents are rolled out, so that nothing more changes by itself."""
        self.is_so("EdgeCluster", name, "Ready")
        wait(f"{name} is rolled out", lambda: not self.condition("EdgeCluster", name, "Reconciling"))
        return self.is_so("EdgeCluster", name, "Ready")

    def runs(self) -> list[Object]:
        """The runs in the test's namespace, oldest first."""
        return sorted(self.kube.list("QuantumRun"), key=lambda run: run["spec"]["attempt"])

    def clear(self) -> None:
        """Delete this test's nodes."""
        for node in self.kube.list("Node", "v1", labelSelector=f"test={self.mark}"):
            self.kube.delete("Node", node["metadata"]["name"], "v1")
