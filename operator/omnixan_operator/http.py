"""HTTP of the operator: /metrics, /livez, /readyz."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest

from omnixan_operator import kinds
from omnixan_operator.metrics import Metrics
from omnixan_operator.store import JOBS_BY_PHASE, Store, name_of, namespace_of

PHASES = ("Pending", "Running", "Suspended", "Complete", "Failed", "Cancelled")


def snapshot(metrics: Metrics, store: Store) -> None:
    """Set the gauges that mirror the store."""
    for phase in PHASES:
        metrics.jobs.labels(phase).set(store.count_by(JOBS_BY_PHASE, phase))
    metrics.cluster_nodes.clear()
    for cluster in store.all(kinds.EDGE_CLUSTER):
        status, where = cluster.get("status", {}), (namespace_of(cluster), name_of(cluster))
        region = str(cluster.get("spec", {}).get("region", ""))
        for state, field in (("desired", "desiredNodes"), ("claimed", "nodes"), ("ready", "readyNodes")):
            metrics.cluster_nodes.labels(*where, region, state).set(status.get(field) or 0)


class Endpoint:
    """The HTTP server."""

    def __init__(
        self,
        metrics: Metrics,
        store: Store,
        depth: Callable[[], int],
        ready: Callable[[], str],
        hangs: Callable[[], str],
    ) -> None:
        """`ready` returns why the operator is not ready, `hangs` why it must be started anew; empty: all is well."""
        self._hangs = hangs
        self._metrics = metrics
        self._store = store
        self._depth = depth
        self._ready = ready
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one, which is then in `self.port`."""
        application = web.Application()
        application.add_routes(
            [web.get("/metrics", self._show), web.get("/livez", self._live), web.get("/readyz", self._is_ready)]
        )
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host or None, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _show(self, _: web.Request) -> web.Response:
        self._metrics.queue_depth.set(self._depth())
        snapshot(self._metrics, self._store)
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _live(self, _: web.Request) -> web.Response:
        return _verdict(self._hangs())

    async def _is_ready(self, _: web.Request) -> web.Response:
        return _verdict(self._ready())


def _verdict(reason: str) -> web.Response:
    return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)
