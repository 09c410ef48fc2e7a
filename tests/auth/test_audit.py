"""The audit keeps what happened to accounts. Nothing changes it, and old months go whole."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy.exc

from auth.domain import audit_partitions
from auth.events import Audit
from common import messages, timestamps
from common.trace import CLIENT_ADDRESS_KEY, USER_AGENT_KEY
from loupe.audit.v1 import audit_pb2
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness

FROM_HOME = ((CLIENT_ADDRESS_KEY, "192.0.2.1"), (USER_AGENT_KEY, "Firefox"))
THIS_MONTH = datetime.now(UTC).replace(day=15, hour=12)
NOBODY = 4242


def an_event(**changes: object) -> audit_pb2.Entry:
    usual: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "event": "sign_in.refused",
        "actor": audit_pb2.ACTOR_USER,
        "client_address": "192.0.2.1",
        "user_agent": "Firefox",
        "occurred_at": timestamps.to_proto(THIS_MONTH),
        "details": {"token_id": "3"},
    }
    return audit_pb2.Entry(**(usual | changes))  # pyright: ignore[reportArgumentType]


async def store(auth: AuthHarness, *events: audit_pb2.Entry, days: int = 400) -> None:
    for event in events:
        await Audit(auth.sessions, days).store(event.SerializeToString())


async def store_published(auth: AuthHarness) -> list[audit_pb2.Entry]:
    """Store what auth has published, as its consumer does, and return it."""
    rows = await auth.rows("SELECT payload FROM outbox WHERE subject = 'audit.auth' ORDER BY id")
    found = [audit_pb2.Entry.FromString(payload) for (payload,) in rows]
    await store(auth, *found)
    return found


async def months(auth: AuthHarness) -> list[str]:
    rows = await auth.rows(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = 'audit_entry'::regclass ORDER BY relname"
    )
    return [name.removeprefix("audit_entry_") for (name,) in rows]


async def test_a_user_reads_what_happened_newest_first_with_client_and_request(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    await auth.gateway.Login(
        pb.LoginRequest(email="jane@example.com", password=PASSWORD),
        metadata=(*FROM_HOME, ("x-request-id", "r-1")),
    )
    await store_published(auth)

    jane = await auth.user(registered.token)
    answer = await jane.ListOwnAudit(pb.ListOwnAuditRequest(page=1, per_page=2))

    assert [entry.event for entry in answer.entries] == ["sign_in.admitted", "address.verified"]
    assert answer.total == 4
    login, by_operator = answer.entries
    assert (login.client_address, login.user_agent, login.request_id) == ("192.0.2.1", "Firefox", "r-1")
    assert (login.actor, by_operator.actor) == (audit_pb2.ACTOR_USER, audit_pb2.ACTOR_OPERATOR)


async def test_another_users_entries_are_not_shown(auth: AuthHarness) -> None:
    await auth.register_verified()
    mallory = await auth.user((await auth.register_verified(email="mallory@example.com")).token)
    published = await store_published(auth)

    answer = await mallory.ListOwnAudit(pb.ListOwnAuditRequest(page=1, per_page=100))

    assert {entry.user_id for entry in answer.entries} == {published[-1].user_id}


async def test_filters_choose_by_event_and_time(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    user_id, earlier = registered.user.id, THIS_MONTH - timedelta(days=2)
    events = [
        an_event(user_id=user_id, occurred_at=timestamps.to_proto(at), event=event)
        for at, event in (
            (earlier, "token.created"),
            (earlier, "token.revoked"),
            (THIS_MONTH, "token.revoked"),
        )
    ]
    await store(auth, *events)
    jane = await auth.user(registered.token)

    async def found(**filters: str) -> list[str]:
        answer = await jane.ListOwnAudit(pb.ListOwnAuditRequest(page=1, per_page=9, **filters))
        return [entry.id for entry in answer.entries]

    assert await found(event="token.created") == [events[0].id]
    assert await found(since=f"{THIS_MONTH:%Y-%m-%d}") == [events[2].id]
    assert set(await found(until=f"{earlier:%Y-%m-%d}")) == {events[0].id, events[1].id}
    assert await found(until=earlier.isoformat()) == []


async def test_a_repeated_event_is_stored_once(auth: AuthHarness) -> None:
    event = an_event()

    await store(auth, event, event)

    assert await auth.rows("SELECT count(*) FROM audit_entry") == [(1,)]


@pytest.mark.parametrize("changes", [{"id": "7"}, {"actor": 9}])
async def test_an_event_that_cannot_be_stored_is_given_up(
    auth: AuthHarness, changes: dict[str, object]
) -> None:
    with pytest.raises(messages.Unprocessable):
        await store(auth, an_event(**changes))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET event = 'sign_in.admitted'",
        "UPDATE audit_entry SET client_address = '192.0.2.9'",
        "UPDATE audit_entry SET client_address = NULL, user_agent = NULL",
        "DELETE FROM audit_entry",
    ],
)
async def test_the_database_refuses_to_change_and_to_delete(auth: AuthHarness, statement: str) -> None:
    user_id = (await auth.register()).user.id
    await store(auth, an_event(user_id=user_id))

    with pytest.raises(sqlalchemy.exc.ProgrammingError, match="the audit keeps its rows"):
        await auth.change(statement)


async def test_a_deleted_account_leaves_its_id_alone(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    before = an_event(user_id=registered.user.id)
    await store(auth, before, an_event(user_id=NOBODY, operator_id=registered.user.id))
    jane = await auth.user(registered.token)

    await jane.DeleteUser(pb.DeleteUserRequest(), metadata=FROM_HOME)
    await store(auth, an_event(user_id=registered.user.id))  # arrives late
    published = await store_published(auth)

    assert published[-1].event == "account.deleted"
    left = await auth.rows(
        "SELECT DISTINCT client_address, user_agent FROM audit_entry"
        " WHERE coalesce(operator_id, user_id) = :id",
        id=registered.user.id,
    )
    assert left == [(None, None)]
    assert await auth.rows("SELECT user_id FROM audit_entry WHERE id = :id", id=before.id) == [
        (registered.user.id,)
    ]


async def test_months_are_made_ahead_and_old_ones_are_dropped_whole(auth: AuthHarness) -> None:
    old = THIS_MONTH - timedelta(days=430)
    await store(auth, an_event(occurred_at=timestamps.to_proto(old)), an_event(), days=0)

    await Audit(auth.sessions, 400).keep_partitions()

    ahead, month = [], audit_partitions.month_of(THIS_MONTH)
    for _ in range(3):
        ahead.append(f"{month:%Y_%m}")
        month = (month + timedelta(days=31)).replace(day=1)
    assert [one for one in await months(auth) if one >= ahead[0]] == ahead
    assert f"{old:%Y_%m}" not in await months(auth)
    assert await auth.rows("SELECT count(*) FROM audit_entry") == [(1,)]


async def test_an_event_of_a_month_that_is_not_kept_makes_no_partition(auth: AuthHarness) -> None:
    old = THIS_MONTH - timedelta(days=430)

    await store(auth, an_event(occurred_at=timestamps.to_proto(old)))

    assert f"{old:%Y_%m}" not in await months(auth)


async def test_an_operator_reads_all_in_pages(auth: AuthHarness) -> None:
    events = [
        an_event(user_id=NOBODY, occurred_at=timestamps.to_proto(THIS_MONTH + timedelta(seconds=n // 2)))
        for n in range(5)
    ]
    await store(auth, *events)

    for newest_first in (False, True):
        request, found = pb.ListAuditRequest(limit=2, newest_first=newest_first), list[audit_pb2.Entry]()
        while True:
            page = await auth.operator.ListAudit(request)
            found += page.entries
            if not page.HasField("next_after"):
                break
            request.after.CopyFrom(page.next_after)

        assert {entry.id for entry in found} == {event.id for event in events}
        times = [entry.occurred_at.ToNanoseconds() for entry in found]
        assert times == sorted(times, reverse=newest_first)


async def test_no_entry_holds_a_secret(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    jane = await auth.user(registered.token)
    made = await jane.CreateToken(pb.CreateTokenRequest(name="Secretly named"))
    started = await jane.StartSecondFactor(pb.StartSecondFactorRequest())

    published = await store_published(auth)

    stored = str(await auth.rows("SELECT audit_entry::text FROM audit_entry"))
    assert len(published) >= 4
    for secret in (PASSWORD, registered.token, made.text, started.secret, "jane@example.com", "Secretly"):
        assert secret not in stored
