"""Many events at a time become deliveries in few transactions, each for itself."""

import asyncio

from outbound.group_commit import MOST
from tests.outbound.harness import JANE, OMAR, OutboundHarness

IDS = [f"event-{number:03}" for number in range(MOST + 6)]


async def test_events_that_come_together_are_written_in_few_transactions(outbound: OutboundHarness) -> None:
    first, second, _ = [(await outbound.create(user_id=user)).webhook.id for user in (JANE, JANE, OMAR)]

    await asyncio.gather(*(outbound.happen("image.completed", event_id=each) for each in IDS))

    found = await outbound.rows("SELECT webhook_id, event_id FROM delivery ORDER BY id")
    assert found == [(webhook_id, each) for each in IDS for webhook_id in (first, second)]
    [(transactions,)] = await outbound.rows("SELECT count(DISTINCT xmin::text) FROM delivery")
    assert transactions == 2


async def test_events_of_all_users_and_addresses_are_written_together(outbound: OutboundHarness) -> None:
    hers = (await outbound.create("http://127.0.0.1:9/", "image.failed")).webhook.id
    his = (await outbound.create(user_id=OMAR)).webhook.id
    url = "http://127.0.0.1:9/end"

    await asyncio.gather(
        outbound.happen("image.completed", JANE, event_id="a", webhook_url=url),
        outbound.happen("image.completed", OMAR, event_id="b"),
        outbound.happen("image.failed", JANE, event_id="c"),
        outbound.happen("image.failed", 9, event_id="d", webhook_url=url),
        outbound.happen("image.failed", 10, event_id="e"),
    )

    found = await outbound.rows("SELECT user_id, webhook_id, url, event_id FROM delivery ORDER BY id")
    assert found == [
        (JANE, None, url, "a"),
        (OMAR, his, None, "b"),
        (JANE, hers, None, "c"),
        (9, None, url, "d"),
    ]
    assert await outbound.rows("SELECT user_id FROM turn WHERE next_at IS NOT NULL ORDER BY user_id") == [
        (JANE,),
        (OMAR,),
        (9,),
    ]


async def test_an_event_that_cannot_be_written_harms_no_other(outbound: OutboundHarness) -> None:
    await outbound.create()
    ids = ["before", "null\0", "after"]

    outcomes = await asyncio.gather(
        *(outbound.happen("image.completed", event_id=each) for each in ids), return_exceptions=True
    )

    assert [isinstance(each, Exception) for each in outcomes] == [False, True, False]
    assert await outbound.rows("SELECT event_id FROM delivery ORDER BY id") == [("before",), ("after",)]
