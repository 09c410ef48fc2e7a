"""The most common passwords are refused wherever a password is set."""

import pytest

from auth import links
from auth.passwords import MOST_COMMON
from common import errors
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, SECRET, AuthHarness, a_registration, running

REFUSED = {"password": ["The password is one of the most common ones. Please choose another."]}


def test_there_are_ten_thousand_in_lower_case() -> None:
    assert len(MOST_COMMON) == 10_000
    assert all(password == password.lower() for password in MOST_COMMON)


@pytest.mark.parametrize("password", ["Password1", "PASSWORd123", "Qwerty123", "Iloveyou1", "1Q2w3E4r"])
async def test_a_common_password_is_refused_in_any_case(auth: AuthHarness, password: str) -> None:
    jane = await auth.user((await auth.register_verified()).token)
    [row] = await auth.rows("SELECT password_hash FROM user_account")
    signed = links.sign(SECRET, "reset", 1, "jane@example.com", links.seal_of(SECRET, row[0]))
    new = {"password": password, "password_confirmation": password}

    for call in (
        auth.register(email="new@example.com", password=password),
        auth.operator.CreateUser(pb.CreateUserRequest(name="New", email="n@example.com", password=password)),
        jane.ChangePassword(pb.ChangePasswordRequest(current_password=PASSWORD, **new)),
        auth.gateway.ResetPassword(pb.ResetPasswordRequest(token=signed, **new)),
    ):
        with pytest.raises(errors.InvalidArgument) as caught:
            await call
        assert caught.value.fields == REFUSED


async def test_one_setting_switches_it_off(sessions: Sessions) -> None:
    async with running(sessions, refuse_common_passwords=False) as auth:
        assert (await auth.gateway.Register(a_registration(password="Password1"))).token


async def test_a_user_who_already_has_one_still_logs_in(sessions: Sessions) -> None:
    async with running(sessions, refuse_common_passwords=False) as before:
        await before.register_verified(password="Password1")
    async with running(sessions) as auth:
        assert (await auth.login(password="Password1")).token
