"""A change that was sent just before all tokens were revoked does not happen after that."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness, locked_user, until_a_lock_is_awaited
from tests.auth.test_second_factor import code, enrol

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub

STATE = "SELECT email, pending_email, second_factor_at, second_factor_secret FROM user_account"
CHANGES: dict[str, "Callable[[AuthServiceAsyncStub, str], Awaitable[Any]]"] = {
    "address": lambda thief, _: thief.UpdateUser(pb.UpdateUserRequest(email="thief@example.com")),
    "name": lambda thief, _: thief.UpdateUser(pb.UpdateUserRequest(name="Thief")),
    "deletion": lambda thief, _: thief.DeleteUser(pb.DeleteUserRequest()),
    "factor started": lambda thief, _: thief.StartSecondFactor(pb.StartSecondFactorRequest()),
    "factor confirmed": lambda thief, secret: thief.ConfirmSecondFactor(
        pb.ConfirmSecondFactorRequest(otp=code(secret))
    ),
    "token": lambda thief, _: thief.CreateToken(pb.CreateTokenRequest(name="kept")),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_with_a_token_that_is_revoked_meanwhile_is_refused(
    auth: AuthHarness, what: str
) -> None:
    thief = await auth.user((await auth.register_verified()).token)
    started = await thief.StartSecondFactor(pb.StartSecondFactorRequest())
    before = await auth.rows(STATE)

    async with locked_user(auth) as owner:
        change = asyncio.ensure_future(CHANGES[what](thief, started.secret))
        await until_a_lock_is_awaited(auth)
        await owner.execute(sa.text("DELETE FROM token"))
    with pytest.raises(errors.Unauthenticated):
        await change

    assert await auth.rows(STATE) == before
    assert await auth.rows("SELECT count(*) FROM token") == [(0,)]


@pytest.mark.parametrize("what", ["removal", "recovery codes"])
async def test_a_factor_of_a_revoked_token_stays_as_it_is(auth: AuthHarness, what: str) -> None:
    token = (await auth.register_verified()).token
    _, codes = await enrol(auth, token)
    thief = await auth.user(token)
    await auth.change("DELETE FROM token")
    before = await auth.rows(STATE)

    change = (
        thief.RemoveSecondFactor(pb.RemoveSecondFactorRequest(otp=codes[0]))
        if what == "removal"
        else thief.ReplaceRecoveryCodes(pb.ReplaceRecoveryCodesRequest(otp=codes[0]))
    )
    with pytest.raises(errors.Unauthenticated):
        await change

    assert await auth.rows(STATE) == before


async def test_a_new_password_with_a_revoked_token_is_refused(auth: AuthHarness) -> None:
    thief = await auth.user((await auth.register_verified()).token)
    await auth.change("DELETE FROM token")

    with pytest.raises(errors.Unauthenticated):
        await thief.ChangePassword(
            pb.ChangePasswordRequest(
                current_password=PASSWORD, password="Better2horse", password_confirmation="Better2horse"
            )
        )

    assert (await auth.login()).token
