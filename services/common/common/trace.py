"""W3C trace context and request ids: what a call carries so that its lines and spans can be joined later.

Spans are OpenTelemetry's and cost next to nothing until an SDK is configured by
`OTEL_EXPORTER_OTLP_ENDPOINT`. Their attributes are named by its semantic conventions.
"""

import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from importlib import metadata
from typing import NamedTuple

from opentelemetry import propagate
from opentelemetry import trace as otel
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

REQUEST_ID_KEY = "x-request-id"
PARENT_KEY = "traceparent"
FINISH_SECONDS = 3.0
Attributes = Mapping[str, str | int]
is_on = any(
    os.environ.get(name) for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
)
request_id: ContextVar[str] = ContextVar("request_id", default="")

_tracer = otel.get_tracer("loupe")
_endings = list[Callable[[], None]]()


class Origin(NamedTuple):
    """The request that caused something; kept with what is done later, so that it still belongs to it."""

    request_id: str | None = None
    trace_parent: str | None = None

    def headers(self) -> dict[str, str]:
        named = {REQUEST_ID_KEY: self.request_id, PARENT_KEY: self.trace_parent}
        return {key: value for key, value in named.items() if value}


def setup(service: str) -> None:
    """Connects the SDK where an endpoint is set; the SDK is only imported then."""
    if not is_on:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    described = {
        "service.name": f"loupe-{service}",
        "service.version": metadata.version(f"loupe-{service}"),
        "service.instance.id": str(uuid.uuid4()),
    }
    provider = TracerProvider(resource=Resource.create(described), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    otel.set_tracer_provider(provider)
    _endings.append(provider.shutdown)


def finish() -> None:
    """Sends what is left, for a moment: a collector that does not answer keeps nobody from ending."""
    for end in _endings:
        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        ending.join(FINISH_SECONDS)
    _endings.clear()


def outgoing() -> list[tuple[str, str]]:
    """Headers for a call that continues this one."""
    headers = [(REQUEST_ID_KEY, request_id.get())] if request_id.get() else []
    if is_on:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        headers.extend(carrier.items())
    return headers


def here() -> Origin:
    """The request at work, and its current span (W3C Trace Context) where there is one."""
    headers = dict(outgoing())
    return Origin(headers.get(REQUEST_ID_KEY), headers.get(PARENT_KEY))


def ids() -> dict[str, str]:
    """Of the current span, as lines name them."""
    context = otel.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


@contextlib.contextmanager
def span(
    name: str,
    kind: SpanKind,
    attributes: Attributes | None = None,
    *,
    carrier: Mapping[str, str] | None = None,
) -> Generator[Span]:
    """A span of the current trace, or of the one found in `carrier`; it does nothing while tracing is off.

    What is raised in it fails it; who knows better catches that and calls `fail`, or nothing.
    """
    if not is_on:
        yield otel.INVALID_SPAN
        return
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
    """Marks the span as failed; `error` leaves its traceback there."""
    if not current.is_recording():
        return
    current.set_attribute("error.type", kind)
    current.set_status(Status(StatusCode.ERROR, str(error) if error else None))
    if error:
        current.record_exception(error)
