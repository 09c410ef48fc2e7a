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
from tests.images.images_rig import Rig, an_image, events, new_image
from tests.images.leftovers import one, put_on, used

JANE = 1
DAY = timedelta(days=1)


async def replay(rig: Rig, since: datetime, after_id: int = 0) -> pb.ReplayEndingsResponse:
    request = pb.ReplayEndingsRequest(after_id=after_id, since=timestamps.to_proto(since))
    return await rig.service("operator").ReplayEndings(request, timeout=60)


async def reserved(rig: Rig, status: Status, **fields: Any) -> Image:
    """Insert an image that has ended, while billing knows only the reservation."""
    image = await an_image(rig.sessions, status=status, **fields)
    await rig.billing.Reserve(
        billing_pb2.ReserveRequest(user_id=JANE, reservation_ids=[str(image.reservation_id)])
    )
    return image


async def deliver(rig: Rig) -> None:
    """Deliver the events in the outbox to billing, as the stream would."""
    outcomes = ImageOutcomes(rig.billing_sessions)
    for subject, payload in await events(rig.sessions):
        handle = outcomes.capture if subject == "images.completed" else outcomes.release
        await handle(payload)


async def states(rig: Rig) -> str:
    return await one(rig.billing_sessions, "SELECT string_agg(state, ' ' ORDER BY state) FROM reservation")


async def test_outcomes_that_billing_missed_are_charged_or_released(rig: Rig) -> None:
    await put_on(rig, "professional", JANE)
    await reserved(rig, Status.COMPLETED)
    await reserved(rig, Status.FAILED, failure_code="undecodable")
    await reserved(rig, Status.FAILED, failure_code="cancelled")
    await reserved(rig, Status.PENDING)

    answer = await replay(rig, now() - DAY)
    await deliver(rig)

    assert (answer.replayed, answer.next_after_id) == (3, 0)
    subjects = [subject for subject, _ in await events(rig.sessions)]
    assert subjects == ["images.completed", "images.failed", "images.cancelled"]
    assert await states(rig) == "captured released released reserved"
    assert await used(rig) == 2


async def test_outcomes_that_billing_knows_change_nothing(rig: Rig) -> None:
    await put_on(rig, "professional", JANE)
    await reserved(rig, Status.COMPLETED)
    await reserved(rig, Status.FAILED)
    await replay(rig, now() - DAY)
    await deliver(rig)
    before = await one(rig.billing_sessions, "SELECT max(id) FROM ledger_entry")

    await replay(rig, now() - DAY)
    await deliver(rig)

    assert await states(rig) == "captured released"
    assert await used(rig) == 1
    assert await one(rig.billing_sessions, "SELECT max(id) FROM ledger_entry") == before


async def test_a_reservation_that_expired_meanwhile_counts_again(rig: Rig) -> None:
    await reserved(rig, Status.COMPLETED)
    over = "UPDATE reservation SET expires_at = now() - interval '1 hour' RETURNING 1"
    await one(rig.billing_sessions, over)
    await ImageOutcomes(rig.billing_sessions).expire_reservations()
    between = await used(rig)

    await replay(rig, now() - DAY)
    await deliver(rig)

    assert (between, await used(rig)) == (0, 1)


async def test_images_that_ended_before_are_not_replayed(rig: Rig) -> None:
    await an_image(rig.sessions, status=Status.COMPLETED, updated_at=now() - 2 * DAY)
    recent = await an_image(rig.sessions, status=Status.COMPLETED, created_at=now() - 3 * DAY)

    answer = await replay(rig, now() - DAY)

    assert answer.replayed == 1
    [(_, payload)] = await events(rig.sessions)
    assert pb.ImageEnded.FromString(payload) == pb.ImageEnded(
        image_id=recent.id or 0, user_id=JANE, reservation_id=str(recent.reservation_id)
    )


async def test_a_page_says_where_to_continue(rig: Rig) -> None:
    async with rig.sessions.begin() as session:
        session.add_all([new_image(status=Status.COMPLETED) for _ in range(outcome_replay.AT_ONCE + 1)])

    first = await replay(rig, datetime(2000, 1, 1, tzinfo=UTC))
    last = await replay(rig, datetime(2000, 1, 1, tzinfo=UTC), first.next_after_id)

    assert (first.replayed, last.replayed) == (outcome_replay.AT_ONCE, 1)
    assert first.next_after_id > 0
    assert last.next_after_id == 0
    assert len({payload for _, payload in await events(rig.sessions)}) == outcome_replay.AT_ONCE + 1
