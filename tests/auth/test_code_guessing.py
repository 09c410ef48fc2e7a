"""Guessing codes of the second factor becomes slow for somebody who knows the password."""

from typing import Any

import pytest

from common import errors
from common.trace import CLIENT_ADDRESS_KEY
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness
from tests.auth.test_second_factor import code, enrol
from tests.internal_tokens import always

HOME = "192.0.2.1"
BETTER = "Better2horse"


async def outcome(auth: AuthHarness, client: str, otp: str = "", password: str = PASSWORD) -> str:
    call: Any = auth.gateway.Login
    request = pb.LoginRequest(email="jane@example.com", password=password, otp=otp)
    try:
        await call(request, metadata=((CLIENT_ADDRESS_KEY, client),))
    except errors.ServiceError as error:
        return error.reason
    return "admitted"


@pytest.fixture
async def secret(auth: AuthHarness) -> str:
    """The secret of a user who has logged in with a code from `HOME`."""
    secret, _ = await enrol(auth, (await auth.register_verified()).token)
    assert await outcome(auth, HOME, code(secret)) == "admitted"
    return secret


async def test_a_login_without_a_code_forgives_no_wrong_code(auth: AuthHarness, secret: str) -> None:
    tried = []
    for _ in range(3):
        tried += [await outcome(auth, HOME, "000000x") for _ in range(5)] + [await outcome(auth, HOME)]

    assert tried[:11] == ["second_factor_required"] * 11
    assert tried[-2] == "too_many_requests"


async def test_wrong_codes_count_from_everywhere_together(auth: AuthHarness, secret: str) -> None:
    known = [await outcome(auth, HOME, "000000x") for _ in range(5)]
    new = [await outcome(auth, f"203.0.113.{number}", "000000x") for number in range(5)]
    await auth.change("DELETE FROM guesses WHERE count < 10")

    assert {*known, *new} == {"second_factor_required"}
    assert await outcome(auth, HOME, "000000x") == "too_many_requests"
    assert await outcome(auth, HOME) == "second_factor_required"


async def test_a_full_login_forgives_wrong_codes(auth: AuthHarness, secret: str) -> None:
    for _ in range(3):
        assert {await outcome(auth, HOME, "000000x") for _ in range(9)} == {"second_factor_required"}
        await auth.change("UPDATE user_account SET second_factor_step = NULL")
        assert await outcome(auth, HOME, code(secret)) == "admitted"


async def test_an_unverified_user_with_the_right_password_and_any_code_is_no_guess(auth: AuthHarness) -> None:
    await auth.register()

    assert {await outcome(auth, HOME, "000000x") for _ in range(15)} == {"email_unverified"}


@pytest.mark.parametrize("way", ["password", "factor"])
async def test_addresses_known_before_are_forgotten_except_the_present_one(
    auth: AuthHarness, way: str
) -> None:
    await auth.register_verified()
    for client in (HOME, "192.0.2.2"):
        assert await outcome(auth, client) == "admitted"
    token = (await auth.login()).token
    jane: Any = auth.stub(always((await auth.authenticate(token)).internal_tokens["auth"]))
    metadata = ((CLIENT_ADDRESS_KEY, HOME),)

    if way == "password":
        request = pb.ChangePasswordRequest(
            current_password=PASSWORD, password=BETTER, password_confirmation=BETTER
        )
        await jane.ChangePassword(request, metadata=metadata)
    else:
        secret = (await jane.StartSecondFactor(pb.StartSecondFactorRequest())).secret
        confirm = pb.ConfirmSecondFactorRequest(otp=code(secret))
        await jane.ConfirmSecondFactor(confirm, metadata=metadata)

    assert await auth.rows("SELECT client_address FROM known_client") == [(HOME,)]
