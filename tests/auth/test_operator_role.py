"""Only sessions of operators have the ability `admin`. An installation may demand a second factor for it."""

import pytest
from pyotp.totp import TOTP

from common import errors
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from loupe.contract import ADMIN
from tests.auth.harness import PASSWORD, AuthHarness, claims, running


async def session_of(auth: AuthHarness, otp: str = "") -> pb.AuthenticateResponse:
    request = pb.StartConsoleSessionRequest(email="jane@example.com", password=PASSWORD, otp=otp)
    text = (await auth.gateway.StartConsoleSession(request)).session
    return await auth.gateway.Authenticate(pb.AuthenticateRequest(token=text, is_console_session=True))


async def promote(auth: AuthHarness, user_id: int, *, is_operator: bool = True) -> None:
    await auth.operator.SetOperator(pb.SetOperatorRequest(user_id=user_id, is_operator=is_operator))


async def test_a_session_of_an_operator_has_role_and_ability_and_a_token_never(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    before = await session_of(auth)
    await promote(auth, registered.user.id)

    session, token = await session_of(auth), await auth.authenticate(registered.token)

    assert ADMIN not in before.abilities
    assert ADMIN in session.abilities
    assert ADMIN not in token.abilities
    for name in session.internal_tokens:
        assert claims(session.internal_tokens[name])["role"] == "operator"
        assert ADMIN not in claims(token.internal_tokens[name])["abilities"]


async def test_nobody_can_make_a_token_with_the_ability(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    await promote(auth, registered.user.id)
    jane = await auth.user(registered.token)

    with pytest.raises(errors.InvalidArgument) as caught:
        await jane.CreateToken(pb.CreateTokenRequest(name="Root", abilities=[ADMIN]))

    assert list(caught.value.fields) == ["abilities"]


async def test_a_dismissed_operator_has_neither(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    await promote(auth, registered.user.id)
    await promote(auth, registered.user.id, is_operator=False)

    session = await session_of(auth)

    assert ADMIN not in session.abilities
    assert session.user.is_operator is False


async def test_an_installation_may_demand_a_second_factor_of_operators(sessions: Sessions) -> None:
    async with running(sessions, operators_need_second_factor=True) as auth:
        registered = await auth.register_verified()
        await promote(auth, registered.user.id)
        without = await session_of(auth)
        jane = await auth.user(registered.token)
        secret = (await jane.StartSecondFactor(pb.StartSecondFactorRequest())).secret
        codes = await jane.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(otp=TOTP(secret).now()))
        with_factor = await session_of(auth, codes.recovery_codes[0])

    assert (without.user.is_operator, ADMIN in without.abilities) == (True, False)
    assert ADMIN in with_factor.abilities


async def test_a_user_without_a_verified_address_cannot_be_an_operator(auth: AuthHarness) -> None:
    registered = await auth.register()

    with pytest.raises(errors.FailedPrecondition):
        await promote(auth, registered.user.id)


async def test_repeated_changes_are_recorded_once(auth: AuthHarness) -> None:
    user_id = (await auth.register_verified()).user.id

    for _ in range(2):
        await promote(auth, user_id)
        await auth.operator.SetBlocked(pb.SetBlockedRequest(user_id=user_id, is_blocked=True))

    rows = await auth.rows("SELECT count(*) FROM outbox WHERE subject = 'audit.auth'")
    assert rows == [(5,)]  # created, signed in, verified, appointed, blocked
