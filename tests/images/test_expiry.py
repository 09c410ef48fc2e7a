"""An image whose time has come is gone at once, and its row and objects soon after. Its counts stay."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing import plans
from common import errors
from common.db import Sessions, now
from images import gauges
from images.domain import batches, deleted_users, expiry, jobs, pages
from images.operations.expiry import Expiry
from images.tables import Batch, BatchStatus, Image, Status
from images.uploads.output import LIFETIMES
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, insert_batch, insert_image, read_image
from tests.images.job_steps import finish, read_dropped_keys, start
from tests.images.test_client_events import types
from tests.images.test_images_rpc import call, send_batch_upload, send_upload
from tests.images.upload_traces import query_value, read_used_quota, set_plan

JANE, OMAR = 1, 2
COUNT = "SELECT count(*) FROM image"


async def ended(sessions: Sessions, image: Image, failure: str = "") -> Image:
    await start(sessions, image)
    await finish(sessions, image, 1, failure=failure)
    return await read_image(sessions, image.id)


async def a_due_image(sessions: Sessions, user_id: int = JANE, **fields: Any) -> Image:
    """Insert a completed image whose time came a moment ago."""
    past = {"expires_in": 60, "expires_at": now() - timedelta(seconds=1)}
    return await insert_image(sessions, user_id, **({"status": Status.COMPLETED} | past | fields))


async def sweep(harness: Harness) -> None:
    await Expiry(harness.sessions).sweep()


@pytest.mark.parametrize("failure", ["", "attempts_exhausted"])
async def test_the_time_counts_from_the_end_of_the_image(sessions: Sessions, failure: str) -> None:
    image = await insert_image(sessions, expires_in=3600)
    before_end = (await read_image(sessions, image.id)).expires_at

    at = (await ended(sessions, image, failure)).expires_at

    assert before_end is None
    assert at
    assert timedelta(minutes=59) < at - now() <= timedelta(hours=1)


async def test_an_image_without_a_time_never_expires(sessions: Sessions) -> None:
    assert (await ended(sessions, await insert_image(sessions))).expires_at is None


async def test_a_retry_takes_the_time_back_and_the_next_end_sets_it_again(harness: Harness) -> None:
    image = await ended(harness.sessions, await insert_image(harness.sessions, expires_in=60), "lost")
    await harness.blobs.put(image.original_path, b"x", "image/png")

    await harness.user(JANE).RetryImage(pb.RetryImageRequest(id=image.id or 0))
    retried = await read_image(harness.sessions, image.id)
    await start(harness.sessions, image)
    await finish(harness.sessions, image, 2)

    assert image.expires_at
    assert retried.expires_at is None
    at = (await read_image(harness.sessions, image.id)).expires_at
    assert at
    assert at > image.expires_at


@pytest.mark.parametrize(
    "method", ["GetImage", "GetDownload", "GetPyramid", "DeleteImage", "RetryImage", "ReadResult"]
)
@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
async def test_a_due_image_is_not_found_before_it_is_swept(
    harness: Harness, method: str, status: Status
) -> None:
    image = await a_due_image(harness.sessions, status=status, failure_retryable=True)

    with pytest.raises(errors.NotFound) as caught:
        await call(harness.user(JANE), method, id=image.id)

    assert caught.value.reason == "image_not_found"
    assert await query_value(harness.sessions, COUNT) == 1


async def test_lists_and_their_totals_leave_due_images_out_before_they_are_swept(sessions: Sessions) -> None:
    kept = [await insert_image(sessions, status=Status.COMPLETED) for _ in range(3)]
    for _ in range(2):
        await a_due_image(sessions)
    kept.append(await insert_image(sessions, status=Status.COMPLETED))

    async with sessions.begin() as session:
        found = [await pages.page(session, JANE, None, number=number, size=3) for number in (1, 2)]
        completed, total = await pages.page(session, JANE, Status.COMPLETED, number=1, size=10)

    assert [image.id for page, _ in found for image in page] == [image.id for image in reversed(kept)]
    assert {each for _, each in found} == {total} == {4}
    assert len(completed) == 4


async def test_batches_leave_due_images_out_and_keep_their_counts(harness: Harness) -> None:
    batch, [due, kept] = await insert_batch(harness.sessions, 2)
    for image in (due, kept):
        await ended(harness.sessions, image)
    async with harness.sessions.begin() as session:
        found = await session.get(Image, due.id)
        assert found
        found.expires_at = now() - timedelta(seconds=1)

    async def read() -> tuple[Batch, list[int | None], int]:
        async with harness.sessions.begin() as session:
            seen, images = await batches.get(session, JANE, batch.id or 0)
            _, total = await batches.image_page(session, JANE, batch.id or 0, None, number=1, size=10)
        return seen, [image.id for image in images], total

    before = await read()
    await sweep(harness)
    after = await read()

    assert before[1:] == after[1:] == ([kept.id], 1)
    assert (after[0].status, after[0].completed_images, after[0].total_images) == (
        BatchStatus.COMPLETED,
        2,
        2,
    )


async def test_the_sweep_deletes_rows_and_objects_and_writes_the_event(harness: Harness) -> None:
    due, kept = await a_due_image(harness.sessions), await insert_image(harness.sessions, expires_in=60)
    before = await types(harness.sessions)

    await sweep(harness)

    assert await query_value(harness.sessions, "SELECT array_agg(id) FROM image") == [kept.id]
    assert await read_dropped_keys(harness.sessions) == [due.original_path, due.upscaled_path]
    assert (await types(harness.sessions))[len(before) :] == ["image.expired"]


async def test_no_quota_comes_back(harness: Harness) -> None:
    answer = await harness.user(JANE).Upscale(send_upload(expires_in="60"))
    image = await ended(harness.sessions, await read_image(harness.sessions, answer.image.id))
    async with harness.sessions.begin() as session:
        found = await session.get(Image, image.id)
        assert found
        found.expires_at = now()

    await sweep(harness)

    assert await query_value(harness.sessions, COUNT) == 0
    assert await read_used_quota(harness) == 1


async def test_a_sweep_deletes_in_bounded_batches_and_the_oldest_first(harness: Harness) -> None:
    await insert_many_due(harness.sessions, 3 * expiry.AT_ONCE)
    left = list[int]()

    for _ in range(2):
        async with harness.sessions.begin() as session:
            assert await expiry.delete_some(session) == expiry.AT_ONCE
        left.append(await query_value(harness.sessions, "SELECT min(original_bytes) FROM image"))

    assert left == [expiry.AT_ONCE + 1, 2 * expiry.AT_ONCE + 1]


async def insert_many_due(sessions: Sessions, count: int) -> None:
    """Insert images of twenty users. `original_bytes` is the place of each in the order of their times."""
    await a_due_image(sessions)
    columns = "user_id, original_bytes, original_path, upscaled_path, expires_at, expires_in"
    others = await query_value(
        sessions,
        "SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_name = 'image' "
        "AND column_name NOT IN ('id','user_id','original_bytes','original_path','upscaled_path','expires_at','expires_in')",  # noqa: E501
    )
    async with sessions.begin() as session:
        insert = f"""
            INSERT INTO image ({columns}, {others})
            SELECT number % 20 + 1, number, 'images/originals/' || number, 'images/upscaled/' || number,
                now() - make_interval(secs => 100000 - number), 60, {others}
            FROM image, generate_series(1, {count}) AS number
        """  # noqa: S608
        connection = await session.connection()
        await connection.execute(sa.text("ALTER SEQUENCE image_id_seq RESTART WITH 1000"))
        await connection.execute(sa.text(insert))
        await connection.execute(sa.text("DELETE FROM image WHERE id < 1000"))


async def test_everything_that_is_due_goes_in_one_sweep(harness: Harness) -> None:
    await insert_many_due(harness.sessions, 1100)

    await sweep(harness)

    assert await query_value(harness.sessions, COUNT) == 0
    assert await query_value(harness.sessions, "SELECT sum(total) FROM image_block") == 0


async def test_a_sweep_waits_for_no_users_lock(harness: Harness) -> None:
    await a_due_image(harness.sessions, JANE)
    await a_due_image(harness.sessions, OMAR)

    async with harness.sessions.begin() as busy:
        await jobs.lock_user(busy, JANE)
        await sweep(harness)
        left = await query_value(harness.sessions, "SELECT array_agg(user_id) FROM image")
    await sweep(harness)

    assert left == [JANE]
    assert await query_value(harness.sessions, COUNT) == 0


async def test_the_lag_of_the_sweep_is_measured(harness: Harness) -> None:
    await a_due_image(harness.sessions, expires_at=now() - timedelta(minutes=5))

    await gauges.update(harness.sessions)
    before = gauges.expired_waiting._value.get(), gauges.expired_oldest._value.get()
    await sweep(harness)
    await gauges.update(harness.sessions)

    assert before[0] == 1
    assert before[1] >= 300
    assert (gauges.expired_waiting._value.get(), gauges.expired_oldest._value.get()) == (0, 0)


async def test_links_of_an_image_that_is_about_to_expire_end_with_it(harness: Harness) -> None:
    image = await insert_image(
        harness.sessions, status=Status.COMPLETED, expires_at=now() + timedelta(minutes=5), expires_in=600
    )

    found = (await harness.user(JANE).GetImage(pb.GetImageRequest(id=image.id or 0))).image
    link = await harness.user(JANE).GetDownload(pb.GetDownloadRequest(id=image.id or 0))

    assert image.expires_at
    for until in (found.download_expires_at, link.expires_at):
        assert until.ToSeconds() <= image.expires_at.timestamp() + 1
    assert found.expires_at.ToSeconds() == int(image.expires_at.timestamp())


async def test_both_uploads_take_the_option(harness: Harness) -> None:
    await set_plan(harness, "professional")

    single = await harness.user(JANE).Upscale(send_upload(expires_in="60"))
    batch = await harness.user(JANE).CreateBatch(send_batch_upload(expires_in="315360000"))

    ids = (single.image.id, batch.batch.images[0].id)
    assert [(await read_image(harness.sessions, each)).expires_in for each in ids] == [*LIFETIMES]
    assert not single.image.HasField("expires_at")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("59", "must be between 60 and 315360000."),
        ("315360001", "must be between 60 and 315360000."),
        ("-60", "must be between 60 and 315360000."),
        ("9" * 30, "must be between 60 and 315360000."),
        ("1.5", "must be an integer."),
        ("soon", "must be an integer."),
    ],
)
async def test_another_time_is_refused(harness: Harness, text: str, problem: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.user(JANE).Upscale(send_upload(expires_in=text))

    assert caught.value.fields == {"expires_in": [f"The expires in {problem}"]}


@pytest.mark.parametrize(
    ("requested", "days", "seconds"),
    [(None, None, None), (60, None, 60), (None, 2, 172_800), (60, 2, 60), (400_000, 2, 172_800)],
)
def test_the_shorter_of_request_and_plan_holds(
    requested: int | None, days: int | None, seconds: int | None
) -> None:
    assert expiry.shorter(requested, None if days is None else days * 86_400) == seconds


@pytest.mark.parametrize(("days", "is_valid"), [(1, True), (3650, True), (0, False), (3651, False)])
def test_a_plan_keeps_images_for_up_to_ten_years(days: int, is_valid: bool) -> None:
    values = {**plans.load("").free.model_dump(), "retention_days": days}

    try:
        plan = plans.Plan.model_validate(values)
    except ValueError:
        assert not is_valid
    else:
        assert plan.to_proto().retention_days == days
        assert is_valid


async def test_images_of_a_deleted_account_expire_without_an_event(harness: Harness) -> None:
    await a_due_image(harness.sessions)
    async with harness.sessions.begin() as session:
        await deleted_users.remember(session, JANE)
    before = await types(harness.sessions)

    await sweep(harness)

    assert await query_value(harness.sessions, COUNT) == 0
    assert await types(harness.sessions) == before
