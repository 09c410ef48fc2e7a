"""Operators list and redrive dead letters.

A redrive publishes a message again, or makes a failed image pending again.
"""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from nats.js import JetStreamContext

from common import bus, errors, messages
from images.domain import batches, jobs, library
from images.events import EVENTS, QUEUE
from images.tables import BatchStatus, Image, Status
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, Harness, insert_batch, insert_image, poll, read_events, read_image
from tests.images.job_steps import read_queued_ids
from tests.images.upload_traces import query_value, read_used_quota, refuse_commits, set_plan

JANE = 1
OLD_DEAD_SUBJECT = "dead.JOBS.inference"
"""The subject of dead jobs in the previous release."""


@pytest.fixture
async def js(harness: Harness) -> AsyncGenerator[JetStreamContext]:
    """Return JetStream, with empty streams of jobs, events and dead letters."""
    await bus.declare(harness.js, QUEUE, EVENTS, bus.DEAD)
    for stream in ("QUEUE", "IMAGES", "DEAD"):
        await harness.js.purge_stream(stream)
    yield harness.js
    await harness.js.delete_stream("QUEUE")


async def list_dead_letters(harness: Harness, limit: int = 100) -> list[pb.DeadMessage]:
    operator = harness.service("operator")
    return list((await operator.ListDeadMessages(pb.ListDeadMessagesRequest(limit=limit))).messages)


async def redrive(harness: Harness, sequence: int) -> None:
    await harness.service("operator").RedriveDeadMessage(pb.RedriveDeadMessageRequest(sequence=sequence))


async def give_up(harness: Harness, data: bytes) -> None:
    """Let a consumer give up a message that it cannot process."""
    consumer = messages.Consumer(stream="IMAGES", durable="billing-release", subjects=("images.failed",))

    async def handle(_: bytes) -> None:
        raise messages.Unprocessable("no reservation\nin it")

    before = (await harness.js.stream_info("DEAD")).state.messages
    await harness.js.publish("images.failed", data)
    consuming = asyncio.create_task(bus.consume(harness.js, consumer, handle))

    async def is_dead() -> bool:
        return (await harness.js.stream_info("DEAD")).state.messages > before

    await poll(is_dead)
    consuming.cancel()
    await asyncio.wait({consuming})
    await harness.js.delete_consumer("IMAGES", "billing-release")


async def use_up_attempts(harness: Harness, image: Image) -> Image:
    """Use up the image's attempts and put its dead letter into the stream."""
    for fence in (1, 2, 3):
        async with harness.sessions.begin() as session:
            await jobs.start(session, image.id or 0, RULES)
        async with harness.sessions.begin() as session:
            await jobs.stop(session, image.id or 0, fence, excused=False)
    async with harness.sessions.begin() as session:
        assert await jobs.start(session, image.id or 0, RULES) is None
    for subject, payload in await read_events(harness.sessions):
        if (
            subject in (jobs.DEAD_STANDARD, jobs.DEAD_PRIORITY)
            and pb.ImageSubmitted.FromString(payload).image_id == image.id
        ):
            await harness.js.publish(subject, payload)
    return await read_image(harness.sessions, image.id)


async def test_a_dead_letter_is_listed_with_its_cause(harness: Harness, js: JetStreamContext) -> None:
    await give_up(harness, pb.ImageEnded(image_id=42).SerializeToString())

    [message] = await list_dead_letters(harness)

    assert (message.subject, message.consumer, message.image_id) == ("images.failed", "billing-release", 42)
    assert message.error == "Unprocessable: no reservation in it"
    assert message.created_at.seconds > 0


async def test_a_letter_that_cannot_be_parsed_has_no_image_id(harness: Harness, js: JetStreamContext) -> None:
    await give_up(harness, b"\xff")

    assert [message.image_id for message in await list_dead_letters(harness)] == [0]


async def test_a_list_is_limited_and_newest_first_even_after_letters_were_deleted(
    harness: Harness, js: JetStreamContext
) -> None:
    sequences = [(await js.publish(jobs.DEAD_STANDARD, b"")).seq for _ in range(40)]
    for sequence in sequences[10:35]:
        await js.delete_msg("DEAD", sequence)

    remaining = [*sequences[:10], *sequences[35:]][::-1]
    assert [message.sequence for message in await list_dead_letters(harness)] == remaining
    assert [message.sequence for message in await list_dead_letters(harness, 7)] == remaining[:7]
    assert [message.sequence for message in await list_dead_letters(harness, 0)] == remaining[:1]


async def test_without_dead_letters_the_list_is_empty(harness: Harness, js: JetStreamContext) -> None:
    assert await list_dead_letters(harness) == []


async def test_a_redrive_publishes_the_message_again_and_deletes_the_letter(
    harness: Harness, js: JetStreamContext
) -> None:
    data = pb.ImageEnded(image_id=42).SerializeToString()
    await give_up(harness, data)
    [message] = await list_dead_letters(harness)

    await redrive(harness, message.sequence)

    last = await js.get_last_msg("IMAGES", "images.failed")
    assert (last.data, (await js.stream_info("IMAGES")).state.messages) == (data, 2)
    assert await list_dead_letters(harness) == []


@pytest.mark.parametrize("sequence", [0, 1, 10**9])
async def test_an_unknown_letter_is_not_found(harness: Harness, js: JetStreamContext, sequence: int) -> None:
    with pytest.raises(errors.NotFound) as caught:
        await redrive(harness, sequence)

    assert caught.value.reason == "dead_message_not_found"


async def test_a_second_redrive_finds_no_letter(harness: Harness, js: JetStreamContext) -> None:
    await give_up(harness, b"")
    [message] = await list_dead_letters(harness)
    await redrive(harness, message.sequence)

    with pytest.raises(errors.NotFound):
        await redrive(harness, message.sequence)

    assert (await js.stream_info("IMAGES")).state.messages == 2


@pytest.mark.parametrize("is_priority", [False, True])
async def test_an_image_without_attempts_left_has_a_dead_letter(
    harness: Harness, js: JetStreamContext, is_priority: bool
) -> None:
    image = await use_up_attempts(harness, await insert_image(harness.sessions, is_priority=is_priority))

    [message] = await list_dead_letters(harness)

    queue = "priority" if is_priority else "standard"
    assert message.subject == f"images.queued.{queue}"
    assert (message.consumer, message.image_id) == (f"inference-{queue}", image.id)
    assert message.error == "The image could not be processed in 3 attempts."


async def test_a_final_failure_leaves_no_dead_letter(harness: Harness, js: JetStreamContext) -> None:
    image = await insert_image(harness.sessions)
    event = inference_pb2.Finished(image_id=image.id or 0, failure=inference_pb2.Failure(code="undecodable"))

    async with harness.sessions.begin() as session:
        await jobs.finish(session, event, RULES)

    assert [subject for subject, _ in await read_events(harness.sessions)] == ["images.failed"]


async def test_a_redriven_image_is_pending_with_new_attempts_and_a_new_reservation(
    harness: Harness, js: JetStreamContext
) -> None:
    image = await use_up_attempts(harness, await insert_image(harness.sessions))
    [message] = await list_dead_letters(harness)

    await redrive(harness, message.sequence)

    redriven = await read_image(harness.sessions, image.id)
    assert (redriven.status, redriven.failure_code, redriven.failure_message) == (Status.PENDING, None, None)
    assert redriven.reservation_id != image.reservation_id
    assert await read_used_quota(harness) == 1
    assert await read_queued_ids(harness.sessions) == [image.id]
    assert await list_dead_letters(harness) == []
    fences = list[int]()
    for _ in range(RULES.attempts):
        async with harness.sessions.begin() as session:
            started = await jobs.start(session, image.id or 0, RULES)
        assert started
        fences.append(started.attempt)
        async with harness.sessions.begin() as session:
            await jobs.stop(session, image.id or 0, started.attempt, excused=False)
    assert fences == [4, 5, 6]
    async with harness.sessions.begin() as session:
        assert await jobs.start(session, image.id or 0, RULES) is None
    assert (await read_image(harness.sessions, image.id)).failure_code == "attempts_exhausted"


async def test_a_late_result_of_an_attempt_before_the_redrive_changes_nothing(
    harness: Harness, js: JetStreamContext
) -> None:
    image = await use_up_attempts(harness, await insert_image(harness.sessions))
    [message] = await list_dead_letters(harness)
    await redrive(harness, message.sequence)
    async with harness.sessions.begin() as session:
        await jobs.start(session, image.id or 0, RULES)

    late = inference_pb2.Finished(image_id=image.id or 0, fence=3, output=inference_pb2.Output(bytes=1))
    async with harness.sessions.begin() as session:
        await jobs.finish(session, late, RULES)

    assert (await read_image(harness.sessions, image.id)).status == Status.PROCESSING


async def test_a_redrive_reopens_the_batch(harness: Harness, js: JetStreamContext) -> None:
    batch, [image] = await insert_batch(harness.sessions, 1)
    await use_up_attempts(harness, image)
    [message] = await list_dead_letters(harness)

    await redrive(harness, message.sequence)

    async with harness.sessions.begin() as session:
        reopened, _ = await batches.get(session, JANE, batch.id or 0)
    assert (reopened.status, reopened.failed_images) == (BatchStatus.PROCESSING, 0)
    assert reopened.completed_at is None


async def test_a_redrive_without_quota_is_refused_and_the_letter_stays(
    harness: Harness, js: JetStreamContext
) -> None:
    image = await use_up_attempts(harness, await insert_image(harness.sessions))
    [message] = await list_dead_letters(harness)
    await fill_quota(harness)

    with pytest.raises(errors.PermissionDenied) as caught:
        await redrive(harness, message.sequence)

    assert caught.value.reason == "quota_exceeded"
    assert [each.sequence for each in await list_dead_letters(harness)] == [message.sequence]
    assert (await read_image(harness.sessions, image.id)).status == Status.FAILED


async def fill_quota(harness: Harness) -> None:
    statement = (
        "INSERT INTO quota VALUES (1, date_trunc('month', now() AT TIME ZONE 'UTC'), 2, 1) RETURNING used"
    )
    assert await query_value(harness.billing_sessions, statement) == 2


@pytest.mark.parametrize("end", ["deleted", "cancelled", "waiting"])
async def test_a_redrive_of_an_image_that_has_not_failed_is_refused_and_deletes_the_letter(
    harness: Harness, js: JetStreamContext, end: str
) -> None:
    image = await use_up_attempts(harness, await insert_image(harness.sessions))
    [message] = await list_dead_letters(harness)
    async with harness.sessions.begin() as session:
        if end == "deleted":
            await library.delete(session, JANE, image.id or 0, RULES)
        else:
            found = (await library.get_many(session, [image.id or 0]))[image.id or 0]
            found.failure_code, found.status = "cancelled", Status[{"waiting": "PENDING"}.get(end, "FAILED")]

    with pytest.raises(errors.FailedPrecondition) as caught:
        await redrive(harness, message.sequence)

    assert caught.value.reason == "image_not_failed"
    assert await list_dead_letters(harness) == []
    assert await read_used_quota(harness) == 0


async def test_of_two_simultaneous_redrives_of_one_image_only_one_succeeds(
    harness: Harness, js: JetStreamContext
) -> None:
    await set_plan(harness, "professional", JANE)
    await use_up_attempts(harness, await insert_image(harness.sessions))
    [message] = await list_dead_letters(harness)
    await js.publish(jobs.DEAD_STANDARD, pb.ImageSubmitted(image_id=message.image_id).SerializeToString())

    sequences = [each.sequence for each in await list_dead_letters(harness)]
    results = await asyncio.gather(*(redrive(harness, each) for each in sequences), return_exceptions=True)

    assert sum(each is None for each in results) == 1
    assert sum(isinstance(each, errors.FailedPrecondition) for each in results) == 1
    assert await read_used_quota(harness) == 1
    assert await list_dead_letters(harness) == []


async def test_a_redrive_that_fails_releases_its_reservation_and_can_be_repeated(
    harness: Harness, js: JetStreamContext
) -> None:
    await use_up_attempts(harness, await insert_image(harness.sessions))
    [message] = await list_dead_letters(harness)

    async with refuse_commits(harness.sessions, "image", "UPDATE"):
        with pytest.raises(errors.Internal):
            await redrive(harness, message.sequence)
    between = await read_used_quota(harness)
    await redrive(harness, message.sequence)

    assert between == 0
    assert await read_used_quota(harness) == 1


@pytest.mark.parametrize("queue", ["standard", "priority"])
async def test_a_dead_job_of_the_previous_release_is_redriven_to_the_current_queue(
    harness: Harness, js: JetStreamContext, queue: str
) -> None:
    data = pb.ImageSubmitted(image_id=42).SerializeToString()
    headers = {"Loupe-Subject": f"images.submitted.{queue}", "Loupe-Error": "ValueError: No."}
    await js.publish(OLD_DEAD_SUBJECT, data, headers=headers)
    [message] = await list_dead_letters(harness)

    await redrive(harness, message.sequence)

    assert (message.consumer, message.image_id) == ("inference", 42)
    assert (await js.get_last_msg("QUEUE", f"images.queued.{queue}")).data == data
    assert await list_dead_letters(harness) == []


async def test_an_image_that_failed_in_the_previous_release_is_redriven(
    harness: Harness, js: JetStreamContext
) -> None:
    image = await use_up_attempts(harness, await insert_image(harness.sessions))
    await js.purge_stream("DEAD")
    await js.publish(OLD_DEAD_SUBJECT, pb.ImageSubmitted(image_id=image.id or 0).SerializeToString())
    [message] = await list_dead_letters(harness)

    await redrive(harness, message.sequence)

    assert (await read_image(harness.sessions, image.id)).status == Status.PENDING
    assert await read_queued_ids(harness.sessions) == [image.id]
