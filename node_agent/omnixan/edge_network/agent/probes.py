"""The agent's HTTP endpoint: /livez, /readyz and /metrics."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable

from aiohttp import web

from omnixan.edge_network.agent.metrics import Metrics

log = logging.getLogger(__name__)

Check = Callable[[], str]
"""Returns an empty string when all is well, else what is wrong."""


class Probes:
    """Serves on `port` of all addresses (0: a free one, see `port` after `start`) until `close`."""

    def __init__(self, port: int, metrics: Metrics, *, alive: Check, ready: Check) -> None:
        self.port = port
        self._metrics = metrics
        self._checks = {"/livez": alive, "/readyz": ready}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begin to serve; OSError if the port is taken."""
        application = web.Application()
        application.router.add_get("/metrics", self._serve_metrics)
        for path in self._checks:
            application.router.add_get(path, self._serve_check)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        listening = _listen(self.port)
        await web.SockSite(runner, listening).start()
        self._runner = runner
        self.port = listening.getsockname()[1]
        log.info("metrics and probes on port %d", self.port)

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics.exposition(), headers=headers)

    async def _serve_check(self, request: web.Request) -> web.Response:
        problem = self._checks[request.path]()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)


def _listen(port: int) -> socket.socket:
    """Listen on all addresses, IPv4 and IPv6 where there is IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # IPv6 is switched off on this machine
                raise
    return socket.create_server(("", port))
