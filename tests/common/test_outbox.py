"""Events are sent if, and only if, their transaction commits: soon after it, and after any outage."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

import pytest
import sqlalchemy as sa
from nats.js import JetStreamContext

from common import outbox, relays
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from loupe_local.stores import Stores
from tests.polling import until

TERMINATE = sa.text("""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = current_user AND query LIKE 'LISTEN outbox%'
""")
LISTENERS = sa.text("""
    SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND query LIKE 'LISTEN outbox%'
""")


@pytest.fixture(autouse=True)
async def empty_outbox(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await (await session.connection()).execute(sa.text("TRUNCATE outbox"))


@contextlib.asynccontextmanager
async def run_relay(sessions: Sessions, js: JetStreamContext, stores: Stores) -> AsyncGenerator[None]:
    """Run a relay. The block starts once the relay listens."""
    before = await query_value(sessions, LISTENERS)
    task = asyncio.create_task(outbox.relay(sessions, js, stores.database_url("auth")))
    try:
        await until(lambda: listens_beyond(sessions, before))
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def listens_beyond(sessions: Sessions, before: int) -> bool:
    return await query_value(sessions, LISTENERS) > before


async def query_value(sessions: Sessions, statement: sa.TextClause) -> int:
    async with sessions.begin() as session:
        return (await (await session.connection()).execute(statement)).scalar_one()


async def count_waiting(sessions: Sessions) -> int:
    return await query_value(sessions, sa.text("SELECT count(*) FROM outbox"))


async def is_sent(sessions: Sessions) -> bool:
    return await count_waiting(sessions) == 0


async def count_messages(js: JetStreamContext, stream: str) -> int:
    return (await js.stream_info(stream)).state.messages


async def publish(sessions: Sessions, stream: str, user_id: int = 1, message_id: str | None = None) -> None:
    async with sessions.begin() as session:
        await outbox.publish(
            session, f"{stream}.changed", pb.UserChanged(user_id=user_id), message_id=message_id
        )


async def test_an_event_is_sent_after_its_transaction(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores):
        await publish(sessions, stream, user_id=42)
        await until(lambda: is_sent(sessions))

    message = await js.get_last_msg(stream, f"{stream}.changed")
    assert pb.UserChanged.FromString(message.data or b"") == pb.UserChanged(user_id=42)


async def test_an_event_of_a_failed_transaction_is_never_sent(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores):
        with contextlib.suppress(ZeroDivisionError):
            async with sessions.begin() as session:
                await outbox.publish(session, f"{stream}.changed", pb.UserChanged(user_id=1))
                raise ZeroDivisionError
        await publish(sessions, stream, user_id=2)
        await until(lambda: is_sent(sessions))

    assert await count_messages(js, stream) == 1
    message = await js.get_last_msg(stream, f"{stream}.changed")
    assert pb.UserChanged.FromString(message.data or b"").user_id == 2


async def test_an_event_waits_for_the_commit(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores):
        async with sessions.begin() as session:
            await outbox.publish(session, f"{stream}.changed", pb.UserChanged(user_id=1))
            await publish(sessions, stream, user_id=2)
            await until(lambda: is_sent(sessions))
            assert await count_messages(js, stream) == 1
        await until(lambda: is_sent(sessions))

    assert await count_messages(js, stream) == 2


async def test_a_commit_wakes_the_relay(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores):
        for number in range(3):  # several, so that the polling every 5 s cannot explain all of them
            await publish(sessions, stream, user_id=number)
            await until(lambda: is_sent(sessions), seconds=relays.POLL_SECONDS / 5)


async def test_the_relay_listens_again_after_it_lost_its_connection(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores):
        await query_value(sessions, TERMINATE)
        await until(lambda: listens_beyond(sessions, 0))
        for number in range(3):
            await publish(sessions, stream, user_id=number)
            await until(lambda: is_sent(sessions), seconds=relays.POLL_SECONDS / 5)


async def test_events_from_before_the_start_are_sent(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    for number in range(outbox.ROWS_PER_BATCH * 2 + 5):
        await publish(sessions, stream, user_id=number)

    async with run_relay(sessions, js, stores):
        await until(lambda: is_sent(sessions))

    assert await count_messages(js, stream) == outbox.ROWS_PER_BATCH * 2 + 5


async def test_events_with_the_same_message_id_are_stored_once(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores):
        await publish(sessions, stream, message_id="image-1-done")
        await publish(sessions, stream, message_id="image-1-done")
        await publish(sessions, stream, message_id="image-2-done")
        await until(lambda: is_sent(sessions))

    assert await count_messages(js, stream) == 2


async def test_two_relays_send_each_event_once(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores), run_relay(sessions, js, stores):
        await asyncio.gather(*(publish(sessions, stream, user_id=number) for number in range(100)))
        await until(lambda: is_sent(sessions))

    assert await count_messages(js, stream) == 100


async def test_events_wait_while_the_broker_is_down(
    sessions: Sessions, js: JetStreamContext, stream: str, stores: Stores
) -> None:
    async with run_relay(sessions, js, stores):
        await stores.supervisor.kill("nats")
        await until(lambda: not js._nc.is_connected)
        for number in range(5):
            await publish(sessions, stream, user_id=number)
        assert await count_waiting(sessions) == 5
        await stores.supervisor.restart("nats")
        started = time.monotonic()
        await until(lambda: is_sent(sessions), seconds=30)

    assert await count_messages(js, stream) == 5
    assert time.monotonic() - started < 15
