"""Fabricated evidence of a run in which everything went well: one image of each kind."""

from collections import Counter
from datetime import UTC, date, datetime

from tests.chaos.evidence import (
    BatchRow,
    BlockRow,
    Evidence,
    ImageRow,
    LedgerRow,
    ProcessFacts,
    QuotaRow,
    ReservationRow,
)
from tests.chaos.journal import Journal, Wish
from tests.chaos.pictures import Reading

USER = 7
MONTH = date(2026, 11, 1)
DAY = datetime(2026, 11, 2, tzinfo=UTC)
SIZE = 48
FACTS = ProcessFacts(descriptors=30, threads=10, processes=1, zombies=0, mebibytes=80)


def evidence() -> Evidence:
    """Return evidence without a violation: two results, a cancelled image, a deleted and a refused one."""
    journal = _journal()
    images = [
        _row(1, "completed"),
        _row(2, "completed", batch_id=1),
        _row(3, "failed", batch_id=1, failure_code="cancelled"),
    ]
    states = {"r1": "captured", "r2": "captured", "r3": "released", "r4": "captured"}
    return Evidence(
        journal=journal,
        images=images,
        batches=[_batch()],
        blocks=[BlockRow(user_id=USER, total=3, completed=2, failed=1)],
        reservations=[
            ReservationRow(id=name, user_id=USER, period_start=MONTH, state=state)
            for name, state in states.items()
        ],
        ledger=[
            *(_entry(name, 1, "reserved") for name in states),
            *(_entry(name, -(state == "released"), state) for name, state in states.items()),
        ],
        quotas=[QuotaRow(user_id=USER, period_start=MONTH, used=3)],
        outboxes={"images": 0},
        objects=frozenset(
            {row.original_path for row in images}
            | {"upscaled/1", "upscaled/2"}
            | {f"images/previews/{n}.result.webp" for n in (1, 2)}
        ),
        results={number: Reading(number, SIZE, SIZE) for number in (1, 2)},
        waiting_messages={"QUEUE": 0},
        completed_events=Counter({1: 1, 2: 1, 4: 1}),
        before={"images": FACTS},
        after={"images": FACTS},
    )


def _journal() -> Journal:
    journal = Journal()
    done, in_batch, cancelled, deleted, refused = (journal.add(USER, SIZE, SIZE) for _ in range(5))
    for number, one in enumerate((done, in_batch, cancelled, deleted), 1):
        one.is_accepted, one.image_id = True, number
    done.answered_ids = {1}
    in_batch.batch_id = cancelled.batch_id = 1
    cancelled.wish, deleted.wish = Wish.CANCEL, Wish.DELETE
    cancelled.is_wish_confirmed = deleted.is_wish_confirmed = True
    refused.is_accepted = False
    journal.heard = {("image", number) for number in (1, 2, 3)} | {("batch", 1)}
    journal.delivered = set(journal.heard)
    return journal


def _batch() -> BatchRow:
    return BatchRow(
        id=1, status="cancelled", total_images=2, completed_images=1, failed_images=1, created_at=DAY
    )


def _row(number: int, status: str, batch_id: int | None = None, failure_code: str | None = None) -> ImageRow:
    return ImageRow(
        id=number,
        user_id=USER,
        batch_id=batch_id,
        original_filename=f"{number:06}.png",
        original_path=f"originals/{number}",
        upscaled_path=f"upscaled/{number}",
        previews=["result.webp"] if status == "completed" else [],
        upscaled_width=SIZE,
        upscaled_height=SIZE,
        status=status,
        failure_code=failure_code,
        reservation_id=f"r{number}",
        created_at=DAY,
    )


def _entry(reservation_id: str, change: int, reason: str) -> LedgerRow:
    return LedgerRow(
        reservation_id=reservation_id, user_id=USER, period_start=MONTH, change=change, reason=reason
    )
