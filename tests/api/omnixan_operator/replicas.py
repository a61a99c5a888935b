"""Two replicas of the operator as the chart runs them: their account, tokens bound to their pods, all policies; each
behind a link of its own to an API server that writes down who did what."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from e2e.cluster.apiserver import BareControlPlane
from tests.api.agent.proxy import Link
from tests.api.client import Kube, Object
from tests.api.conftest import ROOT, served, until
from tests.api.omnixan_operator.harness import LEASE, Agents, Operator, wait
from tests.cases.chart import NAMESPACE, one, pod_of, render

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:omnixan-operator"
CLUSTERS = "omnixan"
"""The namespace where the chart lets EdgeClusters be."""
POD_NAME = "authentication.kubernetes.io/pod-name"
HEARTBEAT_SECONDS = 5.0
LEASE_SECONDS = 40
"""As agents set it: they beat on, so it ends only if they stop."""
CHANGES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
READS = frozenset({"get", "list", "watch"})


@dataclass(frozen=True)
class Write:
    """An accepted change by the operator's account."""

    pod: str
    verb: str
    resource: str
    name: str


class Replica(Operator):
    """One of them."""

    def __init__(self, pod: str, link: Link, kubeconfig: Path, socket: Path, log: Path) -> None:
        super().__init__(kubeconfig, socket, log, POD_NAMESPACE=NAMESPACE, POD_NAME=pod)
        self.pod = pod
        self.link = link

    def tracebacks(self) -> list[str]:
        """Lines of its log with an error that nobody caught; not asyncio's about watches that were open at a bad end."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "Traceback" in line and json.loads(line)["log.logger"] != "asyncio"]


class Replicas:
    """Two replicas, and the chart around them."""

    def __init__(self, plane: BareControlPlane, socket: Path, folder: Path) -> None:
        self.plane = plane
        self.admin = Kube.of(plane.kubeconfig, CLUSTERS)
        self._system = self.admin.within(NAMESPACE)
        self._socket = socket
        self._folder = folder
        self._stack = ExitStack()
        self.members: list[Replica] = []

    def __enter__(self) -> Replicas:
        manifests = self._install()
        for name in ("one", "two"):
            self.members.append(self._member(name, manifests))
        for member in self.members:
            member.start()
        self.leader()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for member in self.members:
            if member.ended() is None:
                member.stop(9)
        self._stack.close()

    def _install(self) -> list[Object]:
        crds = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
        for crd in crds:
            self.admin.apply(crd, "tests", force=True)
        until(lambda: all(served(self.admin, crd) for crd in crds), "every CRD is served")
        self.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        manifests = render("crds.install=false")
        for manifest in sorted(manifests, key=lambda m: m["kind"] != "Namespace"):
            if manifest["kind"] != "Deployment":
                where = self.admin.within(manifest["metadata"].get("namespace", CLUSTERS))
                where.apply(manifest, "tests", force=True)
        return manifests

    def _member(self, name: str, manifests: list[Object]) -> Replica:
        template = pod_of(manifests)
        metadata = {"name": name, "labels": template["metadata"]["labels"]}
        pod = self._system.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        bound = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pod["metadata"]["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 7200, "boundObjectRef": bound},
        }
        account = one(manifests, "ServiceAccount")["metadata"]["name"]
        token = self._system.request("POST", self._system.path("v1", "ServiceAccount", account, "token"), request)
        link = self._stack.enter_context(Link(self.plane.url))
        settings = json.loads(self.plane.kubeconfig.read_text())
        settings["clusters"][0]["cluster"]["server"] = link.url
        settings["users"][0]["user"] = {"token": token["status"]["token"]}
        kubeconfig = self._folder / f"{name}.kubeconfig"
        kubeconfig.write_text(json.dumps(settings))
        kubeconfig.chmod(0o600)
        return Replica(name, link, kubeconfig, self._socket, self._folder / f"{name}.log")

    def lease(self) -> Object:
        """What the election's Lease says; empty: there is none."""
        try:
            spec: Object = self._system.get("Lease", "omnixan-operator", api_version=LEASE)["spec"]
        except Exception as error:
            assert getattr(error, "code", 0) == 404, error
            return {}
        return spec

    def holder(self) -> str:
        """The pod that the Lease names; empty: none."""
        return _holder(self.lease())

    def leader(self) -> Replica:
        """The one that leads, as soon as one does."""
        found: Replica = wait("one of the replicas leads", lambda: next((m for m in self.members if self._leads(m)), None))
        return found

    def _leads(self, member: Replica) -> bool:
        return self.holder() == member.pod and member.leads()

    def other(self, member: Replica) -> Replica:
        """The other one."""
        return next(m for m in self.members if m is not member)

    def taken_over_from(self, member: Replica) -> float:
        """Wait until the other one leads; the seconds that it took from now."""
        began = time.monotonic()
        wait(f"the Lease is not {member.pod}'s", lambda: self.holder() == self.other(member).pod)
        return time.monotonic() - began

    def left_behind_by(self, former: Replica, held: Object) -> float:
        """Wait until the other one leads; the seconds from the last renewal by one that stopped to that.

        `held` is the Lease right before that one was stopped. By the Lease's own times: all are of this machine's clock,
        and however late this test gets to look, they stay what they are.
        """
        leases = [held]
        assert _holder(held) == former.pod, held

        def taken() -> bool:
            lease = self.lease()
            if _holder(lease) == former.pod:
                leases.append(lease)
            return _holder(lease) == self.other(former).pod

        wait(f"the Lease is not {former.pod}'s", taken)
        begun, renewed = (datetime.fromisoformat(text) for text in (self.lease()["acquireTime"], leases[-1]["renewTime"]))
        return (begun - renewed).total_seconds()

    def audit_size(self) -> int:
        """Where the audit log ends now."""
        return self.plane.audit_log.stat().st_size

    def writes(self, since: int = 0) -> list[Write]:
        """What the operator's account changed, in the order in which it was answered; its Lease is left out."""
        return [
            Write(_pod(entry), entry["verb"], resource, entry["objectRef"].get("name", ""))
            for entry in self._entries(since)
            if entry["responseStatus"]["code"] < 300 and (resource := _resource(entry)) != "leases"
        ]

    def refused(self, pod: str, since: int = 0) -> Counter[int]:
        """Changes by one pod that the API server refused, by HTTP status; of its Lease not."""
        entries = (e for e in self._entries(since) if _pod(e) == pod and _resource(e) != "leases")
        return Counter(e["responseStatus"]["code"] for e in entries if e["responseStatus"]["code"] >= 400)

    def account_of(self, since: int) -> dict[str, dict[str, int]]:
        """What the operator's account asked for, by what became of it: reads, writes of Leases, other writes."""
        found: dict[str, Counter[str]] = {}
        for entry in self._entries(since, CHANGES | READS):
            code = entry["responseStatus"]["code"]
            resource = _resource(entry) if "objectRef" in entry else entry["requestURI"].partition("?")[0]  # of no object
            what = "Reads" if entry["verb"] in READS else "LeaseWrites" if resource == "leases" else "Writes"
            became = "accepted" if code < 300 else "refused"
            words = f"{entry['verb']} {resource}" if code < 300 else f"{entry['verb']} {resource}: {code}"
            found.setdefault(became + what, Counter())[words] += 1
        kinds = (became + what for became in ("accepted", "refused") for what in ("Writes", "LeaseWrites", "Reads"))
        return {kind: dict(sorted(found.get(kind, Counter()).items())) for kind in kinds}

    def _entries(self, since: int, verbs: frozenset[str] = CHANGES) -> Iterator[Any]:
        with self.plane.audit_log.open("rb") as log:
            log.seek(since)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # it is being written
                entry = json.loads(line)
                if entry["user"]["username"] == ACCOUNT and entry["verb"] in verbs and "responseStatus" in entry:
                    yield entry


def _holder(lease: Object) -> str:
    return str(lease.get("holderIdentity") or "").partition("_")[0]


def _pod(entry: Any) -> str:
    return str(entry["user"].get("extra", {}).get(POD_NAME, [""])[0])


def _resource(entry: Any) -> str:
    reference = entry["objectRef"]
    return "/".join(part for part in (reference["resource"], reference.get("subresource")) if part)


class PacedAgents(Agents):
    """Agents that take every run at once and finish only as many as they are allowed to; their heartbeats go on."""

    def __init__(self, kube: Kube) -> None:
        super().__init__(kube)
        self.work = False
        self.allowed = 0
        self.finished = 0
        self._beat_at = 0.0

    def step(self) -> None:
        """As every agent would in turn."""
        super().step()
        if time.monotonic() > self._beat_at:
            self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
            for node in self.kube.list("EdgeNode"):
                self.beat(node["metadata"]["name"], node["metadata"]["uid"], LEASE_SECONDS)
        for run in self.kube.list("QuantumRun"):
            name, state = run["metadata"]["name"], run.get("status", {}).get("state")
            if state is None:
                self.start(name)
            elif state == "Running" and self.finished < self.allowed:
                self.succeed(name)
                self.finished += 1
