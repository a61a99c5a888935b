"""What goes into a support bundle, in the order in which it is looked at first. Secrets and ConfigMaps are never read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from omnixan.edge_network.api.crd import KINDS
from omnixan.edge_network.api.meta import API_VERSION, GROUP, HEARTBEAT_LABEL, MANAGED_BY, PART_OF, PART_OF_LABEL
from omnixan.edge_network.cli.support import redact
from omnixan.edge_network.cli.support.api import Object, Reader, ReadError
from omnixan.edge_network.cli.support.archive import Archive

MAX_LIST = 24 * 1024 * 1024
"""Bytes of one list in the bundle; what is beyond it is left out and counted."""
MAX_LOG = 1024 * 1024
"""Bytes of one container's log; the end is kept."""
MAX_PODS = 60
"""Pods whose logs and metrics are fetched: those that are not ready first, then the operator's."""
REPORTERS = (MANAGED_BY, "omnixan-agent")
OURS = f"{PART_OF_LABEL}={PART_OF}"
CHART_LABEL = "helm.sh/chart"
HTTP_PORTS = ("http", "metrics")
"""Names of the port with the metrics: the operator's, the agents'."""


@dataclass(frozen=True)
class Wish:
    """What the person asked for."""

    namespace: str | None
    """Objects of this namespace only; None: of all."""
    system: str
    """The operator's namespace."""
    programs: bool
    """Programs and results too."""
    tail: int
    """Lines of each log."""
    command: str = ""
    """Version of the command."""


@dataclass
class Collector:
    """One bundle in the making."""

    reader: Reader
    archive: Archive
    wish: Wish
    step: Callable[[str, int], None]
    """Called with what comes next and how many steps there are in all."""
    pods: list[Object] = field(default_factory=list)
    workloads: list[Object] = field(default_factory=list)

    async def run(self) -> None:
        """Collect everything; what cannot be read is noted, and the rest collected all the same."""
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("version", self._version),
            *((kind.plural, self._objects_of(kind.plural)) for kind in KINDS),
            ("custom resource definitions", self._definitions),
            ("pods", self._pods),
            ("workloads", self._workloads),
            ("nodes", self._nodes),
            ("leases", self._leases),
            ("events", self._events),
            ("release", self._release),
            ("logs", self._logs),
            ("metrics", self._metrics),
        ]
        for name, part in parts:
            self.step(name, len(parts))
            await part()
        self._contents()

    async def _version(self) -> None:
        await self._one("cluster/version.json", "/version")

    def _objects_of(self, plural: str) -> Callable[[], Awaitable[None]]:
        async def collect() -> None:
            await self._list(f"objects/{plural}.json", self._path(API_VERSION, plural, self.wish.namespace))

        return collect

    async def _definitions(self) -> None:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

        def shortened(crd: Object) -> Object | None:
            if crd["spec"]["group"] != GROUP:
                return None
            versions = [{k: v[k] for k in ("name", "served", "storage")} for v in crd["spec"]["versions"]]
            return {"metadata": {"name": crd["metadata"]["name"]}, "versions": versions, "status": crd.get("status")}

        await self._list("cluster/customresourcedefinitions.json", path, keep=shortened)

    async def _pods(self) -> None:
        for namespace in self._places():
            self.pods += await self._list(
                f"workloads/pods{_suffix(namespace)}.json", self._path("v1", "pods", namespace), {"labelSelector": OURS}
            )

    async def _workloads(self) -> None:
        for plural in ("deployments", "daemonsets", "controllerrevisions"):
            for namespace in self._places():
                path = self._path("apps/v1", plural, namespace)
                self.workloads += await self._list(
                    f"workloads/{plural}{_suffix(namespace)}.json", path, {"labelSelector": OURS}
                )

    async def _nodes(self) -> None:
        await self._list("cluster/nodes.json", "/api/v1/nodes")

    async def _leases(self) -> None:
        api = "coordination.k8s.io/v1"
        heartbeats = {"labelSelector": f"{HEARTBEAT_LABEL}=true"}
        await self._list("leases/heartbeats.json", self._path(api, "leases", self.wish.namespace), heartbeats)
        await self._list("leases/operator.json", self._path(api, "leases", self.wish.system))

    async def _events(self) -> None:
        names = {p["metadata"]["name"] for p in self.pods} | {w["metadata"]["name"] for w in self.workloads}

        def ours(event: Object) -> Object | None:
            about = event.get("regarding") or {}
            by = str(event.get("reportingController") or "")
            mine = by.startswith(REPORTERS) or str(about.get("apiVersion", "")).startswith(f"{GROUP}/")
            return event if mine or about.get("name") in names else None

        for namespace in self._places():
            path = self._path("events.k8s.io/v1", "events", namespace)
            await self._list(f"events/events{_suffix(namespace)}.json", path, keep=ours)

    async def _release(self) -> None:
        """Chart and images, from labels: Helm's own record is a Secret."""
        told = [
            {
                "workload": f"{w['metadata'].get('namespace')}/{w['metadata']['name']}",
                "chart": (w["metadata"].get("labels") or {}).get(CHART_LABEL),
                "version": (w["metadata"].get("labels") or {}).get("app.kubernetes.io/version"),
                "images": [c.get("image") for c in _containers(w)],
            }
            for w in self.workloads
            if "template" in (w.get("spec") or {})
        ]
        body = {"omnixan": self.wish.command, "time": datetime.now(UTC).isoformat(timespec="seconds"), "workloads": told}
        self.archive.add("release.json", _json(body), len(told))

    async def _logs(self) -> None:
        for pod in self._interesting():
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            restarted = {
                s["name"] for s in (pod.get("status") or {}).get("containerStatuses") or () if s.get("restartCount")
            }
            for container in (c["name"] for c in pod["spec"]["containers"]):
                await self._log(namespace, name, container, previous=False)
                if container in restarted:
                    await self._log(namespace, name, container, previous=True)

    async def _log(self, namespace: str, pod: str, container: str, *, previous: bool) -> None:
        query = {"container": container, "tailLines": str(self.wish.tail)} | ({"previous": "true"} if previous else {})
        file = f"logs/{namespace}/{pod}/{container}{'.previous' if previous else ''}.log"
        try:
            text = await self.reader.text(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query)
        except ReadError as error:
            self.archive.miss(file, _why(error))
            return
        if not text:
            self.archive.miss(file, "nothing was logged")
            return
        data = text.encode()
        note = ""
        if len(data) > MAX_LOG:
            text, note = data[-MAX_LOG:].decode("utf-8", "ignore"), f"the last {MAX_LOG} bytes of {len(data)}"
        self.archive.add(file, redact.text(text), text.count("\n"), note)

    async def _metrics(self) -> None:
        """Through the API server's proxy, so no way into the pods' network is needed."""
        for pod in self._interesting():
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            port = _http_port(pod)
            if port is None:
                continue
            file = f"metrics/{namespace}/{name}.prom"
            path = f"/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy/metrics"
            try:
                async with asyncio.timeout(10):
                    text = await self.reader.text(path)
            except (ReadError, TimeoutError) as error:
                self.archive.miss(file, _why(error))
                continue
            self.archive.add(file, text, text.count("\n"))

    def _contents(self) -> None:
        entries = [entry.wire() for entry in self.archive.entries]
        self.archive.write("contents.json", _json({"programs": self.wish.programs, "entries": entries}).encode())

    def _interesting(self) -> list[Object]:
        def rank(pod: Object) -> tuple[bool, bool, str]:
            return _is_ready(pod), pod["metadata"]["namespace"] != self.wish.system, pod["metadata"]["name"]

        return sorted(self.pods, key=rank)[:MAX_PODS]

    def _places(self) -> list[str | None]:
        """Where workloads and events are: everywhere, or in the wanted namespace and the operator's."""
        if self.wish.namespace is None:
            return [None]
        return [*sorted({self.wish.namespace, self.wish.system})]

    @staticmethod
    def _path(api: str, plural: str, namespace: str | None) -> str:
        root = f"/{'api' if '/' not in api else 'apis'}/{api}"
        return f"{root}/{plural}" if namespace is None else f"{root}/namespaces/{namespace}/{plural}"

    async def _one(self, file: str, path: str) -> None:
        try:
            self.archive.add(file, _json(await self.reader.json(path)), 1)
        except ReadError as error:
            self.archive.miss(file, _why(error))

    async def _list(
        self,
        file: str,
        path: str,
        query: Mapping[str, str] | None = None,
        keep: Callable[[Object], Object | None] = lambda obj: obj,
    ) -> list[Object]:
        """Add a list to the bundle; returns what is in it."""
        found, size, left_out, note = [], 0, 0, ""
        try:
            async for item in _kept(self.reader.items(path, query), keep):
                cleaned = redact.clean(item, programs=self.wish.programs)
                size += len(json.dumps(cleaned))
                if size > MAX_LIST:
                    left_out += 1
                else:
                    found.append(cleaned)
        except ReadError as error:
            note = _why(error)
            if not found:
                self.archive.miss(file, note)
                return []
        if left_out:
            note = f"{left_out} more objects were left out"
        self.archive.add(file, _json({"items": found}), len(found), note)
        return found


async def _kept(items: AsyncIterator[Object], keep: Callable[[Object], Object | None]) -> AsyncIterator[Object]:
    async for item in items:
        if (kept := keep(item)) is not None:
            yield kept


def _suffix(namespace: str | None) -> str:
    return "" if namespace is None else f"-{namespace}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _why(error: ReadError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    words = {401: "not authenticated", 403: "not allowed", 404: "not there"}
    said = words.get(error.status, "not read")
    return f"{said}: {error}"[:300]


def _containers(workload: Object) -> Iterable[Object]:
    containers: Iterable[Object] = workload["spec"]["template"]["spec"].get("containers") or ()
    return containers


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _http_port(pod: Object) -> int | None:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") in HTTP_PORTS:
                return int(port["containerPort"])
    return None
