"""W3C trace context and request ids: what a call carries so that its lines and spans can be joined later.

Spans are OpenTelemetry's and cost next to nothing until an SDK is configured by
`OTEL_EXPORTER_OTLP_ENDPOINT`.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import propagate
from opentelemetry import trace as otel
from opentelemetry.trace import SpanKind

REQUEST_ID_KEY = "x-request-id"
is_on = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
request_id: ContextVar[str] = ContextVar("request_id", default="")

_tracer = otel.get_tracer("loupe")


def setup(service: str) -> None:
    """Connects the SDK where an endpoint is set; the SDK is only imported then."""
    if not is_on:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"loupe-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    otel.set_tracer_provider(provider)


def outgoing() -> list[tuple[str, str]]:
    """Headers for a call that continues this one."""
    headers = [(REQUEST_ID_KEY, request_id.get())] if request_id.get() else []
    if is_on:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        headers.extend(carrier.items())
    return headers


def parent() -> str | None:
    """The `traceparent` of the current span (W3C Trace Context), if any."""
    return dict(outgoing()).get("traceparent") if is_on else None


@contextmanager
def span(name: str, kind: SpanKind, carrier: Mapping[str, str]) -> Generator[None]:
    """A span that continues the trace found in `carrier`; nothing while tracing is off."""
    if not is_on:
        yield
        return
    with _tracer.start_as_current_span(name, context=propagate.extract(dict(carrier)), kind=kind):
        yield
