"""Any process that finds its note undoes an interrupted upload, once no other process works on it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from common import errors
from common.db import now
from images.formats.header import Header
from images.uploads import intents
from images.uploads.intake import Intake, ServiceContext
from images.uploads.intents import Intents
from images.uploads.original import Original, UploadOptions
from images.uploads.sizing import Options
from tests.images.harness import Harness, list_keys
from tests.images.test_uploads import JANE, PHOTO, build_upload
from tests.images.upload_traces import nothing_is_left, query_value, read_used_quota, refuse_commits, set_plan

ABANDON = "UPDATE upload_intent SET alive_until = statement_timestamp() - interval '1 second'"
STEPS = ("note", "reservation", "object", "second object")
RESERVED = "SELECT count(*) FROM reservation WHERE state = 'reserved'"
NOTES = "SELECT count(*) FROM upload_intent"


def an_original(number: int = 0) -> Original:
    return Original(f"photo-{number}.jpg", len(PHOTO), Header("JPEG", 24, 16))


async def begin(harness: Harness, last: str, context: ServiceContext | None = None) -> Intake:
    """Do the steps of an upload up to `last`, and leave it as a killed process would."""
    context = context or harness.context
    intake = Intake(context, JANE)
    if last == "note":
        await context.intents.add(intake._intent, object_keys=["images/originals/abc.jpg"])
        return intake
    first, second = an_original(), an_original(1)
    await intake.reserve(1, object_keys=[first.path])
    if last != "reservation":
        await intake.start_storing(first, PHOTO)
    if last == "second object":
        await intake.start_storing(second, PHOTO)
    await intake.wait_until_stored()
    return intake


async def execute(harness: Harness, statement: str) -> None:
    async with harness.sessions.begin() as session:
        await (await session.connection()).execute(sa.text(statement))


@pytest.mark.parametrize("last", STEPS)
async def test_an_upload_whose_process_was_killed_is_undone(harness: Harness, last: str) -> None:
    await begin(harness, last)
    await execute(harness, ABANDON)

    await harness.context.intents.sweep()

    assert await nothing_is_left(harness)
    assert await query_value(harness.billing_sessions, RESERVED) == 0


@pytest.mark.parametrize("last", STEPS)
async def test_an_upload_under_way_is_left_alone(harness: Harness, last: str) -> None:
    await begin(harness, last)

    await harness.context.intents.sweep()

    assert await query_value(harness.sessions, NOTES) == 1
    assert await query_value(harness.billing_sessions, RESERVED) == int(last != "note")
    assert len(await list_keys(harness)) == {"object": 1, "second object": 2}.get(last, 0)


async def test_the_process_keeps_the_notes_of_its_uploads_alive(harness: Harness) -> None:
    context = harness.context
    await begin(harness, "object", context)
    await begin(harness, "note")  # of another process
    await execute(harness, ABANDON)

    await context.intents.renew()
    await harness.context.intents.sweep()

    assert await query_value(harness.sessions, NOTES) == 1
    assert len(await list_keys(harness)) == 1


@pytest.mark.parametrize("last", ["reservation", "object", "second object"])
async def test_a_frozen_process_cannot_insert_an_image_whose_upload_was_undone(
    harness: Harness, last: str
) -> None:
    async with interrupted(harness) as intake:
        original = an_original()
        reserved = await intake.reserve(1, object_keys=[original.path])
        if last != "reservation":
            await intake.start_storing(original, PHOTO)
            await intake.wait_until_stored()
        await execute(harness, ABANDON)
        await harness.context.intents.sweep()
        if last == "second object":
            await intake.start_storing(an_original(1), PHOTO)
        if last == "reservation":  # the file is stored after the upload was undone
            await intake.start_storing(original, PHOTO)
        options, limits = UploadOptions(Options(scale_factor=2)), harness.context.limits()
        size = original.result_size(options, limits)
        row = original.to_row(JANE, options, size, reserved.places[0], limits, api_request=False)
        await intake.insert([row])

    assert await nothing_is_left(harness)
    assert await query_value(harness.billing_sessions, RESERVED) == 0


@asynccontextmanager
async def interrupted(harness: Harness) -> AsyncGenerator[Intake]:
    """Yield an upload that is refused because it was undone."""
    with pytest.raises(errors.Unavailable, match="was undone"):
        async with Intake(harness.context, JANE) as intake:
            yield intake


async def test_a_failed_upload_is_undone_later_if_billing_is_away(harness: Harness) -> None:
    context = replace(
        harness.context,
        intents=Intents(harness.sessions, harness.blobs, harness.billing_at("127.0.0.1:9")),
    )
    async with refuse_commits(harness.sessions, "image", "INSERT"):
        with pytest.raises(DBAPIError, match="refused"):
            await harness.uploads(intents=context.intents).accept(JANE, build_upload())
    assert (await query_value(harness.sessions, NOTES), await read_used_quota(harness)) == (1, 1)

    await execute(harness, ABANDON)
    await harness.context.intents.sweep()

    assert await nothing_is_left(harness)


async def test_a_failed_upload_is_undone_later_if_the_store_is_away(harness: Harness) -> None:
    away = harness.blobs_at("http://127.0.0.1:9")
    async with refuse_commits(harness.sessions, "image", "INSERT"):
        with pytest.raises(DBAPIError, match="refused"):
            await harness.uploads(intents=Intents(harness.sessions, away, harness.billing)).accept(
                JANE, build_upload()
            )
    assert await read_used_quota(harness) == 0, "the place is given back at once"
    assert len(await list_keys(harness)) == 1

    await execute(harness, ABANDON)
    await harness.context.intents.sweep()

    assert await nothing_is_left(harness)


async def test_one_upload_that_cannot_be_undone_does_not_hold_up_the_others(harness: Harness) -> None:
    await begin(harness, "object")
    await begin(harness, "note")
    await execute(harness, ABANDON)
    billing_away = Intents(harness.sessions, harness.blobs, harness.billing_at("127.0.0.1:9"))

    with pytest.raises(errors.Unavailable):
        await billing_away.sweep()

    assert await query_value(harness.sessions, NOTES) == 1


async def test_a_place_is_not_given_back_while_billing_may_still_reserve_it(harness: Harness) -> None:
    with pytest.raises(errors.Unavailable):
        await harness.uploads(billing=harness.billing_at("127.0.0.1:9")).accept(JANE, build_upload())

    assert await query_value(harness.sessions, NOTES) == 1
    await execute(harness, ABANDON)
    await harness.context.intents.sweep()
    assert await nothing_is_left(harness)


async def test_a_refused_reservation_leaves_no_note(harness: Harness) -> None:
    with pytest.raises(errors.PermissionDenied):
        await harness.uploads().accept(JANE, build_upload(api_request=True))

    assert await nothing_is_left(harness)


async def test_places_are_reserved_for_minutes_until_the_row_is_there(harness: Harness) -> None:
    await set_plan(harness, "starter", JANE)

    image, _ = await harness.uploads().accept(JANE, build_upload())

    left = image.reserved_until - now()
    assert timedelta(0) < left <= timedelta(seconds=intents.RESERVED_SECONDS)


async def test_two_sweeps_at_once_undo_an_upload_once(harness: Harness) -> None:
    await set_plan(harness, "starter", JANE)
    for _ in range(5):
        await begin(harness, "object")
    await execute(harness, ABANDON)
    sweeps = [harness.context.intents, harness.context.intents]

    await asyncio.gather(*(each.sweep() for each in sweeps))

    assert await nothing_is_left(harness)
