"""Starts the gateway.

It accepts requests at once, and answers with 503 while a service that a request needs is unavailable.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI

from common import bus, log, metrics, process, tls, trace
from common.listening import listening_socket
from gateway import app, backend
from gateway.events.hub import Hub
from gateway.http.protocol import Protocol
from gateway.services import SERVICES
from gateway.settings import Settings

DRAIN_SECONDS = 20
KEEP_ALIVE_SECONDS = 75

OPTIONAL = frozenset({"outbound"})
"""Services without which the gateway is ready too: images are upscaled while no webhook is delivered."""
REQUIRED_CONNECTIONS = ("broker", "events", *(name for name in SERVICES if name not in OPTIONAL))
"""The gateway is ready once it has all of these. Without `events` it would not learn of revoked tokens."""


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("gateway", level=settings.log_level, readable=settings.log_readable)
    trace.setup("gateway")
    metrics.setup("gateway")
    readiness = metrics.Readiness(*REQUIRED_CONNECTIONS)
    connected = backend.connect(settings)
    await process.run(
        metrics.serve(settings.metrics_listen, readiness),
        tls.end_when_renewed(settings.tls),
        serve(create_server(app.create(connected, readiness), settings)),
        follow(connected, readiness),
    )


async def follow(connected: backend.Backend, readiness: metrics.Readiness) -> None:
    """Connect to everything that the gateway needs, then listen to events until cancelled."""
    for name in (each for each in SERVICES if each not in OPTIONAL):
        channel = connected.connections.channels[name]
        await process.wait_for(name, channel.ready)
        readiness.watch(name, channel.is_connected)
    async with bus.connection(
        connected.settings.nats_url, "gateway", readiness, connected.settings.broker_login
    ) as nc:
        await process.wait_for(
            "limits", lambda: connected.limits.use_broker(nc, connected.settings.nats_replicas)
        )
        await connected.callers.listen(nc)
        readiness.mark_ready("events")
        await connected.hub.follower.follow(nc)


class _Server(uvicorn.Server):
    """A server that leaves signals to `process.run`, and ends what waits when it stops."""

    def __init__(self, config: uvicorn.Config, hub: Hub, listen: str) -> None:
        super().__init__(config)
        self._hub = hub
        self._listen = listen

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the socket here: uvicorn would let `[::]` take no IPv4 connections."""
        await super().serve(sockets or [listening_socket(self._listen)])

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.drain()
        await super().shutdown(sockets)


def create_server(application: FastAPI, settings: Settings) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            application,
            http=functools.partial(Protocol, settings=settings),  # pyright: ignore[reportArgumentType]  a callable works too
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        ),
        application.state.backend.hub,
        settings.listen,
    )


async def serve(server: uvicorn.Server) -> None:
    """Serve until cancelled, then let open requests finish."""
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


if __name__ == "__main__":
    process.main(run)
