"""Strangers cannot use Loupe to send many mails, or mails with their own text."""

import asyncio
import contextlib

import pytest

from common import errors
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import AuthHarness, events, running

AGAIN = "UPDATE user_account SET last_mail_at = NULL"


async def mails(auth: AuthHarness, template: str = "") -> list[str]:
    """Return the addresses of the requested mails, of all templates unless one is given."""
    wanted = await events(auth, "auth.mail_wanted", pb.MailWanted)
    return [mail.email for mail in wanted if template in ("", mail.template)]


async def test_an_address_gets_few_mails_a_day_and_answers_do_not_differ(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=3) as auth:
        await auth.register_verified()
        answers: list[object] = []
        for _ in range(6):
            await auth.change(AGAIN)
            for email in ("jane@example.com", "nobody@example.com"):
                answers += [await auth.gateway.ForgotPassword(pb.ForgotPasswordRequest(email=email))]

        assert answers == [pb.ForgotPasswordResponse()] * 12
        assert await mails(auth, "reset") == ["jane@example.com"] * 3


async def test_registering_an_address_again_and_again_sends_no_more(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=3) as auth:
        for _ in range(6):
            jane = await auth.user((await auth.register()).token)
            await jane.DeleteUser(pb.DeleteUserRequest())

        assert await mails(auth) == ["jane@example.com"] * 3


async def test_a_user_cannot_mail_many_addresses(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=3) as auth:
        jane = await auth.user((await auth.register()).token)

        for number in range(6):
            with contextlib.suppress(errors.ResourceExhausted):
                await jane.UpdateUser(pb.UpdateUserRequest(email=f"victim{number}@example.com"))

        assert await mails(auth) == ["jane@example.com", "victim0@example.com", "victim1@example.com"]


async def test_a_user_without_mails_left_uses_up_no_other_address(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=3) as auth:
        jane = await auth.user((await auth.register()).token)
        for email in ["a@example.com", "b@example.com", "new@example.com"]:
            await jane.UpdateUser(pb.UpdateUserRequest(email=email))
        await jane.DeleteUser(pb.DeleteUserRequest())

        await auth.register(email="new@example.com")

        assert (await mails(auth)).count("new@example.com") == 1


async def test_a_pending_address_of_another_user_gets_no_mail(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=3) as auth:
        jane = await auth.user((await auth.register_verified()).token)
        await jane.UpdateUser(pb.UpdateUserRequest(email="new@example.com"))
        await auth.register(email="new@example.com")
        before = await mails(auth)
        for _ in range(4):
            await auth.change(AGAIN)
            await auth.gateway.ResendVerification(pb.ResendVerificationRequest(email="jane@example.com"))

        assert await mails(auth) == before


async def test_other_mails_leave_those_for_a_new_password(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=2) as auth:
        await auth.register()
        for _ in range(4):
            await auth.change(AGAIN)
            await auth.gateway.ResendVerification(pb.ResendVerificationRequest(email="jane@example.com"))
        await auth.change(AGAIN)

        await auth.gateway.ForgotPassword(pb.ForgotPasswordRequest(email="jane@example.com"))

        assert await mails(auth, "reset") == ["jane@example.com"]


async def test_a_full_limit_still_leaves_one_mail_an_hour(sessions: Sessions) -> None:
    """Strangers cannot keep a user from setting a new password."""
    async with running(sessions, mails_per_day=1) as auth:
        await auth.register_verified()
        for _ in range(3):
            await auth.change("UPDATE mail_count SET counted_at = counted_at - interval '1 hour'")
            for _ in range(2):
                await auth.change(AGAIN)
                await auth.gateway.ForgotPassword(pb.ForgotPasswordRequest(email="jane@example.com"))

        assert len(await mails(auth)) == 4


async def test_the_next_day_has_mails_again(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=1) as auth:
        await auth.register_verified()
        await auth.change("UPDATE mail_count SET day = day - 1")
        await auth.change(AGAIN)

        await auth.gateway.ForgotPassword(pb.ForgotPasswordRequest(email="jane@example.com"))

        assert len(await mails(auth)) == 2
        assert await auth.rows("SELECT count(*) FROM mail_count WHERE day < current_date") == [(0,)]


async def test_a_full_limit_does_not_keep_the_notice_from_the_former_address(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=1) as auth:
        jane = await auth.user((await auth.register_verified()).token)

        await jane.UpdateUser(pb.UpdateUserRequest(email="thief@example.com"))

        assert len(await events(auth, "auth.address_notice_wanted", pb.AddressNoticeWanted)) == 1


async def test_requests_at_the_same_time_do_not_slip_through(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=3) as auth:
        users = [f"user{number}@example.com" for number in range(8)]
        tokens = [(await auth.register(email=email)).token for email in users]
        stubs = [await auth.user(token) for token in tokens]

        await asyncio.gather(
            *(stub.UpdateUser(pb.UpdateUserRequest(email="victim@example.com")) for stub in stubs),
            return_exceptions=True,
        )

        assert (await mails(auth)).count("victim@example.com") <= 3


BAD_NAMES = [
    "a\u200eb",
    "a\u061cb",
    "Jo\U000e0041",
    "Jane\nSmith",
    "x\ry",
    "a\u2028b",
    "a\u202eb",
    "a\u2066b",
    "\x1b[31mred",
    "a\x7fb",
]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_has_no_control_characters(auth: AuthHarness, name: str) -> None:
    token = (await auth.register()).token
    jane = await auth.user(token)

    for call in (
        auth.register(name=f"x{name}x", email="new@example.com"),
        jane.UpdateUser(pb.UpdateUserRequest(name=f"x{name}x")),
        jane.CreateToken(pb.CreateTokenRequest(name=f"x{name}x")),
    ):
        with pytest.raises(errors.InvalidArgument) as caught:
            await call
        assert list(caught.value.fields) == ["name"]


@pytest.mark.parametrize("name", ["\u200b", "\ufeff \u2800", "\u3164"])
async def test_a_name_has_a_visible_character(auth: AuthHarness, name: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await auth.register(name=name)

    assert caught.value.fields == {"name": ["The name field is required."]}


async def test_the_label_of_a_login_is_cleaned_and_never_refused(auth: AuthHarness) -> None:
    """Clients of the reference API send their user agent, or what they like."""
    await auth.register(device_name=" My\r\nphone\u202e \0")

    assert await auth.rows("SELECT name FROM token") == [("My phone",)]


@pytest.mark.parametrize("name", ["Zoë O\u2019Hara-Świątek", "محمد", "李 小龍", "👩\u200d💻 Jo"])
async def test_names_of_all_languages_are_accepted(auth: AuthHarness, name: str) -> None:
    assert (await auth.register(name=name)).user.name == name
