"""A failed image is retried under its id, with a new place in the quota. If interrupted, nothing changes."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from common import errors
from images.domain import batches, retries
from images.tables import Batch, BatchStatus, Image, Status
from images.uploads.intake import Intake
from images.uploads.retries import Retries
from loupe.contract import IDEMPOTENCY_KEY_METADATA
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import RULES, Harness, insert_batch, insert_image, read_image
from tests.images.job_steps import finish, read_queued_ids, start
from tests.images.test_client_events import types
from tests.images.upload_traces import query_value, read_used_quota, refuse_commits, set_plan

JANE, OMAR = 1, 2
ABANDON = "UPDATE upload_intent SET alive_until = statement_timestamp() - interval '1 second'"
NOTES = "SELECT count(*) FROM upload_intent"
RESERVED = "SELECT count(*) FROM reservation WHERE state = 'reserved'"


async def fail(harness: Harness, image: Image, code: str = "attempts_exhausted", **changed: Any) -> Image:
    """Let the image fail after one attempt. Its original is stored."""
    await harness.blobs.put(image.original_path, b"x", "image/png")
    await start(harness.sessions, image)
    fence = (await read_image(harness.sessions, image.id)).attempt
    await finish(harness.sessions, image, fence, failure=code)
    async with harness.sessions.begin() as session:
        found = await session.get(Image, image.id)
        assert found
        for name, value in changed.items():
            setattr(found, name, value)
    return await read_image(harness.sessions, image.id)


async def retry(harness: Harness, image: Image, user_id: int = JANE) -> pb.RetryImageResponse:
    return await harness.user(user_id).RetryImage(pb.RetryImageRequest(id=image.id or 0))


async def retry_batch(harness: Harness, batch: Batch) -> pb.RetryBatchResponse:
    return await harness.user(JANE).RetryBatch(pb.RetryBatchRequest(id=batch.id or 0))


async def read_batch(harness: Harness, batch: Batch) -> Batch:
    async with harness.sessions.begin() as session:
        return (await batches.get(session, JANE, batch.id or 0))[0]


async def test_a_retried_image_is_pending_under_its_id_with_a_new_place(harness: Harness) -> None:
    failed = await fail(harness, await insert_image(harness.sessions))

    answer = await retry(harness, failed)

    image = await read_image(harness.sessions, failed.id)
    assert (answer.image.id, answer.image.status, answer.usage.used) == (failed.id, pb.STATUS_PENDING, 1)
    assert (image.status, image.failure_code, image.started_at) == (Status.PENDING, None, None)
    assert image.reservation_id != failed.reservation_id
    assert await read_used_quota(harness) == 1
    assert await query_value(harness.sessions, NOTES) == 0
    assert (await read_queued_ids(harness.sessions))[-1] == failed.id


async def test_the_failures_before_each_retry_are_listed_oldest_first(harness: Harness) -> None:
    image = await insert_image(harness.sessions)
    for code in ("model_unavailable", "attempts_exhausted"):
        await retry(harness, await fail(harness, image, code))

    found = (await harness.user(JANE).GetImage(pb.GetImageRequest(id=image.id or 0))).image

    earlier = [(each.failure.code, each.attempts, each.failure.retryable) for each in found.earlier_failures]
    assert earlier == [("model_unavailable", 1, True), ("attempts_exhausted", 1, True)]
    assert not found.HasField("failure")


async def test_only_the_last_twenty_failures_are_stored(harness: Harness) -> None:
    await set_plan(harness, "professional")
    image = await insert_image(harness.sessions)
    numbered = [{"code": str(number), "message": "", "retryable": True, "attempts": 1,
                 "failed_at": "2026-02-15T12:00:00+00:00"} for number in range(20)]  # fmt: skip

    answer = await retry(harness, await fail(harness, image, earlier_failures=numbered))

    codes = [each.failure.code for each in answer.image.earlier_failures]
    assert codes == [*(str(number) for number in range(1, 20)), "attempts_exhausted"]


async def test_the_time_in_the_queue_counts_from_the_retry(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions))
    async with harness.sessions.begin() as session:
        long_ago = sa.text("UPDATE image SET created_at = now() - interval '1 day'")
        await (await session.connection()).execute(long_ago)

    await retry(harness, image)
    await start(harness.sessions, image)

    found = (await harness.user(JANE).GetImage(pb.GetImageRequest(id=image.id or 0))).image
    assert found.queue_seconds < 3600


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.COMPLETED])
async def test_an_image_that_has_not_failed_cannot_be_retried(harness: Harness, status: Status) -> None:
    image = await insert_image(harness.sessions, status=status)

    with pytest.raises(errors.AlreadyExists) as caught:
        await retry(harness, image)

    assert caught.value.reason == "nothing_to_retry"
    assert await read_used_quota(harness) == 0


async def test_a_failure_that_would_happen_again_cannot_be_retried(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions), failure_retryable=False)

    with pytest.raises(errors.AlreadyExists) as caught:
        await retry(harness, image)

    assert (caught.value.reason, caught.value.message) == ("not_retryable", "The image would fail again: No.")


async def test_an_image_without_its_original_cannot_be_retried(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions))
    await harness.blobs.delete([image.original_path])

    with pytest.raises(errors.AlreadyExists) as caught:
        await retry(harness, image)

    assert caught.value.reason == "original_missing"
    assert await read_used_quota(harness) == 0


async def test_another_users_image_or_batch_is_not_found(harness: Harness) -> None:
    await set_plan(harness, "professional", OMAR)
    batch, [image] = await insert_batch(harness.sessions, 1)
    await fail(harness, image)

    with pytest.raises(errors.NotFound):
        await retry(harness, image, OMAR)
    with pytest.raises(errors.NotFound):
        await harness.user(OMAR).RetryBatch(pb.RetryBatchRequest(id=batch.id or 0))

    assert (await read_image(harness.sessions, image.id)).status == Status.FAILED


async def test_without_quota_nothing_is_retried(harness: Harness) -> None:
    await set_plan(harness, "professional")
    batch, images = await insert_batch(harness.sessions, 2)
    for image in images:
        await fail(harness, image)
    async with harness.billing_sessions.begin() as session:
        full = "INSERT INTO quota VALUES (1, date_trunc('month', now() AT TIME ZONE 'UTC'), 249, 1)"
        await (await session.connection()).execute(sa.text(full))

    with pytest.raises(errors.PermissionDenied) as caught:
        await retry_batch(harness, batch)

    assert caught.value.reason == "quota_exceeded"
    assert (await read_batch(harness, batch)).status == BatchStatus.FAILED
    assert await query_value(harness.sessions, NOTES) == 0
    assert await read_used_quota(harness) == 249


async def test_a_batch_retries_its_failed_images_alone_and_is_processing_again(harness: Harness) -> None:
    await set_plan(harness, "professional")
    batch, [good, failed, hopeless] = await insert_batch(harness.sessions, 3)
    await start(harness.sessions, good)
    await finish(harness.sessions, good, 1)
    await fail(harness, failed)
    await fail(harness, hopeless, failure_retryable=False)
    before = await types(harness.sessions)

    answer = await retry_batch(harness, batch)

    statuses = [image.status for image in answer.batch.images]
    assert statuses == [pb.STATUS_COMPLETED, pb.STATUS_PENDING, pb.STATUS_FAILED]
    assert (answer.batch.status, answer.usage.used) == (pb.BATCH_STATUS_PROCESSING, 1)
    assert (answer.batch.completed_images, answer.batch.failed_images) == (1, 1)
    assert not answer.batch.HasField("completed_at")
    events = (await types(harness.sessions))[len(before) :]
    assert events == ["image.accepted", "batch.progress", "batch.accepted"]


async def test_a_retried_batch_ends_again_with_the_counts_of_its_images(harness: Harness) -> None:
    await set_plan(harness, "professional")
    batch, images = await insert_batch(harness.sessions, 2)
    for image in images:
        await fail(harness, image)
    await retry_batch(harness, batch)

    for image in images:
        await start(harness.sessions, image)
        await finish(harness.sessions, image, 2)

    found = await read_batch(harness, batch)
    assert (found.status, found.completed_images, found.failed_images) == (BatchStatus.COMPLETED, 2, 0)
    assert (await types(harness.sessions))[-1] == "batch.completed"


async def test_the_images_of_a_cancelled_batch_can_be_retried(harness: Harness) -> None:
    await set_plan(harness, "professional")
    batch, images = await insert_batch(harness.sessions, 2)
    for image in images:
        await harness.blobs.put(image.original_path, b"x", "image/png")
    await start(harness.sessions, images[0])
    await finish(harness.sessions, images[0], 1)
    async with harness.sessions.begin() as session:
        await batches.cancel_or_delete(session, JANE, batch.id or 0, RULES)

    await retry_batch(harness, batch)
    await start(harness.sessions, images[1])
    await finish(harness.sessions, images[1], 1)

    found = await read_batch(harness, batch)
    assert (found.status, found.completed_images, found.failed_images) == (BatchStatus.COMPLETED, 2, 0)


async def test_a_batch_without_a_failed_image_has_nothing_to_retry(harness: Harness) -> None:
    await set_plan(harness, "professional")
    batch, _ = await insert_batch(harness.sessions, 1)

    with pytest.raises(errors.AlreadyExists) as caught:
        await retry_batch(harness, batch)

    assert caught.value.reason == "nothing_to_retry"


async def test_a_retry_with_a_key_takes_effect_once_and_its_repeat_gets_the_same_answer(
    harness: Harness,
) -> None:
    await set_plan(harness, "professional")
    batch, images = await insert_batch(harness.sessions, 2)
    for image in images:
        await fail(harness, image)
    single = await fail(harness, await insert_image(harness.sessions))
    user, key = harness.user(JANE), ((IDEMPOTENCY_KEY_METADATA, "once"),)

    one, again = [
        await user.RetryImage(pb.RetryImageRequest(id=single.id or 0), metadata=key) for _ in range(2)
    ]
    several, all_again = [
        await user.RetryBatch(pb.RetryBatchRequest(id=batch.id or 0), metadata=key) for _ in range(2)
    ]

    assert [each.replayed for each in (one, again, several, all_again)] == [False, True, False, True]
    assert again.image == one.image
    assert all_again.batch == several.batch
    assert [image.status for image in several.batch.images] == [pb.STATUS_PENDING] * 2
    assert await read_used_quota(harness) == 3


async def test_the_key_of_a_retry_belongs_to_one_image(harness: Harness) -> None:
    await set_plan(harness, "professional")
    images = [await fail(harness, await insert_image(harness.sessions)) for _ in range(2)]
    user, key = harness.user(JANE), ((IDEMPOTENCY_KEY_METADATA, "once"),)
    await user.RetryImage(pb.RetryImageRequest(id=images[0].id or 0), metadata=key)

    with pytest.raises(errors.InvalidArgument) as caught:
        await user.RetryImage(pb.RetryImageRequest(id=images[1].id or 0), metadata=key)

    assert caught.value.reason == "idempotency_key_reused"


async def test_of_many_simultaneous_retries_one_succeeds_and_reserves_one_place(harness: Harness) -> None:
    await set_plan(harness, "professional")
    image = await fail(harness, await insert_image(harness.sessions))

    results = await asyncio.gather(*(retry(harness, image) for _ in range(8)), return_exceptions=True)

    refused = [each for each in results if isinstance(each, errors.AlreadyExists)]
    assert len(refused) == 7
    assert await read_used_quota(harness) == 1
    assert await query_value(harness.sessions, NOTES) == 0


async def test_simultaneous_retries_of_a_batch_reserve_one_place_for_each_image(harness: Harness) -> None:
    await set_plan(harness, "professional")
    batch, images = await insert_batch(harness.sessions, 3)
    for image in images:
        await fail(harness, image)

    results = await asyncio.gather(*(retry_batch(harness, batch) for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(each, errors.AlreadyExists) for each in results) == 3
    assert await read_used_quota(harness) == 3


async def test_a_process_that_dies_after_reserving_gives_the_place_back(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions))
    await Intake(harness.context, JANE).reserve(1)
    async with harness.sessions.begin() as session:
        await (await session.connection()).execute(sa.text(ABANDON))

    await harness.context.intents.sweep()

    assert await query_value(harness.billing_sessions, RESERVED) == 0
    assert await read_used_quota(harness) == 0
    assert (await read_image(harness.sessions, image.id)).status == Status.FAILED
    assert await harness.blobs.exists(image.original_path)


async def test_a_retry_that_was_committed_keeps_its_place_though_its_process_dies(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions))
    await Retries(harness.context).retry_image(JANE, image.id or 0, api_request=False)
    async with harness.sessions.begin() as session:
        await (await session.connection()).execute(sa.text(ABANDON))

    await harness.context.intents.sweep()

    assert await query_value(harness.billing_sessions, RESERVED) == 1


async def test_an_operators_retry_keeps_its_place(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions))
    await Retries(harness.context).retry_for_operator(JANE, image.id or 0)
    async with harness.sessions.begin() as session:
        await (await session.connection()).execute(sa.text(ABANDON))

    await harness.context.intents.sweep()

    assert await query_value(harness.billing_sessions, RESERVED) == 1


async def test_a_retry_that_cannot_commit_gives_its_place_back(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions))

    async with refuse_commits(harness.sessions, "image", "UPDATE"):
        with pytest.raises(errors.Internal):
            await retry(harness, image)

    assert await read_used_quota(harness) == 0
    assert (await read_image(harness.sessions, image.id)).status == Status.FAILED


async def test_a_late_result_of_an_attempt_before_the_retry_changes_nothing(harness: Harness) -> None:
    image = await fail(harness, await insert_image(harness.sessions))
    await retry(harness, image)
    await start(harness.sessions, image)

    await finish(harness.sessions, image, 1)

    assert (await read_image(harness.sessions, image.id)).status == Status.PROCESSING


async def test_retries_are_counted_by_the_code_of_the_failure(harness: Harness) -> None:
    counter = retries.retried_images.labels("object_lost")
    before = counter._value.get()
    image = await fail(harness, await insert_image(harness.sessions), failure_code="object_lost")

    await retry(harness, image)

    assert counter._value.get() == before + 1
