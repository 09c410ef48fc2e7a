"""Guessing passwords becomes slow, and no stranger can lock a user out."""

import asyncio
from typing import Any

import pytest

from auth import links
from common import errors
from common.db import Sessions
from common.trace import CLIENT_ADDRESS_KEY
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, SECRET, AuthHarness, running

WRONG = "Wrong1horse"
HOME, ABROAD = "192.0.2.1", "198.51.100.1"
WAIT_IS_OVER = "UPDATE guesses SET counted_at = counted_at - interval '15 minutes'"


async def login(
    auth: AuthHarness, client: str, password: str = PASSWORD, email: str = "jane@example.com"
) -> pb.LoginResponse:
    call: Any = auth.gateway.Login
    return await call(
        pb.LoginRequest(email=email, password=password), metadata=((CLIENT_ADDRESS_KEY, client),)
    )


async def outcome(
    auth: AuthHarness, client: str, password: str = WRONG, email: str = "jane@example.com"
) -> str:
    try:
        await login(auth, client, password, email)
    except errors.ServiceError as error:
        return error.reason
    return "admitted"


async def guess(
    auth: AuthHarness, times: int, client: str = "", email: str = "jane@example.com"
) -> list[str]:
    """Send wrong passwords, each from a new address unless one is given."""
    return [await outcome(auth, client or f"203.0.113.{number}", email=email) for number in range(times)]


async def test_guesses_from_everywhere_have_to_wait(auth: AuthHarness) -> None:
    await auth.register_verified()

    free = await guess(auth, 10)
    with pytest.raises(errors.ResourceExhausted) as caught:
        await login(auth, ABROAD)
    await auth.change(WAIT_IS_OVER)

    assert set(free) == {"invalid_credentials"}
    assert caught.value.reason == "too_many_requests"
    assert 0 < caught.value.retry_after_seconds <= 900
    assert await outcome(auth, ABROAD) == "invalid_credentials"
    assert await outcome(auth, ABROAD, PASSWORD) == "too_many_requests"


async def test_a_user_at_a_known_address_is_not_locked_out(auth: AuthHarness) -> None:
    await auth.register_verified()
    await login(auth, HOME)
    await guess(auth, 12)

    known = await outcome(auth, HOME, PASSWORD)
    unknown = await outcome(auth, ABROAD, PASSWORD)

    assert (known, unknown) == ("admitted", "too_many_requests")


async def test_the_address_of_another_user_is_not_known(auth: AuthHarness) -> None:
    await auth.register_verified()
    await auth.register_verified(email="omar@example.com")
    await login(auth, ABROAD, email="omar@example.com")
    await guess(auth, 10)

    assert await outcome(auth, ABROAD, PASSWORD) == "too_many_requests"


async def test_a_known_address_cannot_guess_either(auth: AuthHarness) -> None:
    await auth.register_verified()
    await login(auth, HOME)

    assert (await guess(auth, 11, HOME))[10] == "too_many_requests"


async def test_an_address_cannot_try_one_password_on_many_accounts(auth: AuthHarness) -> None:
    await auth.register_verified()

    tried = [await outcome(auth, ABROAD, email=f"user{number}@example.com") for number in range(31)]
    other = await outcome(auth, HOME, PASSWORD)

    assert tried == ["invalid_credentials"] * 30 + ["too_many_requests"]
    assert other == "admitted"


async def test_own_logins_do_not_buy_further_guesses(auth: AuthHarness) -> None:
    await auth.register_verified(email="omar@example.com")
    for number in range(30):
        await outcome(auth, ABROAD, email=f"user{number}@example.com")
        if number % 10 == 0:
            await login(auth, ABROAD, email="omar@example.com")

    assert await outcome(auth, ABROAD, email="last@example.com") == "too_many_requests"


async def test_right_logins_never_wait(auth: AuthHarness) -> None:
    await auth.register_verified()

    assert {await outcome(auth, ABROAD, PASSWORD) for _ in range(25)} == {"admitted"}


async def test_an_unknown_address_waits_like_a_known_one(auth: AuthHarness) -> None:
    await auth.register_verified()

    known, unknown = await guess(auth, 12), await guess(auth, 12, email="nobody@example.com")

    assert known == unknown
    assert known.count("too_many_requests") > 0


async def test_guesses_at_the_same_time_do_not_slip_through(auth: AuthHarness) -> None:
    await auth.register_verified()

    outcomes = await asyncio.gather(*(outcome(auth, f"203.0.113.{number}") for number in range(30)))

    assert outcomes.count("invalid_credentials") <= 11
    assert set(outcomes) == {"invalid_credentials", "too_many_requests"}


async def test_a_new_password_by_mail_makes_its_address_known(auth: AuthHarness) -> None:
    await auth.register_verified()
    await guess(auth, 12)
    [row] = await auth.rows("SELECT password_hash FROM user_account")
    signed = links.sign(SECRET, "reset", 1, "jane@example.com", links.seal_of(SECRET, row[0]))
    call: Any = auth.gateway.ResetPassword
    await call(
        pb.ResetPasswordRequest(token=signed, password="Better2horse", password_confirmation="Better2horse"),
        metadata=((CLIENT_ADDRESS_KEY, ABROAD),),
    )

    assert await outcome(auth, ABROAD, "Better2horse") == "admitted"


async def test_zero_switches_the_limits_off(sessions: Sessions) -> None:
    async with running(sessions, guesses_per_account=0, guesses_per_address=0) as auth:
        await auth.register_verified()

        assert set(await guess(auth, 40, ABROAD)) == {"invalid_credentials"}


async def test_an_unverified_user_with_the_right_password_is_no_guess(auth: AuthHarness) -> None:
    await auth.register()

    assert {await outcome(auth, ABROAD, PASSWORD) for _ in range(15)} == {"email_unverified"}


async def test_a_right_login_from_a_known_address_forgives_the_wrong_ones_from_it(auth: AuthHarness) -> None:
    await auth.register_verified()
    await login(auth, HOME)

    for _ in range(3):
        assert set(await guess(auth, 9, HOME)) == {"invalid_credentials"}
        assert await outcome(auth, HOME, PASSWORD) == "admitted"


async def test_text_that_is_no_mail_address_belongs_to_no_account(auth: AuthHarness) -> None:
    assert set(await guess(auth, 15, email="no address")) == {"invalid_credentials"}
