"""A real HTTP server on loopback that answers as a test says, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from omnixan.edge_network.agent.apiserver import ApiServer
from omnixan.edge_network.agent.credentials import Credentials, TokenFile

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler, token: TokenFile | None = None) -> AsyncIterator[ApiServer]:
    """Serve all paths by one handler; yields a client."""
    application = web.Application(client_max_size=2**24)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with ApiServer(Credentials(f"http://127.0.0.1:{port}", None, token)) as api:
            yield api
    finally:
        await runner.cleanup()
