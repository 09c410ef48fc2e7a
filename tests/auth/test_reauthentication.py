"""Changes that take an account over need a recent login, the password, or a code of the second factor."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from common import errors
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness, running, token_id

Change = Callable[..., Coroutine[Any, Any, object]]
OLDER = "UPDATE token SET signed_in_at = signed_in_at - interval '16 minutes'"
EXPIRING = "UPDATE token SET expires_at = now() + interval '1 hour' WHERE id = :id"


async def change_address(auth: AuthHarness, token: str, **proof: str) -> None:
    await (await auth.user(token)).UpdateUser(pb.UpdateUserRequest(email="new@example.com", **proof))


async def delete_account(auth: AuthHarness, token: str, **proof: str) -> None:
    await (await auth.user(token)).DeleteUser(pb.DeleteUserRequest(**proof))


async def start_second_factor(auth: AuthHarness, token: str, **proof: str) -> None:
    await (await auth.user(token)).StartSecondFactor(pb.StartSecondFactorRequest(**proof))


async def make_a_token_that_lives_longer(auth: AuthHarness, token: str, **proof: str) -> None:
    await auth.change(EXPIRING, id=token_id(token))
    await (await auth.user(token)).CreateToken(pb.CreateTokenRequest(name="longer", **proof))


CHANGES = [change_address, delete_account, start_second_factor, make_a_token_that_lives_longer]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_recent_login_is_enough(auth: AuthHarness, change: Change) -> None:
    await auth.register_verified()

    await change(auth, (await auth.login()).token)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_registration_is_a_recent_login(auth: AuthHarness, change: Change) -> None:
    await change(auth, (await auth.register_verified()).token)


@pytest.mark.parametrize("change", CHANGES)
async def test_an_older_login_needs_the_password(auth: AuthHarness, change: Change) -> None:
    token = (await auth.register_verified()).token
    await auth.change(OLDER)

    with pytest.raises(errors.PermissionDenied) as without:
        await change(auth, token)
    with pytest.raises(errors.PermissionDenied) as wrong:
        await change(auth, token, current_password="Wrong1horse")
    with pytest.raises(errors.PermissionDenied) as code:
        await change(auth, token, otp="123456")
    before = await auth.rows("SELECT email, pending_email, second_factor_secret FROM user_account")
    await change(auth, token, current_password=PASSWORD)

    assert {caught.value.reason for caught in (without, wrong, code)} == {"reauthentication_required"}
    assert without.value.fields == {}
    assert wrong.value.fields == {"current_password": ["The current password is incorrect."]}
    assert before == [("jane@example.com", None, None)]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_token_made_with_a_token_is_no_recent_login(auth: AuthHarness, change: Change) -> None:
    """Otherwise a thief would only have to make another token."""
    jane = await auth.user((await auth.register_verified()).token)
    made = (await jane.CreateToken(pb.CreateTokenRequest(name="made"))).text

    with pytest.raises(errors.PermissionDenied) as caught:
        await change(auth, made)

    assert caught.value.reason == "reauthentication_required"


@pytest.mark.parametrize("change", CHANGES)
async def test_one_setting_switches_it_off(sessions: Sessions, change: Change) -> None:
    async with running(sessions, reauthentication_minutes=0) as auth:
        token = (await auth.register_verified()).token
        await auth.change("UPDATE token SET signed_in_at = NULL")

        await change(auth, token)


async def test_other_changes_ask_for_nothing(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await auth.change(OLDER)
    jane = await auth.user(token)

    await jane.UpdateUser(pb.UpdateUserRequest(name="Jane Doe"))
    await jane.UpdateUser(pb.UpdateUserRequest(name="Jane Doe", email="JANE@example.com"))
    made = await jane.CreateToken(pb.CreateTokenRequest(name="never expires, as this one"))
    await jane.RevokeToken(pb.RevokeTokenRequest(token_id=made.token.id))
    await jane.RevokeAllTokens(pb.RevokeAllTokensRequest())


async def test_a_token_that_expires_earlier_needs_no_proof(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await auth.change(EXPIRING, id=token_id(token))
    await auth.change(OLDER)
    jane = await auth.user(token)
    [row] = await auth.rows("SELECT expires_at FROM token")

    with pytest.raises(errors.PermissionDenied):
        await jane.CreateToken(pb.CreateTokenRequest(name="later", expires_at="2999-01-01T00:00:00Z"))
    made = await jane.CreateToken(pb.CreateTokenRequest(name="same", expires_at=row[0].isoformat()))

    assert made.token.expires_at.ToDatetime() == row[0].replace(tzinfo=None)


async def test_passwords_cannot_be_guessed_with_a_stolen_token(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await auth.change(OLDER)
    jane = await auth.user(token)
    for _ in range(5):
        with pytest.raises(errors.PermissionDenied):
            await jane.DeleteUser(pb.DeleteUserRequest(current_password="Wrong1horse"))
        with pytest.raises(errors.InvalidArgument):
            await jane.ChangePassword(pb.ChangePasswordRequest(current_password="Wrong1horse"))

    for call in (
        jane.DeleteUser(pb.DeleteUserRequest(current_password=PASSWORD)),
        jane.ChangePassword(pb.ChangePasswordRequest(current_password=PASSWORD)),
    ):
        with pytest.raises(errors.ResourceExhausted) as caught:
            await call
        assert caught.value.retry_after_seconds > 0
    assert (await auth.login()).token
