"""A batch upload leaves all its rows, objects, reservations and events, or none of them, whatever fails."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import urllib3.exceptions
from PIL import Image
from sqlalchemy.exc import DBAPIError

from common import errors
from images.tables import Batch, BatchStatus
from images.tables import Image as Row
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, list_keys, poll, read_events
from tests.images.store_proxies import BlockingProxy
from tests.images.upload_traces import nothing_is_left, query_value, read_used_quota, refuse_commits, set_plan
from tests.pixels import encoded
from tests.texts import NOT_AN_IMAGE

JANE = 1
LARGE = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))
SMALL = encoded(Image.effect_noise((8, 6), 80).convert("L"), "PNG")
TEXT = b"no picture at all"


@pytest.fixture(autouse=True)
async def _plan(harness: Harness) -> None:  # pyright: ignore[reportUnusedFunction]
    await set_plan(harness, "professional", JANE)


async def send_batch(
    *files: bytes, api_request: bool = True, near_misses: Mapping[str, str] | None = None, **options: str
) -> AsyncIterator[pb.CreateBatchRequest]:
    for each in file_messages(files):
        yield each
    sent = pb.CreateBatchRequest.Options(api_request=api_request, near_misses=near_misses, **options)
    yield pb.CreateBatchRequest(options=sent)


def file_messages(files: Sequence[bytes]) -> Iterator[pb.CreateBatchRequest]:
    for number, data in enumerate(files):
        yield pb.CreateBatchRequest(file=pb.CreateBatchRequest.File(filename=f"folder/{number}.jpg"))
        for start in range(0, len(data), 1000):
            yield pb.CreateBatchRequest(chunk=data[start : start + 1000])


async def accept_batch(harness: Harness, *files: bytes, **options: Any) -> tuple[Batch, Sequence[Row]]:
    batch, images, _ = await harness.batch_uploads().accept(JANE, send_batch(*files, **options))
    return batch, images


async def expect_refusal(harness: Harness, *files: bytes, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(errors.InvalidArgument) as caught:
        await accept_batch(harness, *files, **options)
    assert await nothing_is_left(harness)
    assert await query_value(harness.billing_sessions, "SELECT count(*) FROM reservation") == 0
    return caught.value.fields


async def test_accepted_images_are_stored_counted_and_submitted_in_order(harness: Harness) -> None:
    files = [LARGE, SMALL, LARGE, SMALL]

    batch, images, usage = await harness.batch_uploads().accept(
        JANE, send_batch(*files, name=" Cats\0 ", scale_factor="3")
    )

    assert (batch.name, batch.status, batch.total_images) == ("Cats", BatchStatus.PENDING, 4)
    assert (batch.scale_factor, batch.target_width) == (3, None)
    assert [image.id for image in images] == sorted(image.id or 0 for image in images)
    assert [image.original_filename for image in images] == [f"{number}.jpg" for number in range(4)]
    assert [image.upscaled_width for image in images] == [72, 24, 72, 24]
    assert {(image.batch_id, image.created_at) for image in images} == {(batch.id, batch.created_at)}
    assert [await harness.blobs.get(image.original_path) for image in images] == files
    assert (usage.used, usage.limit, await read_used_quota(harness)) == (4, 250, 4)
    submitted = [
        pb.ImageSubmitted.FromString(payload).image_id for _, payload in await read_events(harness.sessions)
    ]
    assert sorted(submitted) == [image.id for image in images[:2]]


async def test_a_batch_may_have_one_image(harness: Harness) -> None:
    batch, images = await accept_batch(harness, LARGE)

    assert (batch.total_images, len(images)) == (1, 1)
    assert batch.name is None
    assert images[0].api_request is True


async def test_twenty_images_are_accepted(harness: Harness) -> None:
    batch, images = await accept_batch(harness, *[SMALL] * 20)

    assert (batch.total_images, len(images), await read_used_quota(harness)) == (20, 20, 20)


async def test_each_image_reaches_the_target_in_its_own_aspect_ratio(harness: Harness) -> None:
    batch, images = await accept_batch(harness, LARGE, SMALL, target_width="30")

    assert (batch.scale_factor, batch.target_width, batch.target_height) == (None, 30, None)
    assert [(image.upscaled_width, image.upscaled_height) for image in images] == [(30, 20), (30, 23)]


async def test_a_batch_without_images_is_refused(harness: Harness) -> None:
    fields = await expect_refusal(harness, scale_factor="9")

    assert fields["images"] == ["The images field is required."]
    assert list(fields) == ["images", "scale_factor"]


async def test_the_twenty_first_image_is_refused_as_soon_as_it_begins(harness: Harness) -> None:
    read = 0

    async def counted() -> AsyncIterator[pb.CreateBatchRequest]:
        nonlocal read
        for each in file_messages([SMALL[:999]] * 30):
            read += 1
            yield each

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.batch_uploads().accept(JANE, counted())

    assert caught.value.fields == {"images": ["The images may not have more than 20 items."]}
    assert read == 20 * 2 + 1
    assert await nothing_is_left(harness)


async def test_every_image_and_option_at_fault_is_named_and_nothing_is_left(harness: Harness) -> None:
    fields = await expect_refusal(
        harness, LARGE, TEXT, SMALL, SMALL[:60], b"", scale_factor="x", name="n" * 256
    )

    assert fields == {
        "images.1": [NOT_AN_IMAGE],
        "images.3": ["The image is corrupt or incomplete."],
        "images.4": ["The image field is required."],
        "name": ["The name may not be greater than 255 characters."],
        "scale_factor": ["The scale factor must be an integer."],
    }


async def test_a_target_that_does_not_suit_an_image_names_it(harness: Harness) -> None:
    fields = await expect_refusal(harness, LARGE, SMALL, LARGE, target_width="12")

    assert fields == {
        "target_width": [
            "The target width must not be smaller than the original (images.0).",
            "The target width must not be smaller than the original (images.2).",
        ]
    }


async def test_a_name_may_have_255_characters(harness: Harness) -> None:
    batch, _ = await accept_batch(harness, SMALL, name="é" * 255)

    assert batch.name == "é" * 255


async def test_a_file_over_the_limit_is_named_along_with_other_faults(harness: Harness) -> None:
    small_limit = harness.settings.model_copy(update={"largest_upload_bytes": 1 << 20})
    exact, larger = (SMALL + bytes(size - len(SMALL)) for size in (1 << 20, (1 << 20) + 1))

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.batch_uploads(settings=small_limit).accept(
            JANE, send_batch(exact, larger, TEXT, larger)
        )

    assert list(caught.value.fields) == ["images.1", "images.2", "images.3"]
    assert caught.value.fields["images.1"] == ["The image may not be greater than 1 MB."]
    assert await nothing_is_left(harness)


async def test_reading_an_endless_file_stops(harness: Harness) -> None:
    small_limit = harness.settings.model_copy(update={"largest_upload_bytes": 1 << 20})

    async def endless() -> AsyncIterator[pb.CreateBatchRequest]:
        yield pb.CreateBatchRequest(file=pb.CreateBatchRequest.File(filename="a"))
        while True:
            yield pb.CreateBatchRequest(chunk=bytes(256 << 10))

    with pytest.raises(errors.InvalidArgument) as caught:
        await asyncio.wait_for(harness.batch_uploads(settings=small_limit).accept(JANE, endless()), 30)

    assert list(caught.value.fields) == ["images.0"]


async def test_a_chunk_before_any_file_is_refused(harness: Harness) -> None:
    async def without_file() -> AsyncIterator[pb.CreateBatchRequest]:
        yield pb.CreateBatchRequest(chunk=SMALL)

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.batch_uploads().accept(JANE, without_file())

    assert caught.value.reason == "malformed_upload"


async def test_an_upload_that_ends_before_its_options_leaves_nothing(harness: Harness) -> None:
    async def cut_off() -> AsyncIterator[pb.CreateBatchRequest]:
        for each in file_messages([LARGE, LARGE, LARGE]):
            yield each

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.batch_uploads().accept(JANE, cut_off())

    assert caught.value.reason == "incomplete_upload"
    assert await nothing_is_left(harness)


@pytest.mark.parametrize(("plan", "reason"), [("free", "no_api_access"), ("starter", "plan_feature_missing")])
async def test_a_plan_without_batches_leaves_nothing(harness: Harness, plan: str, reason: str) -> None:
    await set_plan(harness, plan, JANE)

    with pytest.raises(errors.PermissionDenied) as caught:
        await accept_batch(harness, SMALL, SMALL)

    assert caught.value.reason == reason
    assert await nothing_is_left(harness)


async def test_more_images_than_the_quota_has_left_are_all_refused(harness: Harness) -> None:
    for _ in range(12):
        await accept_batch(harness, *[SMALL] * 20)
    before = await list_keys(harness)

    with pytest.raises(errors.PermissionDenied) as caught:
        await accept_batch(harness, *[SMALL] * 11)
    last, _ = await accept_batch(harness, *[SMALL] * 10)

    assert caught.value.reason == "quota_exceeded"
    assert last.total_images == 10
    assert (len(await list_keys(harness)), await read_used_quota(harness)) == (len(before) + 10, 250)


async def test_an_unreachable_store_is_an_error_and_nothing_is_left(harness: Harness) -> None:
    unreachable = harness.batch_uploads(blobs=harness.blobs_at("http://127.0.0.1:9"))

    with pytest.raises(urllib3.exceptions.HTTPError):
        await unreachable.accept(JANE, send_batch(LARGE, LARGE))

    assert await nothing_is_left(harness)


async def test_after_a_fault_later_files_are_only_checked(harness: Harness) -> None:
    """The store is unreachable, and yet there is no error, because nothing is sent to it."""
    unreachable = harness.batch_uploads(blobs=harness.blobs_at("http://127.0.0.1:9"))

    with pytest.raises(errors.InvalidArgument) as caught:
        await unreachable.accept(JANE, send_batch(TEXT, LARGE, SMALL[:60], LARGE))

    assert list(caught.value.fields) == ["images.0", "images.2"]


@pytest.mark.parametrize("table", ["image", "batch"])
async def test_a_failed_commit_deletes_objects_and_releases_places(harness: Harness, table: str) -> None:
    async with refuse_commits(harness.sessions, table, "INSERT"):
        with pytest.raises(DBAPIError, match="refused"):
            await accept_batch(harness, LARGE, SMALL, LARGE)

    assert await nothing_is_left(harness)
    assert (
        await query_value(
            harness.billing_sessions, "SELECT count(*) FROM reservation WHERE state = 'released'"
        )
        == 3
    )


async def test_a_caller_that_hangs_up_leaves_nothing(harness: Harness) -> None:
    async def never_ending() -> AsyncIterator[pb.CreateBatchRequest]:
        for each in file_messages([LARGE, SMALL, LARGE]):
            yield each
        await asyncio.Event().wait()

    calling = asyncio.ensure_future(harness.user(JANE).CreateBatch(never_ending()))
    await poll(has_objects(harness, objects=2))

    calling.cancel()
    await asyncio.wait({calling})

    await poll(lambda: nothing_is_left(harness))


def has_objects(harness: Harness, *, objects: int) -> Callable[[], Any]:
    async def count_matches() -> bool:
        return len(await list_keys(harness)) == objects

    return count_matches


async def test_a_batch_that_is_cancelled_while_an_image_is_stored_leaves_nothing(
    harness: Harness,
) -> None:
    async with BlockingProxy(harness.settings.s3_endpoint.removeprefix("http://")) as proxy:
        slow = harness.batch_uploads(blobs=harness.blobs_at(proxy.address))
        accepting = asyncio.create_task(slow.accept(JANE, send_batch(LARGE, SMALL)))
        await asyncio.wait_for(proxy.request_arrived.wait(), 10)

        accepting.cancel()
        too_early, _ = await asyncio.wait({accepting}, timeout=0.3)
        proxy.released.set()
        await asyncio.wait({accepting}, timeout=20)

        assert not too_early, "the upload was undone before the object was stored"
        assert accepting.cancelled()
        assert await nothing_is_left(harness)


async def test_only_one_more_file_is_received_while_one_is_stored(harness: Harness) -> None:
    sent = list[int]()

    async def watched() -> AsyncIterator[pb.CreateBatchRequest]:
        for number in range(4):
            sent.append(number)
            for each in file_messages([LARGE]):
                yield each
        yield pb.CreateBatchRequest(options=pb.CreateBatchRequest.Options())

    async def second_came() -> bool:
        return 2 in sent

    async with BlockingProxy(harness.settings.s3_endpoint.removeprefix("http://")) as proxy:
        slow = harness.batch_uploads(blobs=harness.blobs_at(proxy.address))
        accepting = asyncio.create_task(slow.accept(JANE, watched()))
        await asyncio.wait_for(proxy.request_arrived.wait(), 10)
        await poll(second_came)
        await asyncio.wait({accepting}, timeout=0.3)

        while_first_is_held = [*sent]
        proxy.released.set()
        await accepting

    assert while_first_is_held == [0, 1, 2]


async def test_no_more_than_two_files_are_in_memory(harness: Harness) -> None:
    size = 4 << 20
    data = SMALL + bytes(size - len(SMALL))
    settings = harness.settings.model_copy(update={"largest_upload_bytes": size})
    await accept_batch(harness, SMALL)

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await harness.batch_uploads(settings=settings).accept(JANE, send_batch(*[data] * 8))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    assert peak < 2.5 * size
