"""Outcomes are published again: billing does what it has not done yet, and nothing twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

from billing.events import ImageOutcomes
from common import timestamps
from common.db import now
from images.domain import outcome_replay
from images.tables import Image, Status
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, an_image, events, new_image
from tests.images.leftovers import one, put_on, used

JANE = 1
DAY = timedelta(days=1)


async def replay(harness: Harness, since: datetime, after_id: int = 0) -> pb.ReplayEndingsResponse:
    request = pb.ReplayEndingsRequest(after_id=after_id, since=timestamps.to_proto(since))
    return await harness.service("operator").ReplayEndings(request, timeout=60)


async def reserved(harness: Harness, status: Status, **fields: Any) -> Image:
    """Insert an image that has ended, while billing knows only the reservation."""
    image = await an_image(harness.sessions, status=status, **fields)
    await harness.billing.Reserve(
        billing_pb2.ReserveRequest(user_id=JANE, reservation_ids=[str(image.reservation_id)])
    )
    return image


async def deliver(harness: Harness) -> None:
    """Deliver the events in the outbox to billing, as the stream would."""
    outcomes = ImageOutcomes(harness.billing_sessions)
    for subject, payload in await events(harness.sessions):
        handle = outcomes.capture if subject == "images.completed" else outcomes.release
        await handle(payload)


async def states(harness: Harness) -> str:
    return await one(
        harness.billing_sessions, "SELECT string_agg(state, ' ' ORDER BY state) FROM reservation"
    )


async def test_outcomes_that_billing_missed_are_charged_or_released(harness: Harness) -> None:
    await put_on(harness, "professional", JANE)
    await reserved(harness, Status.COMPLETED)
    await reserved(harness, Status.FAILED, failure_code="undecodable")
    await reserved(harness, Status.FAILED, failure_code="cancelled")
    await reserved(harness, Status.PENDING)

    answer = await replay(harness, now() - DAY)
    await deliver(harness)

    assert (answer.replayed, answer.next_after_id) == (3, 0)
    subjects = [subject for subject, _ in await events(harness.sessions)]
    assert subjects == ["images.completed", "images.failed", "images.cancelled"]
    assert await states(harness) == "captured released released reserved"
    assert await used(harness) == 2


async def test_outcomes_that_billing_knows_change_nothing(harness: Harness) -> None:
    await put_on(harness, "professional", JANE)
    await reserved(harness, Status.COMPLETED)
    await reserved(harness, Status.FAILED)
    await replay(harness, now() - DAY)
    await deliver(harness)
    before = await one(harness.billing_sessions, "SELECT max(id) FROM ledger_entry")

    await replay(harness, now() - DAY)
    await deliver(harness)

    assert await states(harness) == "captured released"
    assert await used(harness) == 1
    assert await one(harness.billing_sessions, "SELECT max(id) FROM ledger_entry") == before


async def test_a_reservation_that_expired_meanwhile_counts_again(harness: Harness) -> None:
    await reserved(harness, Status.COMPLETED)
    over = "UPDATE reservation SET expires_at = now() - interval '1 hour' RETURNING 1"
    await one(harness.billing_sessions, over)
    await ImageOutcomes(harness.billing_sessions).expire_reservations()
    between = await used(harness)

    await replay(harness, now() - DAY)
    await deliver(harness)

    assert (between, await used(harness)) == (0, 1)


async def test_images_that_ended_before_are_not_replayed(harness: Harness) -> None:
    await an_image(harness.sessions, status=Status.COMPLETED, updated_at=now() - 2 * DAY)
    recent = await an_image(harness.sessions, status=Status.COMPLETED, created_at=now() - 3 * DAY)

    answer = await replay(harness, now() - DAY)

    assert answer.replayed == 1
    [(_, payload)] = await events(harness.sessions)
    assert pb.ImageEnded.FromString(payload) == pb.ImageEnded(
        image_id=recent.id or 0, user_id=JANE, reservation_id=str(recent.reservation_id)
    )


async def test_a_page_says_where_to_continue(harness: Harness) -> None:
    async with harness.sessions.begin() as session:
        session.add_all(
            [new_image(status=Status.COMPLETED) for _ in range(outcome_replay.IMAGES_PER_PAGE + 1)]
        )

    first = await replay(harness, datetime(2000, 1, 1, tzinfo=UTC))
    last = await replay(harness, datetime(2000, 1, 1, tzinfo=UTC), first.next_after_id)

    assert (first.replayed, last.replayed) == (outcome_replay.IMAGES_PER_PAGE, 1)
    assert first.next_after_id > 0
    assert last.next_after_id == 0
    assert (
        len({payload for _, payload in await events(harness.sessions)}) == outcome_replay.IMAGES_PER_PAGE + 1
    )
