"""A real agent process on a node of its own, with the rights that the chart gives it, and what tests do with it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster.process import dying_with_us
from omnixan.edge_network.api.meta import API_VERSION
from tests.api.client import Kube, RefusedError

ROOT = Path(__file__).resolve().parents[3]
ROLE = "omnixan-edge-agent"
LEASE = "coordination.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"
PATIENCE_SECONDS = 120.0
IDLE = 2
"""Processes below an agent at rest: the fork server and the worker."""

GHZ = """OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
h q[0];
cx q[0], q[1];
cx q[1], q[2];
c = measure q;
"""


def slow_program(layers: int) -> str:
    """A 16-qubit circuit of `layers` dense layers, each of which takes the simulator some milliseconds."""
    return f"""OPENQASM 3.0;
include "stdgates.inc";
qubit[16] q;
bit[16] c;
h q;
for int i in [1:{layers}] {{
  rx(i) q;
  for int j in [0:14] {{ cx q[j], q[j + 1]; }}
  rz(0.1 * i) q;
}}
c = measure q;
"""


ENDLESS = """OPENQASM 3.0;
include "stdgates.inc";
qubit[22] q;
bit[22] c;
h q;
for int i in [1:200] {
  rx(i) q;
  for int j in [0:20] { cx q[j], q[j + 1]; }
}
c = measure q;
"""
"""Read in a moment, but its execution takes minutes; for an agent with QUBITS=22."""


def children(pid: int) -> list[int]:
    """The living processes directly below a process."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in found if alive(int(child))]


def descendants(pid: int) -> list[int]:
    """All living processes below a process, parents before children."""
    return [below for child in children(pid) for below in (child, *descendants(child))]


def alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def memory(pid: int) -> float:
    """MiB of a process: its own pages, and its share of those that others have too (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def eventually(probe: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the first truthy answer of `probe`; fail with `what` if there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < end, f"after {seconds:.0f} s it is not so that {what}"
        time.sleep(0.03)
    return answer


class Agent:
    """A running `omnixan-agent` process; its log goes to a file."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log = log
        self._below: list[int] = []
        self._output = log.open("wb")
        self.process = subprocess.Popen(
            dying_with_us([sys.executable, "-m", "omnixan.edge_network.agent.main"]),
            env=environment,
            stdout=self._output,
            stderr=self._output,
            cwd=log.parent,
        )

    @property
    def port(self) -> int:
        """Where its probes are, as it logs it."""

        def logged() -> int | None:
            assert self.process.poll() is None, self.log()
            found = re.search(r"probes on port (\d+)", self.log())
            return int(found[1]) if found else None

        port: int = eventually(logged, "the agent serves its probes")
        return port

    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    def http(self, path: str) -> tuple[int, str]:
        """Status and text of a path of its endpoint."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_ready(self) -> Agent:
        """Wait until /readyz says so."""
        eventually(lambda: self.http("/readyz")[0] == 200, "the agent is ready")
        return self

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric's sample; 0 if there is none."""
        text = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        wanted = f"{name}{{{text}}} " if labels else f"{name} "
        for line in self.http("/metrics")[1].splitlines():
            if line.startswith(wanted):
                return float(line.removeprefix(wanted))
        return 0.0

    def kill(self) -> None:
        """End it as a crash would; what should end with it but does not is ended by `clean`."""
        if self.process.poll() is None:
            self._below = descendants(self.process.pid)
            self.process.kill()
        self.process.wait()
        self._output.close()

    def clean(self) -> None:
        """End it and all that it has started."""
        self.kill()
        for pid in filter(alive, self._below):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end, as the kubelet does."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 30.0) -> int:
        """Wait for its end and return the exit status."""
        return self.process.wait(seconds)


@contextlib.contextmanager
def held(agent: Agent) -> Iterator[None]:
    """An idle agent's worker stands still while the block runs: a run that it gets lasts, however slow the test is."""
    _, *workers = descendants(agent.process.pid)  # the fork server goes on: programs are read
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@dataclass
class Lab:
    """A namespace with EdgeNodes whose agents run on this machine."""

    kube: Kube
    kubeconfig: Path
    folder: Path
    agents: list[Agent] = field(default_factory=list)

    def grant(self) -> None:
        """Give the agents the chart's rights in this namespace, and write a kubeconfig with a token of theirs."""
        text = (ROOT / "charts/omnixan-edge/templates/rbac-agent.yaml").read_text()
        plain = "\n".join(line for line in text.splitlines() if "{{" not in line and "labels:" not in line)
        self.kube.apply(yaml.safe_load(plain), "tests", force=True)
        self.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}})
        self.kube.create(
            {
                "apiVersion": RBAC,
                "kind": "RoleBinding",
                "metadata": {"name": "agent"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
                "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": self.kube.namespace}],
            }
        )
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        path = self.kube.path("v1", "ServiceAccount", "agent", "token")
        token = self.kube.request("POST", path, request)["status"]["token"]
        (self.folder / "token").write_text(token)

    def own_kubeconfig(self, server: str | None = None, token: str = "token") -> Path:
        """A kubeconfig of the agents' user, for this server or the real one; `token`: its file, in this lab's folder."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        own = {
            "clusters": [{"name": "c", "cluster": cluster | ({"server": server} if server else {})}],
            "users": [{"name": "u", "user": {"tokenFile": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = self.folder / f"kubeconfig-{len(list(self.folder.iterdir()))}"
        path.write_text(json.dumps(own))
        return path

    @property
    def server(self) -> str:
        """The API server's URL."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        url: str = config["clusters"][0]["cluster"]["server"]
        return url

    def node(self, name: str = "node-1") -> None:
        """Make an EdgeNode, as the operator does."""
        spec = {"pool": "gateways", "tier": "gateway", "nodeName": name}
        self.kube.create({"apiVersion": API_VERSION, "kind": "EdgeNode", "metadata": {"name": name}, "spec": spec})

    def agent(self, node: str = "node-1", *, kubeconfig: Path | None = None, **settings: str) -> Agent:
        """Start a node's agent."""
        number = len(self.agents)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "node_agent"),
            "KUBECONFIG": str(kubeconfig or self.own_kubeconfig()),
            "NODE_NAME": node,
            "POD_NAMESPACE": self.kube.namespace,
            "POD_NAME": f"{node}-pod-{number}",
            "POOL": "gateways",
            "CLUSTER": "lab",
            "QUBITS": "16",
            "HTTP_PORT": "0",
        } | settings
        agent = Agent(environment, self.folder / f"agent-{number}.log")
        self.agents.append(agent)
        return agent

    def submit(
        self,
        name: str,
        text: str = GHZ,
        *,
        algorithm: dict[str, Any] | None = None,
        node: str = "node-1",
        shots: int = 1000,
        seed: int = 7,
        timeout: int = 300,
        sha256: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Make a run, as the operator does."""
        spec: dict[str, Any] = {
            "nodeName": node,
            "attempt": 1,
            "jobRef": {"namespace": "tenant", "name": name, "uid": name},
            "execution": {"seed": seed, "timeoutSeconds": timeout},
            "primitive": {"sampler": {"shots": shots}},
        }
        if algorithm is not None:
            spec |= {"algorithm": algorithm, "optimizer": {"name": "COBYLA", "maxIterations": 1000}}
        else:
            spec["program"] = {"inline": {"format": "openqasm3", "data": text}}
        if sha256 is not None:
            spec["program"]["sha256"] = sha256
        spec |= more
        return self.kube.create({"apiVersion": API_VERSION, "kind": "QuantumRun", "metadata": {"name": name}, "spec": spec})

    def status(self, name: str) -> dict[str, Any]:
        """A run's status as it is."""
        status: dict[str, Any] = self.kube.get("QuantumRun", name).get("status") or {}
        return status

    def versions(self, made: dict[str, Any]) -> list[dict[str, Any]]:
        """A run as it was after each write since it was made, by a watch that starts there."""
        live = self.kube.get("QuantumRun", made["metadata"]["name"])
        query = {"watch": "1", "resourceVersion": made["metadata"]["resourceVersion"], "timeoutSeconds": "60"}
        address = self.kube.host + self.kube.path(made["apiVersion"], "QuantumRun")
        found = []
        with self.kube._session.get(address, params=query, timeout=60, stream=True) as answer:
            for line in answer.iter_lines():
                run = json.loads(line)["object"]
                if run["metadata"].get("uid") == made["metadata"]["uid"]:
                    found.append(run)
                    if run["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]:
                        return found
        raise AssertionError("the watch ended before the object's last version")

    def ended(self, name: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for a run's end and return its status."""
        status: dict[str, Any] = eventually(
            lambda: (s := self.status(name)).get("state") in ("Succeeded", "Failed") and s, f"{name} ended", seconds
        )
        return status

    def began(self, name: str) -> dict[str, Any]:
        """Wait until a run is reported as running and return its status."""
        status: dict[str, Any] = eventually(lambda: (s := self.status(name)).get("state") == "Running" and s, f"{name} runs")
        return status

    def computes(self, agent: Agent, name: str) -> tuple[int, int, int]:
        """Wait until ENDLESS is with the wide simulator; return the pids of fork server, worker and simulator."""
        self.began(name)

        def chain() -> tuple[int, int, int] | None:
            for server in children(agent.process.pid):
                for worker in children(server):
                    for simulator in children(worker):
                        if "qiskit_aer" in Path(f"/proc/{simulator}/maps").read_text():
                            return server, worker, simulator
            return None

        pids: tuple[int, int, int] = eventually(chain, f"{name} is simulated")
        return pids

    def condition(self, node: str = "node-1") -> dict[str, Any]:
        """The node's AgentReady condition; empty if there is none."""
        conditions = (self.kube.get("EdgeNode", node).get("status") or {}).get("conditions") or []
        return next((c for c in conditions if c["type"] == "AgentReady"), {})

    def lease(self, node: str = "node-1") -> dict[str, Any] | None:
        """The node's heartbeat, None if there is none."""
        try:
            return self.kube.get("Lease", node, api_version=LEASE)
        except RefusedError as error:
            assert error.code == 404, error
            return None

    def close(self) -> None:
        """End what was started."""
        for agent in self.agents:
            agent.clean()
        for lease in self.kube.list("Lease", LEASE):
            self.kube.delete("Lease", lease["metadata"]["name"], LEASE)
