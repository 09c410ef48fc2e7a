"""A user whose images cost workers time for nothing may upload again in the next hour."""

import contextlib
import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa

from common import errors
from images.domain import deleted_users, fetches, jobs, turns, undecodable
from images.tables import Image
from images.uploads.manifests import Manifests
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, Harness, insert_batch, insert_image
from tests.images.test_upload_memory import a_batch
from tests.images.test_uploads import PHOTO, build_upload
from tests.images.upload_traces import set_plan

JANE, OMAR = 1, 2
LIMIT = 3


@pytest.fixture
def limited(harness: Harness) -> Harness:
    settings = harness.settings.model_copy(update={"undecodable_per_hour": LIMIT})
    return replace(harness, settings=settings)


async def fail(harness: Harness, user_id: int = JANE, code: str = "undecodable") -> Image:
    """Start an image of the user, and let it fail."""
    image = await insert_image(harness.sessions, user_id)
    async with harness.sessions.begin() as session:
        started = await jobs.start(session, image.id or 0, RULES)
        assert started
        failure = inference_pb2.Failure(code=code, message="why", retryable=False)
        finished = inference_pb2.Finished(image_id=image.id or 0, fence=started.attempt, failure=failure)
        await jobs.finish(session, finished, RULES)
        await jobs.finish(session, finished, RULES)  # a second delivery counts nothing
    return image


async def test_uploads_are_refused_after_too_many_images_that_cannot_be_decoded(limited: Harness) -> None:
    for _ in range(LIMIT - 1):
        await fail(limited)
    await limited.uploads().accept(JANE, build_upload())
    image = await fail(limited)
    await limited.user(JANE).DeleteImage(pb.DeleteImageRequest(id=image.id or 0))

    with pytest.raises(errors.ResourceExhausted) as caught:
        await limited.uploads().accept(JANE, build_upload())

    assert caught.value.reason == "too_many_undecodable"
    assert 0 < caught.value.retry_after_seconds <= undecodable.HOUR
    await limited.uploads().accept(OMAR, build_upload())


async def test_a_batch_is_refused_before_it_is_read(limited: Harness) -> None:
    await set_plan(limited, "enterprise")
    for _ in range(LIMIT):
        await fail(limited)
    parts = a_batch(PHOTO)

    with pytest.raises(errors.ResourceExhausted):
        await limited.batch_uploads().accept(JANE, parts)

    assert (await anext(parts)).HasField("file")


@pytest.mark.parametrize(("is_started", "counts"), [(True, True), (False, False)])
async def test_cancelled_images_count_if_a_worker_has_started_them(
    limited: Harness, *, is_started: bool, counts: bool
) -> None:
    batch, images = await insert_batch(limited.sessions, LIMIT - 1, JANE)
    images.append(await insert_image(limited.sessions, JANE))
    for image in images if is_started else []:
        async with limited.sessions.begin() as session:
            assert await jobs.start(session, image.id or 0, RULES)

    await limited.user(JANE).DeleteBatch(pb.DeleteBatchRequest(id=batch.id or 0))
    await limited.uploads().accept(JANE, build_upload())
    await limited.user(JANE).DeleteImage(pb.DeleteImageRequest(id=images[-1].id or 0))

    with pytest.raises(errors.ResourceExhausted) if counts else contextlib.nullcontext():
        await limited.uploads().accept(JANE, build_upload())


async def test_other_failures_do_not_count(limited: Harness) -> None:
    for _ in range(LIMIT):
        await fail(limited, code="model_unavailable")

    await limited.uploads().accept(JANE, build_upload())


async def test_a_new_hour_begins_with_no_failures(limited: Harness) -> None:
    for _ in range(LIMIT):
        await fail(limited)
    async with limited.sessions.begin() as session:
        await (await session.connection()).execute(sa.text("UPDATE undecodable SET hour = hour - 1"))

    await limited.uploads().accept(JANE, build_upload())
    await fail(limited)

    await limited.uploads().accept(JANE, build_upload())


async def test_images_that_were_accepted_before_wait_for_the_next_hour(limited: Harness) -> None:
    rules = replace(RULES, undecodable_per_hour=LIMIT)
    accepted = [await insert_image(limited.sessions, JANE) for _ in range(2)]
    other = await insert_image(limited.sessions, OMAR)
    for _ in range(LIMIT):
        await fail(limited)

    async def start(image: Image) -> Image | None:
        async with limited.sessions.begin() as session:
            return await jobs.start(session, image.id or 0, rules)

    async def let_in() -> set[int]:
        async with limited.sessions.begin() as session:
            await turns.give(session, None)
            return {row.id for row in await turns.let_in(session, rules.window, LIMIT)}

    refused, others = [await start(image) for image in accepted], await start(other)
    again = await let_in()
    async with limited.sessions.begin() as session:
        states = [await session.get_one(Image, image.id) for image in accepted]
        await (await session.connection()).execute(sa.text("UPDATE undecodable SET hour = hour - 1"))
    later = await let_in()
    started = [await start(image) for image in accepted]

    assert (refused, bool(others)) == ([None, None], True)
    assert [(state.status, state.dispatched_at, state.attempt) for state in states] == [
        ("pending", None, 0)
    ] * 2
    assert again.isdisjoint(image.id for image in accepted)
    assert later >= {image.id for image in accepted}
    assert all(started)


async def test_links_of_accepted_images_are_fetched_in_the_next_hour(limited: Harness) -> None:
    await set_plan(limited, "professional", JANE)
    item = pb.CreateManifestRequest.Item(image_url="https://example.com/a.png")
    await Manifests(limited.context).accept(JANE, pb.CreateManifestRequest(items=[item], max_scale=4))
    for _ in range(LIMIT):
        await fail(limited)

    async def claim() -> int:
        async with limited.sessions.begin() as session:
            return len(await fetches.claim(session, uuid.uuid4(), {}, 9, 9, LIMIT))

    before = await claim()
    async with limited.sessions.begin() as session:
        await (await session.connection()).execute(sa.text("UPDATE undecodable SET hour = hour - 1"))

    assert (before, await claim()) == (0, 1)


async def test_the_count_of_a_deleted_user_is_deleted(limited: Harness) -> None:
    await fail(limited)

    async with limited.sessions.begin() as session:
        while await deleted_users.delete_some(session, JANE):
            pass

    async with limited.sessions.begin() as session:
        found = await (await session.connection()).execute(sa.text("SELECT count(*) FROM undecodable"))
        assert found.scalar_one() == 0
