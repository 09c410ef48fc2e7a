"""An OTLP collector for tests. It receives spans by HTTP and stores them.

Inside `stuck()` it accepts requests and answers none.
"""

import base64
import contextlib
import gzip
import re
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as Request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse as Response
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Received:
    """A span and the service that sent it."""

    service: str
    span: Span

    @property
    def attributes(self) -> dict[str, str | int]:
        return {
            each.key: each.value.string_value or each.value.int_value or each.value.double_value  # pyright: ignore[reportReturnType]
            for each in self.span.attributes
        }


@dataclass
class Collector:
    """The received spans and the number of requests."""

    port: int
    received: list[Received] = field(default_factory=list[Received])
    requests: int = 0
    is_answering: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def trace(self, trace_id: bytes) -> list[Received]:
        return [one for one in self.received if one.span.trace_id == trace_id]

    @contextlib.contextmanager
    def stuck(self) -> Generator[None]:
        self.is_answering.clear()
        try:
            yield
        finally:
            self.is_answering.set()


@contextlib.contextmanager
def collector() -> Generator[Collector]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    running = Collector(server.server_port)
    running.is_answering.set()
    server.RequestHandlerClass = _handler(running)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield running
    finally:
        running.is_answering.set()
        server.shutdown()
        serving.join()
        server.server_close()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests += 1
            collector.is_answering.wait()
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            kind = self.headers["content-type"]
            request = _from_json(body) if kind == "application/json" else Request.FromString(body)
            collector.received.extend(_spans(request))
            answer = Response().SerializeToString()
            with contextlib.suppress(ConnectionError):  # a client that waited too long may have disconnected
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  named by the base class
            pass

    return Handler


def _from_json(body: bytes) -> Request:
    """Parse spans as Triton sends them: ids are hexadecimal, unlike other bytes in protobuf's JSON."""
    text = re.sub(
        r'("(?:traceId|spanId|parentSpanId)"\s*:\s*")([0-9a-fA-F]*)"',
        lambda found: f'{found[1]}{base64.b64encode(bytes.fromhex(found[2])).decode()}"',
        body.decode(),
    )
    return json_format.Parse(text, Request(), ignore_unknown_fields=True)


def _spans(request: Request) -> Generator[Received]:
    for resource in request.resource_spans:
        attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(attributes["service.name"], span)
