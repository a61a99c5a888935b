"""Creates and changes objects at a fixed rate, and waits for what becomes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from e2e.load.progress import Bar
from e2e.load.scale import SITE, Scale, edge_cluster, job, node, ready
from omnixan.edge_network.agent.apiserver import ApiServer, RefusedError, Resource, UnreachableError
from omnixan.edge_network.agent.credentials import from_kubeconfig
from omnixan.edge_network.agent.informer import follow
from omnixan.edge_network.agent.outcome import micro_time
from omnixan.edge_network.api.meta import API_VERSION

JOBS = Resource(API_VERSION, "quantumjobs", "QuantumJob")
CLUSTERS = Resource(API_VERSION, "edgeclusters", "EdgeCluster")
ATTEMPTS = 10
UNDER_WAY = 32
"""Requests of the generator at the same time: more than the rate needs while the API server keeps up."""
Object = dict[str, Any]


class _Nodes(Resource):
    """Nodes have no namespace."""

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        return "/api/v1/" + "/".join(part for part in (self.plural, name, subresource) if part)


MACHINES = _Nodes("v1", "nodes", "Node")


class Generator:
    """One account's requests. A context manager."""

    def __init__(self, kubeconfig: Path, scale: Scale) -> None:
        self._api = ApiServer(from_kubeconfig(kubeconfig))
        self._scale = scale

    async def __aenter__(self) -> Generator:
        await self._api.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.__aexit__()

    async def at_rate(self, rate: float, tasks: Iterable[Callable[[], Awaitable[object]]], bar: Bar | None) -> float:
        """Begin a task every 1/rate seconds (rate 0: as fast as answers come); the seconds that it took."""
        slots = asyncio.Semaphore(UNDER_WAY)
        begin = time.monotonic()

        async def one(task: Callable[[], Awaitable[object]]) -> None:
            try:
                await task()
            finally:
                slots.release()
                if bar is not None:
                    bar.advance()

        async with asyncio.TaskGroup() as group:
            for number, task in enumerate(tasks):
                await slots.acquire()
                if rate:
                    await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
                group.create_task(one(task))
        return time.monotonic() - begin

    async def machines(self, names: list[str]) -> None:
        """Kubernetes nodes, Ready."""

        async def one(name: str) -> None:
            made = await self._create(MACHINES, "", node(name))
            status = ready(micro_time(time.time())[:19] + "Z")
            await self._api.replace_status(MACHINES, "", name, made["metadata"]["uid"], status)

        await self.at_rate(0, [lambda name=name: one(name) for name in names], None)  # type: ignore[misc]

    async def cluster(self, name: str, nodes: int, selector: dict[str, str]) -> Object:
        """One EdgeCluster."""
        return await self._create(CLUSTERS, SITE, edge_cluster(name, nodes, selector))

    async def jobs(self, bar: Bar | None = None) -> float:
        """All jobs of the load, at its rate; the seconds that it took."""
        return await self.submit([job(number, self._scale) for number in range(self._scale.jobs)], self._scale.rate, bar)

    async def submit(self, jobs: Iterable[tuple[str, Object]], rate: float, bar: Bar | None = None) -> float:
        """Jobs, each with its namespace, so many a second (0: as fast as answers come); the seconds that it took."""
        tasks = [lambda one=one: self._create(JOBS, *one) for one in jobs]
        return await self.at_rate(rate, tasks, bar)

    async def _create(self, resource: Resource, namespace: str, body: Object) -> Object:
        """Create an object; what got no answer is tried again, and may be there by then."""
        for attempt in range(ATTEMPTS):
            try:
                return await self._api.create(resource, namespace, body)
            except UnreachableError:
                if attempt == ATTEMPTS - 1:
                    raise
            except RefusedError as error:
                if error.status == 409 and attempt:
                    return await self._api.get(resource, namespace, body["metadata"]["name"])
                if error.status not in (429, 500, 503, 504) or attempt == ATTEMPTS - 1:
                    raise
            await asyncio.sleep(1.0)
        raise AssertionError("the last attempt returns or raises")

    async def list_jobs(self, namespace: str) -> list[Object]:
        """A tenant's jobs as they are."""
        return [item async for page in self._api.pages(JOBS, namespace, "") for item in page.items]

    async def list_clusters(self) -> list[Object]:
        """All EdgeClusters as they are."""
        return [item async for page in self._api.pages(CLUSTERS, SITE, "") for item in page.items]

    async def clusters_ready(self, count: int, seconds: float, bar: Bar | None = None) -> list[float]:
        """Watch until that many EdgeClusters are Ready; when each was first seen so (time.monotonic)."""
        seen: dict[str, float] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for change in follow(self._api, CLUSTERS, SITE, ""):
                    if change.type == "SYNC":
                        continue
                    name, conditions = change.object["metadata"]["name"], change.object.get("status", {}).get("conditions")
                    if name not in seen and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions or ()):
                        seen[name] = time.monotonic()
                        if bar is not None:
                            bar.advance()
                    if len(seen) >= count:
                        break
        return sorted(seen.values())

    async def changes(self, names: list[str]) -> list[float]:
        """Change EdgeClusters in turn at the load's rate; seconds from sending each change to its observation."""
        sent: dict[tuple[str, int], float] = {}
        seen: dict[tuple[str, int], float] = {}
        done = asyncio.Event()
        wanted = self._scale.changes

        async def watch() -> None:
            async for change in follow(self._api, CLUSTERS, SITE, ""):
                if change.type == "SYNC":
                    continue
                name, observed = change.object["metadata"]["name"], change.object["status"].get("observedGeneration", 0)
                for generation in range(1, observed + 1):
                    seen.setdefault((name, generation), time.monotonic())
                if all(key in seen for key in sent) and len(sent) == wanted:
                    done.set()

        async def one(number: int) -> None:
            name, begin = names[number % len(names)], time.monotonic()
            body = {"metadata": {"name": name}, "spec": {"region": f"r{number}"}}
            answer = await self._api.apply(CLUSTERS, SITE, name, body)
            sent[name, answer["metadata"]["generation"]] = begin

        watcher = asyncio.create_task(watch())
        try:
            await self.at_rate(self._scale.change_rate, [lambda n=n: one(n) for n in range(wanted)], None)  # type: ignore[misc]
            with suppress(TimeoutError):
                async with asyncio.timeout(120):
                    await done.wait()
        finally:
            watcher.cancel()
        return [seen.get(key, float("inf")) - begin for key, begin in sent.items()]
