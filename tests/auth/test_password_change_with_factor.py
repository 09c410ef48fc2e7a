"""A new password of a user with a second factor needs a recent login or a code too."""

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness
from tests.auth.test_second_factor import OLDER, code, enrol

NEW = "Another1horse"


async def change(auth: AuthHarness, token: str, otp: str = "", current: str = PASSWORD) -> None:
    jane = await auth.user(token)
    await jane.ChangePassword(
        pb.ChangePasswordRequest(current_password=current, password=NEW, password_confirmation=NEW, otp=otp)
    )


@pytest.mark.parametrize(("otp", "fields"), [("", {}), ("000000x", {"otp": ["The otp is incorrect."]})])
async def test_the_password_alone_is_not_enough(
    auth: AuthHarness, otp: str, fields: dict[str, list[str]]
) -> None:
    token = (await auth.register_verified()).token
    await enrol(auth, token)
    await auth.change(OLDER)

    with pytest.raises(errors.PermissionDenied) as caught:
        await change(auth, token, otp)

    assert (caught.value.reason, caught.value.fields) == ("reauthentication_required", fields)


async def test_a_code_is_used_up_only_by_a_right_request(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    secret, _ = await enrol(auth, token)
    await auth.change(OLDER)
    right = code(secret)

    with pytest.raises(errors.InvalidArgument):
        await change(auth, token, right, "Wrong1horse")
    await change(auth, token, right)


async def test_a_recent_login_needs_no_code(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    await enrol(auth, token)

    await change(auth, token)
