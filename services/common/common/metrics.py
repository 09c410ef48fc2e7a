"""Prometheus metrics that every service has, and the HTTP server for probes and scrapes.

The server answers from its own threads. `/healthz` fails if the event loop is blocked, `/readyz` if a
dependency of the service is missing.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from importlib import metadata
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, make_wsgi_app

from common import log, process
from common.listening import host_and_port

LOG = log.get(__name__)
SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LOOP_BLOCKED_SECONDS = 15.0
"""If the event loop has not run for this long, the service counts as dead."""
MEASURE_SECONDS = 15.0
"""Time between two updates of gauges that need a query. It does not depend on how often they are scraped."""

build_info = Gauge(
    "loupe_build_info", "Component and version of this process, always 1", ["component", "version"]
)
loop_lag_seconds = Histogram(
    "loupe_loop_lag_seconds", "How late the event loop is, measured once a second", buckets=SECONDS_BUCKETS
)
measured_at = Gauge(
    "loupe_measured_timestamp_seconds", "Time of the last update of a group of gauges", ["what"]
)
rpc_seconds = Histogram(
    "loupe_rpc_server_seconds", "Time to answer gRPC calls", ["method", "code"], buckets=SECONDS_BUCKETS
)
rpc_client_seconds = Histogram(
    "loupe_rpc_client_seconds",
    "Time of gRPC calls to other services, including retries",
    ["method", "code"],
    buckets=SECONDS_BUCKETS,
)
messages = Counter("loupe_messages_total", "Messages consumed", ["durable", "outcome"])
message_seconds = Histogram(
    "loupe_message_seconds", "Time to handle a message", ["durable"], buckets=SECONDS_BUCKETS
)
refusals = Counter("loupe_rpc_refusals_total", "gRPC calls answered with an error", ["method", "reason"])


class Readiness:
    """The dependencies of a service by name. The service is ready if none is missing."""

    def __init__(self, *dependencies: str) -> None:
        self._missing = set(dependencies)
        self._checks: dict[str, Callable[[], bool]] = {}
        self.loop_ran_at = time.monotonic()
        """When the event loop last ran, on the monotonic clock."""

    def mark_ready(self, dependency: str) -> None:
        self._missing.discard(dependency)

    def watch(self, dependency: str, check: Callable[[], bool]) -> None:
        """Mark the dependency as ready, but missing again whenever `check()` returns False."""
        self.mark_ready(dependency)
        self._checks[dependency] = check

    def missing(self) -> list[str]:
        """Return the names of the missing dependencies, sorted."""
        return sorted(self._missing | {name for name, check in self._checks.items() if not check()})


def setup(service: str) -> None:
    """Prepare the metrics of this process and report its version in `loupe_build_info`."""
    disable_created_metrics()  # saves one time series for each histogram and counter
    build_info.labels(service, metadata.version(f"loupe-{service}")).set(1)


async def keep_updated(what: str, measure: Callable[[], Awaitable[None]]) -> None:
    """Call `measure` every 15 seconds to update gauges.

    If it fails, the gauges keep their old values, and `loupe_measured_timestamp_seconds` shows their age.
    """

    async def step() -> None:
        try:
            await measure()
        except Exception as error:  # noqa: BLE001  any error: the next attempt may succeed
            LOG.warning(
                "gauges not updated",
                what=what,
                error=log.error_text(error),
                action=f"old values stay, next attempt in {MEASURE_SECONDS:.0f} s",
            )
        else:
            measured_at.labels(what).set_to_current_time()

    await process.every(MEASURE_SECONDS, step)


async def serve(listen: str, readiness: Readiness) -> None:
    """Serve `/metrics`, `/healthz` and `/readyz` on `host:port` until cancelled."""
    host, port = host_and_port(listen)
    server_class = _DualStackServer if ":" in host else _ThreadedServer
    server = make_server(host, port, _application(readiness), server_class, _QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        while True:
            readiness.loop_ran_at = time.monotonic()
            await asyncio.sleep(1.0)
            loop_lag_seconds.observe(max(0.0, time.monotonic() - readiness.loop_ran_at - 1.0))
    finally:
        server.shutdown()
        server.server_close()


class _ThreadedServer(ThreadingMixIn, WSGIServer):
    """One thread for each connection, so that a silent client does not block the others."""

    daemon_threads = True


class _DualStackServer(_ThreadedServer):
    """Listens on an IPv6 address; on `::` it takes IPv4 connections too."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _QuietHandler(WSGIRequestHandler):
    """Logs no requests, because probes and scrapes arrive every few seconds."""

    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by the base class
        pass


def _application(readiness: Readiness) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """Return the WSGI application that answers probes and scrapes."""
    metrics = make_wsgi_app()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/healthz":
            blocked_seconds = time.monotonic() - readiness.loop_ran_at
            blocked = f"event loop blocked for {blocked_seconds:.0f} s"
            return _answer(start_response, [blocked] if blocked_seconds >= LOOP_BLOCKED_SECONDS else [])
        if path == "/readyz":
            return _answer(start_response, [f"waiting for {name}" for name in readiness.missing()])
        return metrics(environ, start_response)

    return application


def _answer(start_response: Callable[..., Any], problems: list[str]) -> list[bytes]:
    start_response("503 Service Unavailable" if problems else "200 OK", [("Content-Type", "text/plain")])
    return [("\n".join(problems) or "ok").encode()]
