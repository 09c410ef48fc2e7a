"""Traces and request ids, which connect the log lines and spans of all services for one request.

Spans come from OpenTelemetry, and their attributes follow its semantic conventions. They cost next to nothing
unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. The context travels between services as W3C Trace Context.
"""

import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from importlib import metadata
from typing import NamedTuple

from opentelemetry import propagate
from opentelemetry import trace as otel
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

REQUEST_ID_KEY = "x-request-id"
PARENT_KEY = "traceparent"
CLIENT_ADDRESS_KEY = "x-client-address"
USER_AGENT_KEY = "x-client-user-agent"
FLUSH_SECONDS = 3.0
Attributes = Mapping[str, str | int]
is_on = any(
    os.environ.get(name) for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
)
request_id: ContextVar[str] = ContextVar("request_id", default="")
client_address: ContextVar[str] = ContextVar("client_address", default="")
"""The network address of the client behind a call, as the gateway found it. Empty if no client is known."""
user_agent: ContextVar[str] = ContextVar("user_agent", default="")
"""The client's name for itself (`User-Agent`), in printable ASCII. Empty if it sends none."""

NO_SPAN = contextlib.nullcontext(otel.INVALID_SPAN)
_tracer = otel.get_tracer("loupe")
_shutdown_steps = list[Callable[[], None]]()


class Origin(NamedTuple):
    """The request that caused an event or a job. It is stored, so that later work belongs to its trace."""

    request_id: str | None = None
    trace_parent: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers that carry this request in a message. What is None is left out."""
        named = {REQUEST_ID_KEY: self.request_id, PARENT_KEY: self.trace_parent}
        return {key: value for key, value in named.items() if value}


def setup(service: str) -> None:
    """Start OpenTelemetry's SDK if an endpoint is set. Otherwise it is not even imported."""
    if not is_on:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = {
        "service.name": f"loupe-{service}",
        "service.version": metadata.version(f"loupe-{service}"),
        "service.instance.id": str(uuid.uuid4()),
    }
    provider = TracerProvider(resource=Resource.create(resource), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    otel.set_tracer_provider(provider)
    _shutdown_steps.append(provider.shutdown)


def finish() -> None:
    """Send the remaining spans. A collector that does not answer delays the exit by 3 seconds at most."""
    for shutdown in _shutdown_steps:
        thread = threading.Thread(target=shutdown, daemon=True)
        thread.start()
        thread.join(FLUSH_SECONDS)
    _shutdown_steps.clear()


def outgoing_headers() -> list[tuple[str, str]]:
    """Return headers for a call to another service: request id, client, and trace context if it is on."""
    named = (
        (REQUEST_ID_KEY, request_id.get()),
        (CLIENT_ADDRESS_KEY, client_address.get()),
        (USER_AGENT_KEY, user_agent.get()),
    )
    headers = [(key, value) for key, value in named if value]
    if is_on:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        headers.extend(carrier.items())
    return headers


def current_origin() -> Origin:
    """Return the id of the current request and its trace context."""
    headers = dict(outgoing_headers())
    return Origin(headers.get(REQUEST_ID_KEY), headers.get(PARENT_KEY))


def current_ids() -> dict[str, str]:
    """Return `trace_id` and `span_id` of the current span in hexadecimal, or nothing without a span."""
    context = otel.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def span(
    name: str,
    kind: SpanKind,
    attributes: Attributes | None = None,
    *,
    carrier: Mapping[str, str] | None = None,
) -> AbstractContextManager[Span]:
    """Open a span in the current trace, or in the trace that the headers in `carrier` name.

    An exception marks the span as failed, unless the caller catches it inside the block. If tracing is off,
    the span does nothing.
    """
    return _recorded(name, kind, attributes, carrier) if is_on else NO_SPAN


@contextlib.contextmanager
def _recorded(
    name: str, kind: SpanKind, attributes: Attributes | None, carrier: Mapping[str, str] | None
) -> Generator[Span]:
    context = None if carrier is None else propagate.extract(carrier)
    with _tracer.start_as_current_span(
        name, context, kind, dict(attributes or {}), record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            fail(current, type(error).__qualname__, error)
            raise


def fail(current: Span, kind: str, error: Exception | None = None) -> None:
    """Mark the span as failed with an error of this kind, and record the traceback of `error` in it."""
    if not current.is_recording():
        return
    current.set_attribute("error.type", kind)
    current.set_status(Status(StatusCode.ERROR, str(error) if error else None))
    if error:
        current.record_exception(error)
