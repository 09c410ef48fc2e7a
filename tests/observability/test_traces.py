"""One upload is one trace through every service and Triton, and its log lines name the request."""

import asyncio
import secrets
from collections.abc import Callable

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.client import upload_image, wait_for_status
from tests.observability.collector import Received
from tests.observability.conftest import Traced

UPLOAD = "POST /api/images/upscale"
JOB = "process images.queued.standard"


async def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def upscaled(client: httpx2.AsyncClient, photo: bytes, request_id: str) -> int:
    client.headers["X-Request-Id"] = request_id
    image_id = await upload_image(client, photo, scale_factor=2)
    del client.headers["X-Request-Id"]
    return image_id


async def trace_of(traced: Traced, request_id: str) -> list[Received]:
    """Return the spans of an upload, without Triton's, which may arrive at any time.

    Wait until the gateway, the worker and billing have sent their spans.
    """
    names = {UPLOAD, JOB, "process images.completed"}

    def is_whole() -> bool:
        spans = [one for one in traced.trace_of(request_id) if one.service != "loupe-triton"]
        known = {one.span.span_id for one in spans}
        roots = [one.span.name for one in spans if one.span.parent_span_id not in known]
        return names <= {one.span.name for one in spans} and len(roots) == 1

    await eventually(is_whole)
    return [one for one in traced.trace_of(request_id) if one.service != "loupe-triton"]


async def test_an_upload_is_one_trace(traced: Traced, jane: httpx2.AsyncClient, photo: bytes) -> None:
    image_id = await upscaled(jane, photo, "one-trace")
    await wait_for_status(jane, image_id, "completed")

    spans = await trace_of(traced, "one-trace")

    parents = {one.span.span_id: one.span.parent_span_id for one in spans}
    names = {(one.service, one.span.name) for one in spans}
    assert [one.span.name for one in spans if one.span.parent_span_id not in parents] == [UPLOAD]
    assert names >= {
        ("loupe-gateway", "loupe.images.v1.ImagesService/Upscale"),
        ("loupe-images", "loupe.images.v1.ImagesService/Upscale"),
        ("loupe-images", "loupe.billing.v1.BillingService/Reserve"),
        ("loupe-billing", "loupe.billing.v1.BillingService/Reserve"),
        ("loupe-images", "S3 put"),
        ("loupe-images", "publish images.queued.standard"),
        ("loupe-inference", JOB),
        ("loupe-images", "loupe.images.v1.ImagesService/StartWork"),
        ("loupe-images", "loupe.images.v1.ImagesService/KeepWorking"),
        ("loupe-inference", "S3 get"),
        ("loupe-inference", "publish inference.finished"),
        ("loupe-images", "process inference.finished"),
        ("loupe-billing", "process images.completed"),
    }


async def test_tritons_spans_belong_to_the_trace(
    traced: Traced, jane: httpx2.AsyncClient, photo: bytes
) -> None:
    """Triton loses about one trace in ten, so the test makes several uploads.

    It reads the trace header past its end: `GrpcServerCarrier::Get` takes gRPC's strings as zero-terminated.
    """
    uploads = [f"with-triton-{number}" for number in range(8)]
    for request_id in uploads:
        await wait_for_status(jane, await upscaled(jane, photo, request_id), "completed")

    def span_names() -> set[str]:
        """Return the names of Triton's spans whose parents are calls of the worker."""
        spans = [one for request_id in uploads for one in traced.trace_of(request_id)]
        calls = {one.span.span_id for one in spans if one.span.name.startswith("infer ")}
        of_triton = [one.span for one in spans if one.service == "loupe-triton"]
        return {span.name for span in of_triton if span.parent_span_id in calls}

    await eventually(lambda: bool(span_names()))
    assert span_names() == {"InferRequest"}


async def test_a_trace_that_a_client_sends_is_continued(traced: Traced, jane: httpx2.AsyncClient) -> None:
    trace_id, span_id = secrets.token_bytes(16), secrets.token_bytes(8)
    headers = {"traceparent": f"00-{trace_id.hex()}-{span_id.hex()}-01"}

    await jane.get("/api/images", headers=headers)

    await eventually(lambda: any(one.service == "loupe-images" for one in traced.collector.trace(trace_id)))
    await eventually(
        lambda: any(one.span.name.startswith("GET ") for one in traced.collector.trace(trace_id))
    )
    [server_span] = [one for one in traced.collector.trace(trace_id) if one.span.name.startswith("GET ")]
    assert server_span.span.parent_span_id == span_id


async def test_a_job_that_waited_for_another_job_belongs_to_the_trace_of_its_own_upload(
    traced: Traced, jane: httpx2.AsyncClient, photo: bytes
) -> None:
    first = await upscaled(jane, photo, "came-first")
    second = await upscaled(jane, photo, "came-second")
    await wait_for_status(jane, first, "completed")
    await wait_for_status(jane, second, "completed")

    done = {
        line["image_id"]: line["request_id"]
        for line in traced.lines("inference", "image upscaled and stored")
    }
    spans = await trace_of(traced, "came-second")

    assert (done[first], done[second]) == ("came-first", "came-second")
    assert [one.service for one in spans if one.span.name == JOB] == ["loupe-inference"]
    assert (
        len({one.span.trace_id for one in await trace_of(traced, "came-first")} & {spans[0].span.trace_id})
        == 0
    )


async def test_spans_describe_the_request_and_its_outcome(traced: Traced, jane: httpx2.AsyncClient) -> None:
    trace_id = secrets.token_bytes(16)

    await jane.get("/api/images/999999999", headers={"traceparent": f"00-{trace_id.hex()}-{'1' * 16}-01"})

    await eventually(lambda: len([one for one in traced.collector.trace(trace_id) if is_lookup(one)]) == 2)
    await eventually(
        lambda: any(one.span.name.startswith("GET ") for one in traced.collector.trace(trace_id))
    )
    spans = traced.collector.trace(trace_id)
    [server_span] = [one for one in spans if one.span.name.startswith("GET ")]
    [caller] = [one for one in spans if is_lookup(one) and one.span.kind == Span.SPAN_KIND_CLIENT]
    [servicer] = [one for one in spans if is_lookup(one) and one.span.kind == Span.SPAN_KIND_SERVER]
    assert server_span.span.name == "GET /api/images/{image_id}"
    assert server_span.attributes["http.route"] == "/api/images/{image_id}"
    assert server_span.attributes["http.response.status_code"] == 404
    assert caller.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert servicer.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert caller.span.status.code == Status.STATUS_CODE_ERROR
    assert servicer.span.status.code == Status.STATUS_CODE_UNSET
    assert server_span.span.status.code == Status.STATUS_CODE_UNSET


def is_lookup(received: Received) -> bool:
    return received.span.name == "loupe.images.v1.ImagesService/GetImage"


async def test_no_span_contains_a_secret(traced: Traced, jane: httpx2.AsyncClient) -> None:
    trace_id, link = secrets.token_bytes(16), secrets.token_hex(20)

    await jane.get(f"/api/email/verify/{link}", headers={"traceparent": f"00-{trace_id.hex()}-{'1' * 16}-01"})

    await eventually(lambda: any("/api/email" in one.span.name for one in traced.collector.trace(trace_id)))
    everything = "".join(str(one.span) for one in traced.collector.received)
    assert link not in everything
    assert traced.stack.token not in everything


@pytest.mark.parametrize("uploads", [3])
async def test_a_collector_that_does_not_answer_slows_nothing(
    traced: Traced, jane: httpx2.AsyncClient, photo: bytes, uploads: int
) -> None:
    with traced.collector.stuck():
        before = traced.collector.requests
        await eventually(lambda: traced.collector.requests > before)
        answers = [await jane.get("/api/images") for _ in range(200)]  # more spans than a queue holds
        images = [await upscaled(jane, photo, f"unreported-{number}") for number in range(uploads)]
        ended = [await wait_for_status(jane, image_id, "completed") for image_id in images]

    assert {answer.status_code for answer in answers} == {200}
    assert len(ended) == uploads
