"""The ends of images: results and failures are applied once, and only for the current attempt."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from common.db import Sessions
from images.domain import jobs
from images.tables import Status
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, insert_image, read_events, read_image
from tests.images.job_steps import delete, finish, read_dropped_keys, read_outcomes, set_heartbeat_age, start


async def test_a_result_completes_the_image(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)

    await finish(sessions, image, 1)

    found = await read_image(sessions, image.id)
    assert (found.status, found.upscaled_bytes, found.processing_seconds) == (Status.COMPLETED, 321, 1.5)
    assert [subject for subject, _ in await read_outcomes(sessions)] == ["images.completed"]


DAMAGED = "The animation is damaged: its frames were left out, and the still picture was upscaled."


@pytest.mark.parametrize(
    ("file_format", "planned", "decoded", "added"),
    [
        ("TIFF", None, 0, []),
        ("TIFF", None, 1, []),
        ("TIFF", 5, 5, []),
        ("TIFF", 5, 4, ["1 page could not be decoded and was left out."]),
        ("TIFF", 5, 1, ["4 pages could not be decoded and were left out."]),
        ("TIFF", 5, 0, ["4 pages could not be decoded and were left out."]),  # the previous release
        ("PNG", 5, 5, []),
        ("PNG", 2, 1, [DAMAGED]),
        ("PNG", 5, 1, [DAMAGED]),
        ("WEBP", 3, 1, [DAMAGED]),
    ],
)
async def test_pages_and_frames_that_a_worker_could_not_decode_are_named(
    sessions: Sessions, file_format: str, planned: int | None, decoded: int, added: list[str]
) -> None:
    before = [{"field": "image", "message": "1 of 6 pages was left out."}]
    image = await insert_image(sessions, pictures=planned, warnings=before, upscaled_format=file_format)
    await start(sessions, image)

    await finish(sessions, image, 1, pictures=decoded)

    found = await read_image(sessions, image.id)
    assert found.warnings == before + [{"field": "image", "message": text} for text in added]


async def test_a_failure_is_stored_as_the_worker_reported_it(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)

    await finish(sessions, image, 1, failure="undecodable")

    found = await read_image(sessions, image.id)
    assert (found.status, found.failure_code, found.failure_message) == (
        Status.FAILED,
        "undecodable",
        "No.",
    )
    assert [subject for subject, _ in await read_outcomes(sessions)] == ["images.failed"]


async def test_a_result_with_an_older_fence_changes_nothing(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await set_heartbeat_age(sessions, image, 21)
    await start(sessions, image)

    await finish(sessions, image, 1)

    assert (await read_image(sessions, image.id)).status == Status.PROCESSING
    assert await read_events(sessions) == []


async def test_a_result_that_arrives_twice_counts_once(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)

    await asyncio.gather(*(finish(sessions, image, 1) for _ in range(4)))
    await finish(sessions, image, 1, failure="undecodable")

    assert (await read_image(sessions, image.id)).status == Status.COMPLETED
    assert len(await read_outcomes(sessions)) == 1


async def test_the_result_of_a_deleted_image_is_deleted(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)
    await delete(sessions, image)

    await finish(sessions, image, 1)

    assert await read_dropped_keys(sessions) == [
        image.original_path,
        image.upscaled_path,
        image.upscaled_path,
    ]
    assert [subject for subject, _ in await read_outcomes(sessions)] == ["images.cancelled"]


async def test_deleting_a_finished_image_releases_no_place(sessions: Sessions) -> None:
    image = await insert_image(sessions, status=Status.COMPLETED)

    await delete(sessions, image)

    assert await read_outcomes(sessions) == []
    assert await read_dropped_keys(sessions) == [image.original_path, image.upscaled_path]


async def test_a_change_that_fails_leaves_no_event(sessions: Sessions) -> None:
    image = await insert_image(sessions)
    await start(sessions, image)

    with pytest.raises(DBAPIError):  # noqa: PT012  the failure comes after the change
        async with sessions.begin() as session:
            event = inference_pb2.Finished(image_id=image.id or 0, fence=1)
            event.output.CopyFrom(inference_pb2.Output(bytes=1))
            await jobs.finish(session, event, RULES)
            await (await session.connection()).execute(sa.text("SELECT 1/0"))

    assert (await read_image(sessions, image.id)).status == Status.PROCESSING
    assert await read_events(sessions) == []


async def test_results_and_deletions_of_one_user_do_not_deadlock(sessions: Sessions) -> None:
    running = [await insert_image(sessions) for _ in range(5)]
    for image in running:
        await start(sessions, image)
    waiting = [await insert_image(sessions) for _ in range(5)]

    await asyncio.gather(
        *(finish(sessions, image, 1) for image in running), *(delete(sessions, image) for image in waiting)
    )

    assert [(await read_image(sessions, image.id)).status for image in running] == [Status.COMPLETED] * 5
