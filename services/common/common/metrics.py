"""Prometheus metrics that every service has, the loop that keeps gauges up to date, and the small HTTP server
behind probes and scrapes.

The server answers from a thread of its own: `/healthz` says whether the event loop still turns, `/readyz`
whether the service has all it needs.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from importlib import metadata
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, make_wsgi_app

from common import log, process

LOG = log.get(__name__)
SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LOOP_SILENT_SECONDS = 15.0
MEASURE_SECONDS = 15.0
"""Between two looks at a database or the broker, however often somebody scrapes."""

build_info = Gauge("loupe_build_info", "What runs here: always 1", ["component", "version"])
loop_lag_seconds = Histogram(
    "loupe_loop_lag_seconds", "How late the event loop is, looked at each second", buckets=SECONDS_BUCKETS
)
measured_at = Gauge(
    "loupe_measured_timestamp_seconds", "When the gauges about it were last brought up to date", ["what"]
)
rpc_seconds = Histogram(
    "loupe_rpc_server_seconds", "gRPC calls answered", ["method", "code"], buckets=SECONDS_BUCKETS
)
rpc_client_seconds = Histogram(
    "loupe_rpc_client_seconds",
    "gRPC calls made, tries again included",
    ["method", "code"],
    buckets=SECONDS_BUCKETS,
)
messages = Counter("loupe_messages_total", "Messages consumed", ["durable", "outcome"])
message_seconds = Histogram(
    "loupe_message_seconds", "Time to handle a message", ["durable"], buckets=SECONDS_BUCKETS
)
refusals = Counter("loupe_rpc_refusals_total", "gRPC calls answered with an error", ["method", "reason"])


class Readiness:
    """What is still missing, by name. Ready when nothing is."""

    def __init__(self, *needs: str) -> None:
        self._missing = set(needs)
        self._checks: dict[str, Callable[[], bool]] = {}
        self.turned_at = time.monotonic()

    def have(self, need: str) -> None:
        self._missing.discard(need)

    def watch(self, need: str, check: Callable[[], bool]) -> None:
        """From now on `check()` says whether it is there."""
        self.have(need)
        self._checks[need] = check

    def missing(self) -> list[str]:
        return sorted(self._missing | {need for need, check in self._checks.items() if not check()})


def setup(service: str) -> None:
    disable_created_metrics()  # a series more for each histogram and counter, which Prometheus does not need
    build_info.labels(service, metadata.version(f"loupe-{service}")).set(1)


async def keep(what: str, measure: Callable[[], Awaitable[None]]) -> None:
    """Measures again and again. While that fails its gauges stay as they were; `measured_at` tells since
    when.
    """

    async def step() -> None:
        try:
            await measure()
        except Exception as error:  # noqa: BLE001  whatever it is, the next look may succeed
            LOG.warning("not measured", what=what, error=f"{type(error).__name__}: {error}")
        else:
            measured_at.labels(what).set_to_current_time()

    await process.every(MEASURE_SECONDS, step)


async def serve(listen: str, readiness: Readiness) -> None:
    """Serves `/metrics`, `/healthz` and `/readyz` on `host:port` until cancelled."""
    host, _, port = listen.rpartition(":")
    server = make_server(host, int(port), _application(readiness), _Threads, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        while True:
            readiness.turned_at = time.monotonic()
            await asyncio.sleep(1.0)
            loop_lag_seconds.observe(max(0.0, time.monotonic() - readiness.turned_at - 1.0))
    finally:
        server.shutdown()
        server.server_close()


class _Threads(ThreadingMixIn, WSGIServer):
    """A client that connects and says nothing keeps nobody else waiting."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by the base class
        pass


def _application(readiness: Readiness) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    metrics = make_wsgi_app()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/healthz":
            silent = time.monotonic() - readiness.turned_at
            return _answer(
                start_response, [] if silent < LOOP_SILENT_SECONDS else [f"no turn for {silent:.0f} s"]
            )
        if path == "/readyz":
            return _answer(start_response, [f"waiting for {need}" for need in readiness.missing()])
        return metrics(environ, start_response)

    return application


def _answer(start_response: Callable[..., Any], problems: list[str]) -> list[bytes]:
    start_response("503 Service Unavailable" if problems else "200 OK", [("Content-Type", "text/plain")])
    return [("\n".join(problems) or "ok").encode()]
