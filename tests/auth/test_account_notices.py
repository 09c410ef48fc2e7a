"""The owner of an account gets a mail when its password or second factor changes."""

import itertools

import pytest

from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from loupe.outbound.v1 import outbound_pb2
from loupe_local.mailbox import mails_to, newest_mail_to
from loupe_local.stores import Stores
from tests.auth.harness import PASSWORD, AuthHarness, events, running
from tests.auth.mail_sending import mail_sender, sending_mails
from tests.auth.test_password_change import change
from tests.auth.test_second_factor import enrol


async def notices(auth: AuthHarness) -> list[tuple[str, str]]:
    wanted = await events(auth, "auth.address_notice_wanted", pb.AddressNoticeWanted)
    return [(notice.email, notice.template) for notice in wanted]


async def test_each_change_wants_a_notice(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    _, codes = await enrol(auth, token)
    await (await auth.user(token)).RemoveSecondFactor(pb.RemoveSecondFactorRequest(otp=codes[0]))
    await change(auth, token)

    templates = ["factor_enabled", "factor_disabled", "password_changed"]
    assert await notices(auth) == [("jane@example.com", template) for template in templates]


async def test_an_address_that_was_never_verified_gets_none(auth: AuthHarness) -> None:
    await change(auth, (await auth.register()).token)

    assert await notices(auth) == []


async def test_notices_are_limited(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=2) as auth:
        token = (await auth.register_verified()).token
        passwords = [PASSWORD, *(f"Another{number}horse" for number in range(4))]
        for current, new in itertools.pairwise(passwords):
            await change(auth, token, current, new)

        assert len(await notices(auth)) == 2


async def test_nobody_gets_many_notices_by_accounts_that_come_and_go(sessions: Sessions) -> None:
    async with running(sessions, mails_per_day=2, email_verification=False) as auth:
        for _ in range(4):
            jane = await auth.user((await auth.register()).token)
            await jane.DeleteUser(pb.DeleteUserRequest())

        assert len(await notices(auth)) == 2


@pytest.mark.parametrize("is_silent", [False, True])
async def test_an_operator_who_resets_a_factor_lets_the_owner_know(
    auth: AuthHarness, is_silent: bool
) -> None:
    request = pb.ResetSecondFactorRequest(user_id=1, without_notice=is_silent)
    await enrol(auth, (await auth.register_verified()).token)

    for _ in range(2):
        await auth.operator.ResetSecondFactor(request)

    reset = [] if is_silent else [("jane@example.com", "factor_reset")]
    assert await notices(auth) == [("jane@example.com", "factor_enabled"), *reset]


async def test_the_notice_of_a_reset_says_who_did_it(auth: AuthHarness, stores: Stores) -> None:
    email = "jane.reset@example.com"
    async with sending_mails(auth, stores):
        registered = await auth.register_verified(email=email)
        await enrol(auth, registered.token)
        await auth.operator.ResetSecondFactor(pb.ResetSecondFactorRequest(user_id=registered.user.id))
        mail = await newest_mail_to(stores.mails, email, "The operator")

    assert "the operator of this service switched off the second factor" in mail.get_content()


async def test_notices_about_webhooks_are_limited_together_with_others(
    auth: AuthHarness, stores: Stores
) -> None:
    email = "jane.hooks@example.com"
    user_id = (await auth.register_verified(email=email)).user.id
    sender = mail_sender(auth, stores, mails_per_day=2)
    disabled = outbound_pb2.WebhookDisabled(user_id=user_id, url="https://hooks.example/1", reason="gone")

    await sender.notify_of_new_webhook(outbound_pb2.WebhookAdded(user_id=user_id).SerializeToString())
    for _ in range(3):
        await sender.notify_of_webhook(disabled.SerializeToString())
    await sender.notify_of_webhook(outbound_pb2.WebhookDisabled(user_id=99).SerializeToString())

    sent = [mail["Subject"] for mail in mails_to(stores.mails, email)]
    assert sent == ["A webhook was added to your account", "A webhook was disabled"]


@pytest.mark.parametrize("what", ["password", "factor", "deletion"])
async def test_the_notice_is_mailed(auth: AuthHarness, stores: Stores, what: str) -> None:
    email = f"jane.{what}@example.com"
    async with sending_mails(auth, stores):
        token = (await auth.register_verified(email=email)).token
        if what == "password":
            await change(auth, token)
        elif what == "factor":
            await enrol(auth, token)
        else:
            await (await auth.user(token)).DeleteUser(pb.DeleteUserRequest())
        subjects = {"password": "Your password", "factor": "A second factor", "deletion": "Your account"}
        subject = subjects[what]
        mail = await newest_mail_to(stores.mails, email, subject)

    assert "If it was not you" in mail.get_content()
