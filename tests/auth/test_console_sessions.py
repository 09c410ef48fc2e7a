"""Sessions of the console: what starts and ends them, and that they are no API tokens."""

from typing import TYPE_CHECKING

import pytest

from auth.domain.console_sessions import MOST_SESSIONS
from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness, events, token_id
from tests.internal_tokens import always

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub

JANE = "jane@example.com"


async def start(auth: AuthHarness, password: str = PASSWORD) -> str:
    request = pb.StartConsoleSessionRequest(email=JANE, password=password)
    return (await auth.gateway.StartConsoleSession(request)).session


async def authenticate(auth: AuthHarness, session: str) -> pb.AuthenticateResponse:
    return await auth.gateway.Authenticate(pb.AuthenticateRequest(token=session, is_console_session=True))


async def is_open(auth: AuthHarness, session: str) -> bool:
    try:
        await authenticate(auth, session)
    except errors.Unauthenticated:
        return False
    return True


async def seconds_left(auth: AuthHarness, session: str) -> float:
    statement = "SELECT extract(epoch FROM expires_at - now()) FROM token WHERE id = :id"
    [(seconds,)] = await auth.rows(statement, id=token_id(session))
    return float(seconds)


async def test_a_session_admits_its_user_with_all_abilities(auth: AuthHarness) -> None:
    registered = await auth.register_verified()

    answer = await authenticate(auth, await start(auth))

    assert answer.user.id == registered.user.id
    assert len(answer.abilities) == 4


async def test_a_wrong_password_starts_no_session(auth: AuthHarness) -> None:
    await auth.register_verified()

    with pytest.raises(errors.Unauthenticated) as caught:
        await start(auth, "Wrong-horse-1")

    assert caught.value.reason == "invalid_credentials"


async def test_an_unverified_user_starts_no_session(auth: AuthHarness) -> None:
    await auth.register()

    with pytest.raises(errors.PermissionDenied) as caught:
        await start(auth)

    assert caught.value.reason == "email_unverified"


async def test_a_session_is_no_api_token_and_a_token_is_no_session(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    session = await start(auth)

    assert not await auth.is_valid(session)
    assert not await is_open(auth, registered.token)


async def test_a_session_is_not_among_the_tokens(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    session = await start(auth)
    user = await auth.user(registered.token)

    listed = await user.ListTokens(pb.ListTokensRequest())
    found = await auth.operator.FindUser(pb.FindUserRequest(email=JANE))
    with pytest.raises(errors.NotFound):
        await user.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(session)))

    assert [token.id for token in listed.tokens] == [token_id(registered.token)]
    assert found.token_count == 1
    assert await is_open(auth, session)


async def test_the_database_has_only_the_hash_of_a_session(auth: AuthHarness) -> None:
    await auth.register_verified()
    session = await start(auth)

    rows = await auth.rows("SELECT token::text FROM token")

    assert session.partition("|")[2][:40] not in str(rows)


async def test_each_login_starts_another_session(auth: AuthHarness) -> None:
    await auth.register_verified()

    first, second = await start(auth), await start(auth)

    assert token_id(first) != token_id(second)
    assert await is_open(auth, first)
    assert await is_open(auth, second)


async def test_a_session_ends_twelve_hours_after_its_last_use(auth: AuthHarness) -> None:
    await auth.register_verified()
    session = await start(auth)
    hours_later = "UPDATE token SET expires_at = expires_at - interval '11 hours', last_used_at = NULL"
    await auth.change(hours_later)

    await authenticate(auth, session)
    left_after_use = await seconds_left(auth, session)
    await auth.change("UPDATE token SET expires_at = expires_at - interval '12 hours 1 second'")

    assert 11.9 * 3600 < left_after_use <= 12 * 3600
    assert not await is_open(auth, session)


async def test_a_session_ends_after_thirty_days_however_it_is_used(auth: AuthHarness) -> None:
    await auth.register_verified()
    session = await start(auth)
    days_later = "UPDATE token SET console_ends_at = console_ends_at - interval '29 days 23 hours'"
    await auth.change(days_later)

    await authenticate(auth, session)

    assert await seconds_left(auth, session) <= 3600


async def test_signing_out_ends_one_session(auth: AuthHarness) -> None:
    await auth.register_verified()
    session, other = await start(auth), await start(auth)
    user = await session_holder(auth, session)

    await user.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(session)))

    assert not await is_open(auth, session)
    assert await is_open(auth, other)
    [event] = await events(auth, "auth.tokens_revoked", pb.TokensRevoked)
    assert list(event.token_ids) == [token_id(session)]


async def test_a_session_does_not_end_another_by_its_id(auth: AuthHarness) -> None:
    await auth.register_verified()
    session, other = await start(auth), await start(auth)
    user = await session_holder(auth, session)

    with pytest.raises(errors.NotFound):
        await user.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(other)))

    assert await is_open(auth, other)


async def test_revoking_all_tokens_ends_all_sessions(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    sessions = [await start(auth), await start(auth)]

    await (await auth.user(registered.token)).RevokeAllTokens(pb.RevokeAllTokensRequest())

    assert [await is_open(auth, session) for session in sessions] == [False, False]


async def test_a_new_password_ends_all_other_sessions(auth: AuthHarness) -> None:
    await auth.register_verified()
    session, other = await start(auth), await start(auth)
    changed = pb.ChangePasswordRequest(
        current_password=PASSWORD, password="Another-horse-1", password_confirmation="Another-horse-1"
    )

    await (await session_holder(auth, session)).ChangePassword(changed)

    assert await is_open(auth, session)
    assert not await is_open(auth, other)


async def test_deleting_the_account_ends_its_sessions(auth: AuthHarness) -> None:
    await auth.register_verified()
    session = await start(auth)

    await (await session_holder(auth, session)).DeleteUser(pb.DeleteUserRequest())

    assert not await is_open(auth, session)


async def test_the_longest_unused_session_makes_room_and_no_token_does(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    sessions = [await start(auth) for _ in range(MOST_SESSIONS)]

    newest = await start(auth)

    assert not await is_open(auth, sessions[0])
    assert await is_open(auth, sessions[1])
    assert await is_open(auth, newest)
    assert await auth.is_valid(registered.token)


async def session_holder(auth: AuthHarness, session: str) -> "AuthServiceAsyncStub":
    """Return a stub that calls as the gateway does for this session."""
    token = (await authenticate(auth, session)).internal_tokens["auth"]
    return auth.stub(always(token))
