"""An upload leaves its row, object, reservation and event, or none of them, whatever fails on the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace

import pytest
import urllib3.exceptions
from PIL import Image
from sqlalchemy.exc import DBAPIError

from common import errors
from common.blobs import Blobs
from images.uploads.memory import Account, UploadMemory
from images.uploads.single import Upload, receive
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, list_keys, read_events
from tests.images.store_proxies import BlockingProxy
from tests.images.upload_traces import nothing_is_left, query_value, read_used_quota, refuse_commits, set_plan
from tests.pixels import encoded

JANE = 1
PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))

NO_OPTIONS = pb.UpscaleRequest.Options()


def an_account() -> Account:
    return Account(UploadMemory(1 << 30), JANE)


def build_upload(
    data: bytes = PHOTO,
    *,
    api_request: bool = False,
    near_misses: Mapping[str, str] | None = None,
    **options: str,
) -> Upload:
    return Upload(
        filename="photo.jpg",
        api_request=api_request,
        data=data,
        options=pb.UpscaleRequest.Options(near_misses=near_misses, **options),
    )


async def test_an_accepted_upload_is_stored_counted_and_submitted(harness: Harness) -> None:
    image, usage = await harness.uploads().accept(JANE, build_upload(scale_factor="3"))

    assert (image.original_width, image.original_height) == (24, 16)
    assert (image.upscaled_width, image.upscaled_height, image.scale_factor) == (72, 48, 3)
    assert await harness.blobs.get(image.original_path) == PHOTO
    assert (usage.used, usage.limit, await read_used_quota(harness)) == (1, 2, 1)
    [(subject, payload)] = await read_events(harness.sessions)
    assert subject == "images.queued.standard"
    assert pb.ImageSubmitted.FromString(payload).image_id == image.id


async def test_the_keys_are_random_and_share_their_random_part(harness: Harness) -> None:
    bmp = encoded(Image.new("RGB", (4, 4)), "BMP")

    image, _ = await harness.uploads().accept(JANE, build_upload(bmp))
    other, _ = await harness.uploads().accept(JANE, build_upload(bmp))

    stem = image.original_path.removeprefix("images/originals/").removesuffix(".bmp")
    assert image.upscaled_path == f"images/upscaled/{stem}.png"
    assert len(stem) == 32
    assert image.original_path != other.original_path


async def test_images_of_a_plan_with_the_priority_queue_are_priority_images(harness: Harness) -> None:
    await set_plan(harness, "enterprise")

    await harness.uploads().accept(JANE, build_upload())

    assert [subject for subject, _ in await read_events(harness.sessions)] == ["images.queued.priority"]


async def test_nothing_is_stored_if_the_quota_is_used_up(harness: Harness) -> None:
    for _ in range(2):
        await harness.uploads().accept(JANE, build_upload())
    before = await list_keys(harness)

    with pytest.raises(errors.PermissionDenied) as caught:
        await harness.uploads().accept(JANE, build_upload())

    assert caught.value.reason == "quota_exceeded"
    assert await list_keys(harness) == before
    assert await read_used_quota(harness) == 2


async def test_simultaneous_uploads_do_not_exceed_the_quota(harness: Harness) -> None:
    results = await asyncio.gather(
        *(harness.uploads().accept(JANE, build_upload()) for _ in range(6)), return_exceptions=True
    )

    assert sum(isinstance(one, tuple) for one in results) == 2
    assert sum(isinstance(one, errors.PermissionDenied) for one in results) == 4
    assert len(await list_keys(harness)) == await read_used_quota(harness) == 2


async def test_an_api_request_needs_a_plan_with_api_access(harness: Harness) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await harness.uploads().accept(JANE, build_upload(api_request=True))

    assert caught.value.reason == "no_api_access"
    assert await nothing_is_left(harness)


async def test_all_faults_are_named_before_a_place_is_reserved(harness: Harness) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.uploads().accept(JANE, build_upload(b"text", scale_factor="9", target_width="x"))

    assert list(caught.value.fields) == ["image", "scale_factor", "target_width"]
    assert await nothing_is_left(harness)
    assert await query_value(harness.billing_sessions, "SELECT count(*) FROM reservation") == 0


async def test_a_webp_too_large_for_a_worker_is_refused_before_a_place_is_reserved(
    harness: Harness,
) -> None:
    large = encoded(Image.new("RGB", (3000, 2800)), "PNG")

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.uploads().accept(JANE, build_upload(large, output_format="webp"))

    assert list(caught.value.fields) == ["output_format"]
    assert await nothing_is_left(harness)
    assert await query_value(harness.billing_sessions, "SELECT count(*) FROM reservation") == 0


async def test_an_unreachable_store_releases_the_place(harness: Harness) -> None:
    unreachable = harness.blobs_at("http://127.0.0.1:9")

    with pytest.raises(urllib3.exceptions.HTTPError):
        await harness.uploads(blobs=unreachable).accept(JANE, build_upload())

    assert await nothing_is_left(harness)
    assert await query_value(harness.billing_sessions, "SELECT state FROM reservation") == "released"


async def test_a_store_that_refuses_releases_the_place(harness: Harness) -> None:
    other_bucket = Blobs(replace(harness.settings.store(), bucket="no-such-bucket"))

    with pytest.raises(Exception, match=r"NoSuchBucket|AccessDenied"):
        await harness.uploads(blobs=other_bucket).accept(JANE, build_upload())

    assert await nothing_is_left(harness)


async def test_a_failed_commit_deletes_the_object_and_releases_the_place(harness: Harness) -> None:
    async with refuse_commits(harness.sessions, "image", "INSERT"):
        with pytest.raises(DBAPIError, match="refused"):
            await harness.uploads().accept(JANE, build_upload())

    assert await nothing_is_left(harness)


async def test_an_upload_that_is_cancelled_while_it_is_stored_leaves_nothing(harness: Harness) -> None:
    async with BlockingProxy(harness.settings.s3_endpoint.removeprefix("http://")) as proxy:
        accepting = asyncio.create_task(
            harness.uploads(blobs=harness.blobs_at(proxy.address)).accept(JANE, build_upload())
        )
        await asyncio.wait_for(proxy.request_arrived.wait(), 10)

        accepting.cancel()
        too_early, _ = await asyncio.wait({accepting}, timeout=0.3)
        proxy.released.set()
        await asyncio.wait({accepting}, timeout=20)

        assert not too_early, "the upload was undone before the object was stored"
        assert accepting.cancelled()
        assert await nothing_is_left(harness)


async def test_a_caller_that_hangs_up_leaves_nothing(harness: Harness) -> None:
    arrived = asyncio.Event()

    async def never_ending() -> AsyncIterator[pb.UpscaleRequest]:
        yield pb.UpscaleRequest(start=pb.UpscaleRequest.Start(filename="photo.jpg"))
        yield pb.UpscaleRequest(chunk=PHOTO)
        arrived.set()
        await asyncio.Event().wait()

    calling = asyncio.ensure_future(harness.user(JANE).Upscale(never_ending()))
    await asyncio.wait_for(arrived.wait(), 10)

    calling.cancel()
    await asyncio.wait({calling})

    assert await nothing_is_left(harness)


async def test_an_upload_counts_while_its_object_is_being_stored(harness: Harness) -> None:
    async with BlockingProxy(harness.settings.s3_endpoint.removeprefix("http://")) as proxy:
        slow = asyncio.create_task(
            harness.uploads(blobs=harness.blobs_at(proxy.address)).accept(JANE, build_upload())
        )
        await asyncio.wait_for(proxy.request_arrived.wait(), 10)

        during = await read_used_quota(harness)
        proxy.released.set()
        await slow

    assert during == 1
    assert await read_used_quota(harness) == 1


async def send_parts(*parts: pb.UpscaleRequest) -> AsyncIterator[pb.UpscaleRequest]:
    for part in parts:
        yield part


def build_chunks(size: int, count: int) -> Iterator[pb.UpscaleRequest]:
    return (pb.UpscaleRequest(chunk=b"x" * size) for _ in range(count))


async def test_a_file_of_exactly_the_limit_is_received() -> None:
    upload = await receive(
        send_parts(*build_chunks(256, 4), pb.UpscaleRequest(options=NO_OPTIONS)), 1024, an_account()
    )

    assert len(upload.data) == 1024


async def test_an_upload_that_ends_before_its_options_is_refused() -> None:
    """If the caller hangs up, the messages end first, and the cancellation follows a moment later."""
    with pytest.raises(errors.InvalidArgument) as caught:
        await receive(send_parts(*build_chunks(256, 4)), 1024, an_account())

    assert caught.value.reason == "incomplete_upload"


async def test_a_file_over_the_limit_is_refused_before_the_rest_is_read() -> None:
    read = 0

    async def counted() -> AsyncIterator[pb.UpscaleRequest]:
        nonlocal read
        for part in build_chunks(1 << 20, 100):
            read += 1
            yield part

    with pytest.raises(errors.InvalidArgument) as caught:
        await receive(counted(), 10 << 20, an_account())

    assert caught.value.fields == {"image": ["The image may not be greater than 10 MB."]}
    assert read == 11


async def test_options_and_name_may_arrive_in_any_order() -> None:
    options = pb.UpscaleRequest(options=pb.UpscaleRequest.Options(scale_factor="3"))
    start = pb.UpscaleRequest(start=pb.UpscaleRequest.Start(filename="a/b\r.png", api_request=True))

    upload = await receive(send_parts(options, start, *build_chunks(2, 3)), 1024, an_account())

    assert (upload.filename, upload.api_request, upload.data) == ("b.png", True, b"x" * 6)
    assert upload.options.scale_factor == "3"
