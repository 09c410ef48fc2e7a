"""Outcomes are published again. Billing applies those that it missed, and none twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

from billing.events import ImageOutcomes
from common import timestamps
from common.db import now
from images.domain import outcome_replay
from images.tables import Image, Status
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, build_image, insert_image, read_events
from tests.images.upload_traces import query_value, read_used_quota, set_plan

JANE = 1
DAY = timedelta(days=1)


async def replay(harness: Harness, since: datetime, after_id: int = 0) -> pb.ReplayEndingsResponse:
    request = pb.ReplayEndingsRequest(after_id=after_id, since=timestamps.to_proto(since))
    return await harness.service("operator").ReplayEndings(request, timeout=60)


async def insert_reserved(harness: Harness, status: Status, **fields: Any) -> Image:
    """Insert an image with this status. Billing knows only its reservation."""
    image = await insert_image(harness.sessions, status=status, **fields)
    await harness.billing.Reserve(
        billing_pb2.ReserveRequest(user_id=JANE, reservation_ids=[str(image.reservation_id)])
    )
    return image


async def deliver(harness: Harness) -> None:
    """Deliver the events in the outbox to billing, as the stream would."""
    outcomes = ImageOutcomes(harness.billing_sessions)
    for subject, payload in await read_events(harness.sessions):
        handle = outcomes.capture if subject == "images.completed" else outcomes.release
        await handle(payload)


async def read_reservation_states(harness: Harness) -> str:
    return await query_value(
        harness.billing_sessions, "SELECT string_agg(state, ' ' ORDER BY state) FROM reservation"
    )


async def test_outcomes_that_billing_missed_are_charged_or_released(harness: Harness) -> None:
    await set_plan(harness, "professional", JANE)
    await insert_reserved(harness, Status.COMPLETED)
    await insert_reserved(harness, Status.FAILED, failure_code="undecodable")
    await insert_reserved(harness, Status.FAILED, failure_code="cancelled")
    await insert_reserved(harness, Status.PENDING)

    answer = await replay(harness, now() - DAY)
    await deliver(harness)

    assert (answer.replayed, answer.next_after_id) == (3, 0)
    subjects = [subject for subject, _ in await read_events(harness.sessions)]
    assert subjects == ["images.completed", "images.failed", "images.cancelled"]
    assert await read_reservation_states(harness) == "captured released released reserved"
    assert await read_used_quota(harness) == 2


async def test_outcomes_that_billing_already_applied_change_nothing(harness: Harness) -> None:
    await set_plan(harness, "professional", JANE)
    await insert_reserved(harness, Status.COMPLETED)
    await insert_reserved(harness, Status.FAILED)
    await replay(harness, now() - DAY)
    await deliver(harness)
    before = await query_value(harness.billing_sessions, "SELECT max(id) FROM ledger_entry")

    await replay(harness, now() - DAY)
    await deliver(harness)

    assert await read_reservation_states(harness) == "captured released"
    assert await read_used_quota(harness) == 1
    assert await query_value(harness.billing_sessions, "SELECT max(id) FROM ledger_entry") == before


async def test_a_replayed_completion_charges_an_expired_reservation(harness: Harness) -> None:
    await insert_reserved(harness, Status.COMPLETED)
    expire = "UPDATE reservation SET expires_at = now() - interval '1 hour' RETURNING 1"
    await query_value(harness.billing_sessions, expire)
    await ImageOutcomes(harness.billing_sessions).expire_reservations()
    between = await read_used_quota(harness)

    await replay(harness, now() - DAY)
    await deliver(harness)

    assert (between, await read_used_quota(harness)) == (0, 1)


async def test_images_that_ended_before_the_given_time_are_not_replayed(harness: Harness) -> None:
    await insert_image(harness.sessions, status=Status.COMPLETED, updated_at=now() - 2 * DAY)
    recent = await insert_image(harness.sessions, status=Status.COMPLETED, created_at=now() - 3 * DAY)

    answer = await replay(harness, now() - DAY)

    assert answer.replayed == 1
    [(_, payload)] = await read_events(harness.sessions)
    assert pb.ImageEnded.FromString(payload) == pb.ImageEnded(
        image_id=recent.id or 0, user_id=JANE, reservation_id=str(recent.reservation_id)
    )


async def test_a_page_says_where_to_continue(harness: Harness) -> None:
    async with harness.sessions.begin() as session:
        session.add_all(
            [build_image(status=Status.COMPLETED) for _ in range(outcome_replay.IMAGES_PER_PAGE + 1)]
        )

    first = await replay(harness, datetime(2000, 1, 1, tzinfo=UTC))
    last = await replay(harness, datetime(2000, 1, 1, tzinfo=UTC), first.next_after_id)

    assert (first.replayed, last.replayed) == (outcome_replay.IMAGES_PER_PAGE, 1)
    assert first.next_after_id > 0
    assert last.next_after_id == 0
    assert (
        len({payload for _, payload in await read_events(harness.sessions)})
        == outcome_replay.IMAGES_PER_PAGE + 1
    )
