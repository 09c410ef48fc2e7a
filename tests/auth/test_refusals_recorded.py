"""Wrong passwords and codes of a user with a token are security events."""

import pytest
import structlog

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness

BETTER = "Better2horse"


async def recorded(auth: AuthHarness, current: str) -> list[str]:
    """Return the security events of a change of the password that is refused."""
    jane = await auth.user((await auth.register_verified()).token)
    request = pb.ChangePasswordRequest(
        current_password=current, password=BETTER, password_confirmation=BETTER[:-1]
    )
    with structlog.testing.capture_logs() as lines, pytest.raises(errors.InvalidArgument):
        await jane.ChangePassword(request)
    return [line["security_event"] for line in lines if "security_event" in line]


@pytest.mark.parametrize(
    ("current", "events"), [("Wrong1horse", ["password.change_refused"]), ("", []), (PASSWORD, [])]
)
async def test_a_wrong_current_password_is_recorded(
    auth: AuthHarness, current: str, events: list[str]
) -> None:
    assert await recorded(auth, current) == events


@pytest.mark.parametrize(("otp", "events"), [("000000x", ["second_factor.refused"]), ("", [])])
async def test_a_wrong_first_code_is_recorded(auth: AuthHarness, otp: str, events: list[str]) -> None:
    jane = await auth.user((await auth.register_verified()).token)
    await jane.StartSecondFactor(pb.StartSecondFactorRequest())

    with structlog.testing.capture_logs() as lines, pytest.raises(errors.InvalidArgument):
        await jane.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(otp=otp))

    assert [line["security_event"] for line in lines if "security_event" in line] == events
