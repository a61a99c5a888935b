"""Where faults happen: the cluster, the product on it, and what the API server has seen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from e2e import install, manifests
from e2e.cluster.interface import Cluster
from e2e.faults import audit, verdicts
from e2e.faults.audit import Write
from e2e.kubectl import Kubectl, eventually, is_true

SYSTEM = install.SYSTEM_NAMESPACE
NAMESPACE = manifests.CLUSTER_NAMESPACE
EDGE_CLUSTER = "faults"
QUBITS = 16
OPERATOR = f"system:serviceaccount:{SYSTEM}:omnixan-operator"


@dataclass(frozen=True)
class Field:
    """A cluster with the product on it."""

    cluster: Cluster
    kubectl: Kubectl
    release: install.Release

    def holder(self) -> str:
        """The process that holds the operators' Lease, as POD_MARK: one that is started again in its pod is another.

        Empty: none does.
        """
        lease = self.kubectl.get("lease", "omnixan-operator", SYSTEM)
        return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")

    def leader(self) -> str:
        """The pod that holds the operators' Lease; empty: none does."""
        return self.holder().partition("_")[0]

    def pod_node(self, pod: str) -> str:
        """The node that an operator's pod is on."""
        found = self.kubectl.get("pod", pod, SYSTEM)
        assert found is not None, pod
        return str(found["spec"]["nodeName"])

    def operators_are_whole(self) -> None:
        """Wait until all replicas are ready and one leads."""
        self.kubectl.run("rollout", "status", "deployment/omnixan-operator", "-n", SYSTEM, "--timeout=180s", timeout=200)
        pods = self._operator_pods
        eventually(lambda: self.leader() in pods(), "one of the replicas leads", 90)

    def renew_operators(self) -> None:
        """New pods of the operator.

        The kubelet starts a container that ended again and again ever later, in the end after five minutes, and
        forgets that after ten good minutes only: rounds that follow each other would measure that.
        """
        self.kubectl.run("rollout", "restart", "deployment/omnixan-operator", "-n", SYSTEM)
        self.operators_are_whole()

    def _operator_pods(self) -> list[str]:
        pods = self.kubectl.list("pods", SYSTEM, "app.kubernetes.io/name=omnixan-operator")
        return [p["metadata"]["name"] for p in pods if not p["metadata"].get("deletionTimestamp")]

    def another_leads(self, than: str, limit: float) -> str:
        """Wait until another process than this holder leads; that process, as `holder` names it."""
        found: list[str] = []

        def leads() -> bool:
            found[:] = [self.holder()]
            return found[0] not in ("", than)

        eventually(leads, f"another than {than} leads", limit)
        return found[0]

    def operator_container(self, pod: str) -> str:
        """The id of the container in which the operator's process of a pod runs now."""
        found = self.kubectl.get("pod", pod, SYSTEM)
        assert found is not None, pod
        return verdicts.container_id(found, "operator")

    def operator_ended(self, pod: str, container: str) -> dict[str, Any]:
        """Wait until the operator's process in this container has ended; how, as its pod's status says."""
        found: list[dict[str, Any]] = []

        def ended() -> bool:
            ending = verdicts.ending(self.kubectl.get("pod", pod, SYSTEM), container)
            found.extend([ending] if ending is not None else [])
            return bool(found)

        eventually(ended, f"the operator that led in {pod} has ended", 90)
        return found[0]

    def beat(self, node: str) -> str:
        """When a node's agent last said that it lives."""
        lease = self.kubectl.get("lease", node, NAMESPACE)
        return str(((lease or {}).get("spec") or {}).get("renewTime") or "")

    def make_edge_cluster(self) -> None:
        """An EdgeCluster over all workers, and wait until it is ready."""
        pools = [
            manifests.pool("gateway", "gateway", "gateway", qubits=QUBITS, low=1, high=2),
            manifests.pool("compute", "compute", "compute", qubits=QUBITS, low=1, high=1),
        ]
        self.kubectl.apply(manifests.edge_cluster(EDGE_CLUSTER, 3, *pools, tenant="true"))
        self.kubectl.until("edgecluster", EDGE_CLUSTER, NAMESPACE, is_true("Ready"), 180)

    def remove_edge_cluster(self) -> None:
        """Take it away, and wait until its nodes are free."""
        self.kubectl.delete("edgecluster", EDGE_CLUSTER, namespace=NAMESPACE)
        eventually(lambda: not self.release.labels_left(), "the nodes are given back", 90)

    def audit(self, since: int = 0) -> Iterator[Any]:
        """Entries of the API server's audit log from a byte on; that byte may be in the file before this one by now."""
        path = self.cluster.audit_log()
        former = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))[-1:] if path.stat().st_size < since else []
        for file, begin in [*((one, since) for one in former), (path, 0 if former else since)]:
            with file.open("rb") as log:
                log.seek(begin)
                for line in log:
                    if line.endswith(b"\n"):
                        yield json.loads(line)

    def audit_size(self) -> int:
        """Where the audit log ends now."""
        return self.cluster.audit_log().stat().st_size

    def writes(self, since: int) -> list[Write]:
        """All that was to be changed on the API server since, from a byte of the audit log on."""
        return audit.writes(self.audit(since))


def slow(layers: int) -> str:
    """OpenQASM 3 text of dense layers on QUBITS qubits; each takes the simulator some milliseconds."""
    last = QUBITS - 1
    return (
        f'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[{QUBITS}] q;\nbit[{QUBITS}] c;\nh q;\n'
        f"for int i in [1:{layers}] {{\n  rx(i) q;\n  for int j in [0:{last - 1}] {{ cx q[j], q[j + 1]; }}\n"
        "  rz(0.1 * i) q;\n}\n"
        "c = measure q;\n"
    )


class Load:
    """Jobs of a tenant, and whether each came to its one result."""

    def __init__(self, field: Field, tenant: str, prefix: str, count: int, layers: int) -> None:
        self._field = field
        self._tenant = tenant
        self.names = [f"{prefix}-{number}" for number in range(count)]
        self.since = field.audit_size()
        """Where the audit log ended before them."""
        program = slow(layers)
        jobs = [manifests.program_job(name, tenant, EDGE_CLUSTER, program, shots=64) for name in self.names]
        field.kubectl.apply(*[_with_shots(job) for job in jobs])

    def _jobs(self) -> list[Any]:
        return [j for j in self._field.kubectl.list("quantumjobs", self._tenant) if j["metadata"]["name"] in self.names]

    def nodes(self) -> Counter[str]:
        """How many ended, or are, on which node."""
        return Counter(job["status"]["run"]["node"] for job in self._jobs())

    def outcomes(self) -> dict[str, Any]:
        """What of each may not change any more once it is over."""
        return {job["metadata"]["name"]: verdicts.outcome(job) for job in self._jobs()}

    def fates(self, limit: float) -> dict[str, int]:
        """Wait until each says what became of it when its EdgeCluster was deleted (`verdicts.fate`); how many say what."""
        found: list[str] = []

        def settled() -> bool:
            found[:] = [verdicts.fate(job) for job in self._jobs()]
            return len(found) == len(self.names) and all(found)

        eventually(settled, "every job says what became of it", limit)
        self._judge_results([job for job in self._jobs() if is_true("Complete")(job)])
        return dict(sorted(Counter(found).items()))

    def complete(self) -> int:
        """How many are over well."""
        return sum(is_true("Complete")(job) for job in self._jobs())

    def running_on(self, *nodes: str) -> str | None:
        """A node (of `nodes`, if any are given) on which one of the jobs runs now."""
        uids = {job["metadata"]["uid"] for job in self._jobs()}
        for run in self._field.kubectl.list("quantumruns", NAMESPACE):
            node, state = run["spec"]["nodeName"], run.get("status", {}).get("state")
            if run["spec"]["jobRef"]["uid"] in uids and state == "Running" and (not nodes or node in nodes):
                return str(node)
        return None

    def begin(self, *nodes: str) -> str:
        """Wait until one of the jobs runs (on one of `nodes`, if any are given); the node that it runs on."""
        found: list[str] = []

        def runs() -> bool:
            node = self.running_on(*nodes)
            found.extend([node] if node is not None else [])
            return bool(found)

        eventually(runs, f"a job runs on {' or '.join(nodes) or 'a node'}", 180)
        return found[0]

    def finish(self, limit: float) -> None:
        """Wait until all are Complete."""
        eventually(lambda: self.complete() == len(self.names), f"all {len(self.names)} jobs are Complete", limit)

    def judge(self) -> dict[str, int]:
        """AssertionError unless every job has its one result, and each attempt was made once and, if it ended, explained."""
        writes, jobs = self._field.writes(self.since), self._jobs()
        made = audit.made(writes, "quantumruns", NAMESPACE)
        results = audit.made(writes, "configmaps", self._tenant)
        lost = 0
        assert sorted(job["metadata"]["name"] for job in jobs) == sorted(self.names), "jobs are gone"
        for job in jobs:
            name, status = job["metadata"]["name"], job["status"]
            ended = status.get("attempts") or []
            lost += len(ended)
            assert is_true("Complete")(job) and status["result"]["ref"], f"{name}: {status}"
            assert [a["attempt"] for a in ended] == list(range(1, len(ended) + 1)), f"{name}: {ended}"
            assert all(a["category"] and a["message"] and a["node"] for a in ended), f"{name}: {ended}"
            assert status["run"]["attempt"] == len(ended) + 1, f"{name}: {status['run']} after {ended}"
            runs = {n: count for n, count in made.items() if n.startswith(job["metadata"]["uid"])}
            wanted = {f"{job['metadata']['uid']}-{attempt}": 1 for attempt in range(1, len(ended) + 2)}
            assert runs == wanted, f"{name}: made {runs}, wanted {wanted}"
            times = results[status["result"]["ref"]["name"]]
            assert times == 1, f"{name}: its result was stored {times} times"
        self._judge_results(jobs)
        return {"jobs": len(self.names), "attemptsLost": lost}

    def _judge_results(self, jobs: list[Any]) -> None:
        wrong = verdicts.wrong_results(jobs, self._field.kubectl.list("configmaps", self._tenant))
        assert not wrong, wrong[:5]

    def late_reports(self) -> dict[str, int]:
        """How often the API server refused, and with which status, what nodes wrote into runs that had been given up.

        AssertionError if it took one.
        """
        given_up = {
            f"{job['metadata']['uid']}-{attempt['attempt']}"
            for job in self._jobs()
            for attempt in job["status"].get("attempts") or ()
        }
        late = audit.late_reports(self._field.writes(self.since), given_up)
        taken = [str(write) for write in late if write.accepted]
        assert not taken, taken[:5]
        return dict(sorted(Counter(str(write.code) for write in late).items()))

    def remove(self) -> None:
        """Delete the jobs."""
        self._field.kubectl.delete("quantumjobs", *self.names, namespace=self._tenant)


def _with_shots(job: dict[str, Any]) -> dict[str, Any]:
    spec = dict(job["spec"])
    shots = spec.pop("shots")
    return job | {"spec": spec | {"primitive": {"sampler": {"shots": shots}}}}
