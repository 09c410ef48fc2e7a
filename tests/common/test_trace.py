"""Spans and metrics of calls, and a trace collector that is down or does not answer."""

import socket
from collections.abc import Generator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY

from common import errors, rpc, trace
from loupe.images.v1 import images_pb2 as pb
from tests.common.harness import Serve
from tests.common.service_log import line_of, read_log

METHOD = "/loupe.images.v1.ImagesService/GetImage"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Generator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "is_on", True)
    monkeypatch.setattr(trace, "_tracer", provider.get_tracer("tests"))
    yield exporter
    provider.shutdown()


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"method": METHOD, **labels}) or 0.0


async def both_sides(
    serve: Serve, spans: InMemorySpanExporter, error: Exception | None
) -> tuple[ReadableSpan, ReadableSpan]:
    """Make a call, and return the spans of the caller and of the servicer."""

    async def answer(request: object, context: rpc.Context) -> object:
        if error:
            raise error
        return pb.GetImageResponse()

    images = await serve(GetImage=answer)
    spans.clear()
    try:
        await images.stub.GetImage(pb.GetImageRequest(id=1))
    except errors.ServiceError:
        assert error
    by_kind = {span.kind: span for span in spans.get_finished_spans() if span.name == METHOD[1:]}
    return by_kind[SpanKind.CLIENT], by_kind[SpanKind.SERVER]


async def test_a_call_is_one_trace_on_both_sides(serve: Serve, spans: InMemorySpanExporter) -> None:
    caller, servicer = await both_sides(serve, spans, None)

    assert servicer.parent
    assert caller.context
    assert (servicer.parent.trace_id, servicer.parent.span_id) == (
        caller.context.trace_id,
        caller.context.span_id,
    )
    assert caller.attributes == {"rpc.system.name": "grpc", "rpc.method": METHOD[1:]}
    assert {caller.status.status_code, servicer.status.status_code} == {StatusCode.UNSET}


async def test_a_refusal_does_not_mark_the_servers_span_as_failed(
    serve: Serve, spans: InMemorySpanExporter
) -> None:
    caller, servicer = await both_sides(serve, spans, errors.NotFound("no image 1", reason="image_not_found"))

    assert caller.status.status_code is StatusCode.ERROR
    assert servicer.status.status_code is StatusCode.UNSET
    assert servicer.attributes
    assert servicer.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert not servicer.events


async def test_an_unexpected_error_fails_both_spans_and_leaves_its_traceback(
    serve: Serve, spans: InMemorySpanExporter
) -> None:
    caller, servicer = await both_sides(serve, spans, KeyError("the cause"))

    assert {caller.status.status_code, servicer.status.status_code} == {StatusCode.ERROR}
    assert servicer.attributes
    assert servicer.attributes["error.type"] == "internal_error"
    [event] = servicer.events
    assert event.attributes
    assert "KeyError: 'the cause'" in str(event.attributes["exception.stacktrace"])
    assert caller.attributes
    assert caller.attributes["rpc.response.status_code"] == "INTERNAL"


async def test_calls_are_counted_on_both_sides(serve: Serve, spans: InMemorySpanExporter) -> None:
    names = ("loupe_rpc_client_seconds_count", "loupe_rpc_server_seconds_count")
    before = [value(name, code="NOT_FOUND") for name in names]
    refused = value("loupe_rpc_refusals_total", reason="image_not_found")

    await both_sides(serve, spans, errors.NotFound("no image 1", reason="image_not_found"))

    assert [value(name, code="NOT_FOUND") for name in names] == [count + 1 for count in before]
    assert value("loupe_rpc_refusals_total", reason="image_not_found") == refused + 1


async def test_log_lines_have_trace_and_span_ids_if_tracing_is_on() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        lines = await read_log({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{unused.getsockname()[1]}"})

    line = line_of(lines, "looked up")
    assert len(str(line["trace_id"])) == 32
    assert len(str(line["span_id"])) == 16
    assert "trace_id" not in line_of(lines, "ready")


async def test_a_collector_that_does_not_answer_does_not_block_the_exit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stuck:
        lines = await read_log({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{stuck.getsockname()[1]}"})

    assert {"looked up", "internal error", "stop signal received"} <= {line["event"] for line in lines}
