"""Certificate authorities that follow one another, and an HTTPS server on loopback that has its certificate by one."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from e2e.cluster.certificates import make_certificates

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def made(folder: Path, name: str) -> Path:
    """A folder with a new authority (ca.crt) and a server's certificate by it."""
    found = folder / name
    found.mkdir()
    make_certificates(found)
    return found


@asynccontextmanager
async def secured(handler: Handler, authority: Path, port: int = 0) -> AsyncIterator[int]:
    """Serve all paths by one handler with the certificate in a folder; yields the port."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authority / "server.crt", authority / "server.key")
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
