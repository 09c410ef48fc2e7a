"""A pending address expires, so that no change counts without a notice and a way back."""

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import AuthHarness, events
from tests.auth.test_address_changes import JANE, NEW, ask_for, notices, verify

LATER = "UPDATE address_change SET requested_at = requested_at - interval '73 hours'"
AGAIN = "UPDATE user_account SET last_mail_at = NULL"


async def test_an_expired_pending_address_cannot_be_verified(auth: AuthHarness) -> None:
    await ask_for(auth, (await auth.register_verified()).token, NEW)
    await auth.change(LATER)

    with pytest.raises(errors.PermissionDenied) as caught:
        await verify(auth, NEW)

    assert caught.value.reason == "invalid_signature"
    assert (await auth.login(JANE)).user.email == JANE


async def test_the_change_of_another_user_does_not_take_the_way_back(auth: AuthHarness) -> None:
    """The change of any user deletes old changes of all."""
    await ask_for(auth, (await auth.register_verified()).token, NEW)
    await auth.change(LATER)
    await ask_for(auth, (await auth.register_verified(email="omar@example.com")).token, "o@example.com")

    with pytest.raises(errors.PermissionDenied):
        await verify(auth, NEW)


async def test_an_expired_pending_address_gets_no_mail(auth: AuthHarness) -> None:
    await ask_for(auth, (await auth.register_verified()).token, NEW)
    before = await events(auth, "auth.mail_wanted", pb.MailWanted)
    await auth.change(LATER)
    await auth.change(AGAIN)

    await auth.gateway.ResendVerification(pb.ResendVerificationRequest(email=JANE))

    assert await events(auth, "auth.mail_wanted", pb.MailWanted) == before


async def test_an_expired_pending_address_can_be_asked_for_again(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await ask_for(auth, token, NEW)
    await auth.change(LATER)

    again = await ask_for(auth, token, NEW)

    assert again.pending_email == NEW
    assert (await verify(auth, NEW)).email == NEW
    assert await notices(auth) == [(JANE, False), (JANE, False), (JANE, True)]
