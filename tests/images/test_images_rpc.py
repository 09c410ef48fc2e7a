"""Who may call which gRPC method of images, and what its responses contain."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx2
import pytest
from PIL import Image

from common import errors
from images.domain import jobs
from images.tables import Status
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import ABILITIES, RULES, Harness, insert_image
from tests.images.upload_traces import set_plan
from tests.pixels import encoded

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

JANE, OMAR = 1, 2
PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))
ABILITY_OF_METHOD = {
    "Upscale": "images:write",
    "Estimate": "user:read",
    "GetImage": "images:read",
    "ListImages": "images:read",
    "GetDownload": "images:read",
    "GetPyramid": "images:read",
    "DeleteImage": "images:delete",
    "CreateBatch": "images:write",
    "CreateManifest": "images:write",
    "GetBatch": "images:read",
    "ListBatches": "images:read",
    "DeleteBatch": "images:delete",
    "ReadResult": "images:read",
    "ListBatchImages": "images:read",
    "RetryImage": "images:write",
    "RetryBatch": "images:write",
}
WORKER_METHODS = ("StartWork", "StopWork", "KeepWorking", "AnnounceModels")
GATEWAY_METHODS = ("ListModels",)
OPERATOR_METHODS = (
    "ListDeadMessages",
    "RedriveDeadMessage",
    "CheckObjects",
    "ReplayEndings",
    "GetQueue",
    "GetStorage",
    "GetSettings",
)


async def call(images: "ImagesServiceAsyncStub", method: str, **fields: Any) -> Any:
    if method == "Upscale":
        return await images.Upscale(send_upload(**fields))
    if method == "CreateBatch":
        return await images.CreateBatch(send_batch_upload())
    if method == "ReadResult":
        return [part async for part in images.ReadResult(pb.ReadResultRequest(**fields))]
    return await getattr(images, method)(getattr(pb, f"{method}Request")(**fields))


async def send_upload(
    data: bytes = PHOTO, filename: str = "photo.jpg", **options: Any
) -> AsyncIterator[pb.UpscaleRequest]:
    yield pb.UpscaleRequest(start=pb.UpscaleRequest.Start(filename=filename, api_request=False))
    for start in range(0, len(data), 1000):
        yield pb.UpscaleRequest(chunk=data[start : start + 1000])
    yield pb.UpscaleRequest(options=pb.UpscaleRequest.Options(**options))


async def send_batch_upload(**options: Any) -> AsyncIterator[pb.CreateBatchRequest]:
    yield pb.CreateBatchRequest(file=pb.CreateBatchRequest.File(filename="photo.jpg"))
    yield pb.CreateBatchRequest(chunk=PHOTO)
    yield pb.CreateBatchRequest(options=pb.CreateBatchRequest.Options(**options))


@pytest.mark.parametrize("method", ABILITY_OF_METHOD)
async def test_a_token_without_the_methods_ability_is_refused(harness: Harness, method: str) -> None:
    others = [ability for ability in ABILITIES if ability != ABILITY_OF_METHOD[method]]

    with pytest.raises(errors.PermissionDenied) as caught:
        await call(harness.user(JANE, *others), method)

    assert caught.value.reason == "missing_ability"


@pytest.mark.parametrize("method", ABILITY_OF_METHOD)
async def test_a_method_needs_no_other_ability(harness: Harness, method: str) -> None:
    await set_plan(harness, "professional", JANE)

    page = {"page": 1, "per_page": 15} if method.startswith("List") else {}
    page |= {"width": "4", "height": "3"} if method == "Estimate" else {}

    try:
        await call(harness.user(JANE, ABILITY_OF_METHOD[method]), method, **page)
    except errors.InvalidArgument:
        assert method == "CreateManifest"
    except errors.NotFound as error:
        assert error.reason in ("image_not_found", "batch_not_found")  # noqa: PT017  no object has this id


@pytest.mark.parametrize("method", [*WORKER_METHODS, *OPERATOR_METHODS, *GATEWAY_METHODS])
async def test_users_cannot_call_methods_of_services_or_operators(harness: Harness, method: str) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await call(harness.user(JANE), method)

    assert caught.value.reason == "caller_refused"


@pytest.mark.parametrize("method", OPERATOR_METHODS)
async def test_services_cannot_call_methods_of_operators(harness: Harness, method: str) -> None:
    for service in ("gateway", "billing", "inference"):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call(harness.service(service), method)

        assert caught.value.reason == "caller_refused"


@pytest.mark.parametrize("method", [*ABILITY_OF_METHOD, *WORKER_METHODS])
async def test_other_services_cannot_call_methods_of_users_or_workers(harness: Harness, method: str) -> None:
    for service in ("gateway", "billing", "operator"):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call(harness.service(service), method)

        assert caught.value.reason == "caller_refused"


@pytest.mark.parametrize("method", ABILITY_OF_METHOD)
async def test_a_worker_cannot_act_for_a_user(harness: Harness, method: str) -> None:
    with pytest.raises(errors.PermissionDenied):
        await call(harness.service("inference"), method)


@pytest.mark.parametrize("method", [*ABILITY_OF_METHOD, *WORKER_METHODS, *OPERATOR_METHODS, *GATEWAY_METHODS])
async def test_a_token_for_another_service_is_refused(harness: Harness, method: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        await call(harness.with_token(harness.tokens.service("inference", "billing")), method)


async def test_an_upload_returns_the_image_and_the_usage_of_the_month(harness: Harness) -> None:
    answer = await harness.user(JANE).Upscale(send_upload(target_width="30"))

    image = answer.image
    assert (answer.quota_used, answer.quota_limit) == (1, 2)
    assert (image.status, image.original_bytes, image.api_request) == (pb.STATUS_PENDING, len(PHOTO), False)
    assert (image.scale_factor, image.target_width, image.target_height) == (0, 30, 0)
    assert (image.original_size.width, image.original_size.height) == (24, 16)
    assert not image.HasField("upscaled_size")
    assert not image.HasField("queue_seconds")


async def test_both_kinds_of_upload_return_the_usage_of_the_month_with_its_version(harness: Harness) -> None:
    await set_plan(harness, "professional", JANE)

    single = await harness.user(JANE).Upscale(send_upload())
    batch = await harness.user(JANE).CreateBatch(send_batch_upload())

    for response, used in ((single, 1), (batch, 2)):
        assert (response.usage.used, response.usage.limit, response.usage.version) == (used, 250, used)
        assert response.usage.period_start.seconds > 0
        assert (response.quota_used, response.quota_limit, response.quota_version) == (used, 250, used)


async def test_an_error_names_every_field_at_fault(harness: Harness) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.user(JANE).Upscale(send_upload(b"text", scale_factor="9"))

    assert caught.value.reason == "validation_failed"
    assert sorted(caught.value.fields) == ["image", "scale_factor"]


async def test_a_file_over_the_limit_is_refused_while_it_arrives(harness: Harness) -> None:
    async def endless() -> AsyncIterator[pb.UpscaleRequest]:
        while True:
            yield pb.UpscaleRequest(chunk=b"\xff" * (256 << 10))

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.user(JANE).Upscale(endless(), timeout=30)

    assert caught.value.fields == {"image": ["The image may not be greater than 10 MB."]}


async def test_a_started_image_is_processing_and_its_work_order_says_what_to_make(harness: Harness) -> None:
    user, worker = harness.user(JANE), harness.service()
    image_id = (await user.Upscale(send_upload(filename="кот.jpg"))).image.id

    order = (await worker.StartWork(pb.StartWorkRequest(image_id=image_id))).order
    response = await worker.KeepWorking(pb.KeepWorkingRequest(image_id=image_id, fence=order.fence))
    working = (await user.GetImage(pb.GetImageRequest(id=image_id))).image

    assert (order.image_id, order.fence, order.format) == (image_id, 1, pb.FORMAT_JPEG)
    assert (order.size.width, order.size.height) == (48, 32)
    assert order.upscaled_path == order.original_path.replace("originals", "upscaled")
    assert response.wanted
    assert working.status == pb.STATUS_PROCESSING
    assert working.queue_seconds >= 0
    assert working.download_url == ""


async def test_a_worker_that_stops_frees_the_image_at_once(harness: Harness) -> None:
    image = await insert_image(harness.sessions)
    worker, image_id = harness.service(), image.id or 0
    await worker.StartWork(pb.StartWorkRequest(image_id=image_id))

    with pytest.raises(errors.FailedPrecondition) as caught:
        await worker.StartWork(pb.StartWorkRequest(image_id=image_id))
    await worker.StopWork(pb.StopWorkRequest(image_id=image_id, fence=1))
    again = await worker.StartWork(pb.StartWorkRequest(image_id=image_id))

    assert caught.value.reason == "image_busy"
    assert again.order.fence == 2


async def test_there_is_no_work_for_an_image_that_does_not_exist(harness: Harness) -> None:
    worker = harness.service()

    started = await worker.StartWork(pb.StartWorkRequest(image_id=12345))
    response = await worker.KeepWorking(pb.KeepWorkingRequest(image_id=12345, fence=1))
    await worker.StopWork(pb.StopWorkRequest(image_id=12345, fence=1))

    assert not started.HasField("order")
    assert not response.wanted


async def test_a_failed_image_says_why_and_has_no_result(harness: Harness) -> None:
    image = await insert_image(
        harness.sessions,
        status=Status.FAILED,
        failure_code="undecodable",
        failure_message="Broken.",
        failure_retryable=False,
    )

    found = (await harness.user(JANE).GetImage(pb.GetImageRequest(id=image.id or 0))).image

    assert found.failure == pb.Failure(code="undecodable", message="Broken.", retryable=False)
    assert (found.upscaled_path, found.download_url) == ("", "")


@pytest.mark.parametrize(
    "name", ['my "cat".png', "кот.png", "🐈" * 255, "a;b%c'd.png", "x" * 10_000 + ".png"]
)
async def test_a_download_is_named_after_the_original(harness: Harness, name: str) -> None:
    png = encoded(Image.new("RGB", (4, 4)), "PNG")
    accepted = (await harness.user(JANE).Upscale(send_upload(png, name))).image
    order = (await harness.service().StartWork(pb.StartWorkRequest(image_id=accepted.id))).order
    await harness.blobs.put(order.upscaled_path, png, "image/png")
    await finish(harness, order)

    link = await harness.user(JANE).GetDownload(pb.GetDownloadRequest(id=accepted.id))
    async with httpx2.AsyncClient() as anyone:
        answer = await anyone.get(link.download_url)

    assert (answer.status_code, answer.content) == (200, png)
    assert answer.headers["content-type"] == "image/png"
    name_sent = answer.headers["content-disposition"].partition("filename*=UTF-8''")[2]
    assert unquote(name_sent) == link.filename
    assert link.filename.endswith(".png")


async def finish(harness: Harness, order: pb.WorkOrder) -> None:
    event = inference_pb2.Finished(image_id=order.image_id, fence=order.fence)
    event.output.CopyFrom(inference_pb2.Output(bytes=1, seconds=0.5))
    async with harness.sessions.begin() as session:
        await jobs.finish(session, event, RULES)


async def test_another_users_image_is_not_found_and_not_deleted(harness: Harness) -> None:
    image = await insert_image(harness.sessions, JANE, status=Status.COMPLETED)

    for method in ("GetImage", "GetDownload", "GetPyramid", "DeleteImage"):
        with pytest.raises(errors.NotFound) as caught:
            await call(harness.user(OMAR), method, id=image.id)
        assert caught.value.reason == "image_not_found"

    assert (await harness.user(OMAR).ListImages(pb.ListImagesRequest(page=1, per_page=15))).total == 0
    assert (await harness.user(JANE).GetImage(pb.GetImageRequest(id=image.id or 0))).image.id == image.id


async def test_a_list_can_be_filtered_by_status(harness: Harness) -> None:
    done = await insert_image(harness.sessions, status=Status.COMPLETED)
    await insert_image(harness.sessions)

    unfiltered = await harness.user(JANE).ListImages(pb.ListImagesRequest(page=1, per_page=15))
    completed = await harness.user(JANE).ListImages(
        pb.ListImagesRequest(page=1, per_page=15, status=pb.STATUS_COMPLETED)
    )

    assert unfiltered.total == 2
    assert [image.id for image in completed.images] == [done.id]
    assert completed.images[0].download_url


@pytest.mark.parametrize(("number", "size"), [(-5, 15), (0, 15), (1, 0), (1, -1), (1, 101), (-(2**31), 1)])
async def test_a_page_that_cannot_be_is_an_invalid_argument(harness: Harness, number: int, size: int) -> None:
    for method in ("ListImages", "ListBatches"):
        with pytest.raises(errors.InvalidArgument) as caught:
            await call(harness.user(JANE), method, page=number, per_page=size)
        assert caught.value.reason == "invalid_page"
