"""A new address counts after its verification, and the former one has a way back for 72 hours."""

import asyncio
import re
from datetime import timedelta

import pytest

from auth import links
from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from loupe_local.stores import Stores
from tests.auth.harness import PASSWORD, SECRET, AuthHarness, events
from tests.auth.mail_sending import sending_mails
from tests.auth.test_password_reset import newest_mail_to

JANE, NEW = "jane@example.com", "jane.doe@example.com"
LINK = re.compile(r"https://loupe\.example\.com/restore-address#(\S+)")


async def ask_for(auth: AuthHarness, token: str, email: str) -> pb.User:
    return (await (await auth.user(token)).UpdateUser(pb.UpdateUserRequest(email=email))).user


async def verify(auth: AuthHarness, email: str, user_id: int = 1) -> pb.User:
    signed = links.sign(SECRET, "verify", user_id, email)
    return (await auth.gateway.VerifyEmail(pb.VerifyEmailRequest(token=signed))).user


async def restore(auth: AuthHarness, change: int, email: str = JANE) -> pb.RestoreAddressResponse:
    signed = links.sign(SECRET, "restore", 1, email, str(change))
    return await auth.gateway.RestoreAddress(pb.RestoreAddressRequest(token=signed))


async def notices(auth: AuthHarness) -> list[tuple[str, bool]]:
    wanted = await events(auth, "auth.address_notice_wanted", pb.AddressNoticeWanted)
    return [(notice.email, notice.is_done) for notice in wanted]


async def test_the_present_address_stays_until_the_new_one_is_verified(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token

    asked = await ask_for(auth, token, " Jane.Doe@Example.com")
    login = await auth.login(JANE)
    with pytest.raises(errors.Unauthenticated):
        await auth.login(NEW)
    verified = await verify(auth, NEW)
    with pytest.raises(errors.Unauthenticated):
        await auth.login(JANE)

    assert (asked.email, asked.pending_email, asked.HasField("email_verified_at")) == (JANE, NEW, True)
    assert login.user.pending_email == NEW
    assert (verified.email, verified.pending_email) == (NEW, "")
    assert (await auth.login(NEW)).user.HasField("email_verified_at")
    assert await notices(auth) == [(JANE, False), (JANE, True)]


async def test_a_forgotten_password_goes_to_the_present_address_alone(auth: AuthHarness) -> None:
    await ask_for(auth, (await auth.register_verified()).token, NEW)
    await auth.change("UPDATE user_account SET last_mail_at = NULL")

    for email in (NEW, JANE):
        await auth.gateway.ForgotPassword(pb.ForgotPasswordRequest(email=email))

    resets = [
        mail for mail in await events(auth, "auth.mail_wanted", pb.MailWanted) if mail.template == "reset"
    ]
    assert [mail.email for mail in resets] == [JANE]


async def test_the_pending_address_gets_the_mail_again(auth: AuthHarness) -> None:
    await ask_for(auth, (await auth.register_verified()).token, NEW)
    await auth.change("UPDATE user_account SET last_mail_at = NULL")

    await auth.gateway.ResendVerification(pb.ResendVerificationRequest(email=JANE))

    mails = [(mail.template, mail.email) for mail in await events(auth, "auth.mail_wanted", pb.MailWanted)]
    assert mails == [("verify", JANE), ("verify", NEW), ("verify", NEW)]


async def test_asking_for_the_present_address_cancels_a_pending_one(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await ask_for(auth, token, NEW)

    user = await ask_for(auth, token, JANE)
    with pytest.raises(errors.PermissionDenied):
        await verify(auth, NEW)

    assert (user.email, user.pending_email) == (JANE, "")


@pytest.mark.parametrize("way", ["reset", "change"])
async def test_a_new_password_forgets_a_pending_address(auth: AuthHarness, way: str) -> None:
    token = (await auth.register_verified()).token
    await ask_for(auth, token, NEW)

    if way == "reset":
        [row] = await auth.rows("SELECT password_hash FROM user_account")
        signed = links.sign(SECRET, "reset", 1, JANE, links.seal_of(SECRET, row[0]))
        await auth.gateway.ResetPassword(
            pb.ResetPasswordRequest(
                token=signed, password="Better2horse", password_confirmation="Better2horse"
            )
        )
    else:
        await (await auth.user(token)).ChangePassword(
            pb.ChangePasswordRequest(
                current_password=PASSWORD, password="Better2horse", password_confirmation="Better2horse"
            )
        )

    with pytest.raises(errors.PermissionDenied):
        await verify(auth, NEW)


@pytest.mark.parametrize("is_done", [False, True])
async def test_the_way_back_brings_address_and_account_back(auth: AuthHarness, is_done: bool) -> None:
    stolen = (await auth.register_verified()).token
    await ask_for(auth, stolen, NEW)
    if is_done:
        await verify(auth, NEW)

    restored = await restore(auth, 1)

    assert (restored.user.email, restored.user.pending_email) == (JANE, "")
    assert not await auth.is_valid(stolen)
    for email in (JANE, NEW):
        with pytest.raises(errors.Unauthenticated):
            await auth.login(email)
    await auth.gateway.ResetPassword(
        pb.ResetPasswordRequest(
            token=restored.reset_token, password="Better2horse", password_confirmation="Better2horse"
        )
    )
    assert (await auth.login(JANE, "Better2horse")).user.email == JANE
    with pytest.raises(errors.PermissionDenied):
        await verify(auth, NEW)


async def test_a_way_back_works_once_and_ends_later_ways_back(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await ask_for(auth, token, NEW)
    await verify(auth, NEW)
    await ask_for(auth, token, "third@example.com")
    await verify(auth, "third@example.com")

    restored = await restore(auth, 1)

    assert restored.user.email == JANE
    for change, email in ((1, JANE), (2, NEW)):
        with pytest.raises(errors.PermissionDenied) as caught:
            await restore(auth, change, email)
        assert caught.value.reason == "invalid_signature"


@pytest.mark.parametrize(("change", "email"), [(1, NEW), (2, JANE), (3, JANE), (0, JANE)])
async def test_a_link_for_another_change_is_refused(auth: AuthHarness, change: int, email: str) -> None:
    await ask_for(auth, (await auth.register_verified()).token, NEW)
    await auth.register_verified(email="omar@example.com")
    omar = (await auth.login("omar@example.com")).token
    await ask_for(auth, omar, "omar2@example.com")

    with pytest.raises(errors.PermissionDenied) as caught:
        await restore(auth, change, email)

    assert caught.value.reason == "invalid_signature"


async def test_the_way_back_ends_after_72_hours(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await ask_for(auth, token, NEW)
    await verify(auth, NEW)
    late = "UPDATE address_change SET requested_at = requested_at - :age, done_at = done_at - :age"
    await auth.change(late, age=timedelta(hours=73))

    with pytest.raises(errors.PermissionDenied):
        await restore(auth, 1)
    await auth.register(email=JANE)


async def test_nobody_else_gets_an_address_that_may_come_back(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    omar = (await auth.register_verified(email="omar@example.com")).token
    await ask_for(auth, token, NEW)
    await verify(auth, NEW)

    for attempt in (auth.register(email=JANE), ask_for(auth, omar, JANE)):
        with pytest.raises(errors.InvalidArgument) as caught:
            await attempt
        assert caught.value.fields == {"email": ["The email has already been taken."]}
    assert (await ask_for(auth, token, JANE)).pending_email == JANE


async def test_a_pending_address_that_somebody_registered_meanwhile_is_refused(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await ask_for(auth, token, NEW)
    await auth.register(email=NEW)

    with pytest.raises(errors.PermissionDenied) as caught:
        await verify(auth, NEW)

    assert caught.value.reason == "invalid_signature"
    assert (await auth.login(JANE)).user.email == JANE


async def test_two_users_cannot_verify_the_same_pending_address_at_once(auth: AuthHarness) -> None:
    for number in (1, 2):
        await auth.register_verified(email=f"user{number}@example.com")
        await ask_for(auth, (await auth.login(f"user{number}@example.com")).token, NEW)

    results = await asyncio.gather(*(verify(auth, NEW, user) for user in (1, 2)), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["PermissionDenied", "User"]


async def test_the_changes_of_a_day_are_limited(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    for number in range(20):
        await ask_for(auth, token, f"jane{number}@example.com")

    with pytest.raises(errors.ResourceExhausted) as caught:
        await ask_for(auth, token, NEW)

    assert caught.value.reason == "too_many_requests"
    assert caught.value.retry_after_seconds > 0
    assert len(await notices(auth)) == 20


async def test_the_notice_holds_a_link_and_no_text_of_a_stranger(auth: AuthHarness, stores: Stores) -> None:
    former = "jane.notice@example.com"
    async with sending_mails(auth, stores):
        token = (await auth.register_verified(email=former, name="Win at http://evil.example")).token
        await ask_for(auth, token, "evil.example@example.com")
        mail = await newest_mail_to(stores.mails, former, "Somebody asked")
        await verify(auth, "evil.example@example.com")
        done = await newest_mail_to(stores.mails, former, "Your email address")
    link, later = LINK.search(mail.get_content()), LINK.search(done.get_content())
    assert link
    assert later

    user = (await auth.gateway.RestoreAddress(pb.RestoreAddressRequest(token=link[1]))).user

    assert user.email == former
    assert "evil" not in mail.as_string() + done.as_string()


async def test_the_mail_to_a_new_address_says_what_its_link_does(auth: AuthHarness, stores: Stores) -> None:
    async with sending_mails(auth, stores):
        token = (await auth.register_verified(email="jane.first@example.com")).token
        first = await newest_mail_to(stores.mails, "jane.first@example.com")
        await ask_for(auth, token, "jane.second@example.com")
        second = await newest_mail_to(stores.mails, "jane.second@example.com")

    assert "account" not in first.get_content()
    assert "makes this the address of that account" in second.get_content()
    assert "/verify-email/" in second.get_content()
