"""Starts the gateway. It answers at once, with 503 for what needs a service that is not there yet."""

import asyncio
import contextlib
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI

from common import bus, log, metrics, process, trace
from gateway import app, backend
from gateway.protocol import Protocol
from gateway.settings import Settings

DRAIN_SECONDS = 20
KEEP_ALIVE_SECONDS = 75


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("gateway", level=settings.log_level, readable=settings.log_readable)
    trace.setup("gateway")
    readiness = metrics.Readiness("broker", "auth", "billing", "images")
    connected = backend.connect(settings)
    await process.run(
        metrics.serve(settings.metrics_listen, readiness),
        serve(app.create(connected, readiness), settings.listen),
        follow(connected, readiness),
    )


async def follow(connected: backend.Backend, readiness: metrics.Readiness) -> None:
    """Connects to what the gateway needs and hears what changes."""
    for name, channel in zip(("auth", "billing", "images"), connected.channels, strict=True):
        await process.wait_for(name, channel.ready)
        readiness.watch(name, channel.is_connected)
    async with bus.connection(connected.settings.nats_url, "gateway", readiness) as nc:
        await process.wait_for("limits", lambda: connected.limits.use(nc))
        await connected.callers.listen(nc)
        await asyncio.Event().wait()


class _Server(uvicorn.Server):
    """Signals are the process's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(application: FastAPI, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    server = _Server(
        uvicorn.Config(
            application,
            host=host,
            port=int(port),
            http=Protocol,
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


if __name__ == "__main__":
    process.main(run)
