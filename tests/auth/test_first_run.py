"""The first operator creates the account with a one-time code."""

import asyncio

import pytest

from common import errors
from common.trace import CLIENT_ADDRESS_KEY
from loupe.auth.v1 import auth_pb2 as pb
from loupe.contract import ADMIN
from tests.auth.harness import PASSWORD, AuthHarness

STRANGER = ((CLIENT_ADDRESS_KEY, "203.0.113.9"),)


async def make_code(auth: AuthHarness) -> str:
    return (await auth.operator.StartFirstRun(pb.StartFirstRunRequest())).code


def a_finish(code: str, **changes: str) -> pb.FinishFirstRunRequest:
    usual = {"name": "Jane Smith", "email": "jane@example.com", "password": PASSWORD}
    usual |= {"password_confirmation": PASSWORD}
    return pb.FinishFirstRunRequest(code=code, **(usual | changes))


async def is_open(auth: AuthHarness) -> bool:
    return (await auth.gateway.GetFirstRun(pb.GetFirstRunRequest())).is_open


async def refusal(auth: AuthHarness, code: str, **changes: str) -> str:
    try:
        await auth.gateway.FinishFirstRun(a_finish(code, **changes))
    except errors.ServiceError as error:
        return error.reason
    return ""


async def test_the_code_makes_a_verified_operator_who_is_signed_in(auth: AuthHarness) -> None:
    code = await make_code(auth)

    finished = await auth.gateway.FinishFirstRun(a_finish(code.upper().replace("-", " ")))

    assert finished.user.is_operator
    assert finished.user.HasField("email_verified_at")
    request = pb.AuthenticateRequest(token=finished.session, is_console_session=True)
    assert ADMIN in (await auth.gateway.Authenticate(request)).abilities


async def test_the_code_works_once_and_ends_the_first_run(auth: AuthHarness) -> None:
    code, before = await make_code(auth), await is_open(auth)
    await auth.gateway.FinishFirstRun(a_finish(code))

    assert (before, await is_open(auth)) == (True, False)
    assert await refusal(auth, code, email="mallory@example.com") == "first_run_refused"
    with pytest.raises(errors.FailedPrecondition) as caught:
        await make_code(auth)
    assert caught.value.reason == "operator_exists"


async def test_two_at_once_make_one_operator(auth: AuthHarness) -> None:
    code = await make_code(auth)

    results = await asyncio.gather(*(refusal(auth, code, email=f"user{n}@example.com") for n in range(4)))

    assert sorted(results) == ["", *["first_run_refused"] * 3]
    assert await auth.rows("SELECT count(*) FROM user_account") == [(1,)]


async def test_a_new_code_replaces_the_one_before(auth: AuthHarness) -> None:
    first, second = await make_code(auth), await make_code(auth)

    assert await refusal(auth, first) == "first_run_refused"
    assert await refusal(auth, second) == ""


async def test_a_code_ends_after_a_day_and_as_soon_as_there_is_an_operator(auth: AuthHarness) -> None:
    old = await make_code(auth)
    await auth.change("UPDATE first_run SET expires_at = now() - interval '1 second'")
    expired = await refusal(auth, old)
    code = await make_code(auth)
    omar = (await auth.register_verified(email="omar@example.com")).user
    await auth.operator.SetOperator(pb.SetOperatorRequest(user_id=omar.id, is_operator=True))

    assert expired == "first_run_refused"
    assert await refusal(auth, code) == "first_run_refused"
    await auth.operator.SetOperator(pb.SetOperatorRequest(user_id=omar.id, is_operator=False))
    assert await refusal(auth, code) == "first_run_refused"


async def test_wrong_fields_keep_the_code(auth: AuthHarness) -> None:
    code = await make_code(auth)

    with pytest.raises(errors.InvalidArgument) as caught:
        await auth.gateway.FinishFirstRun(a_finish(code, password="short", email="nowhere"))

    assert set(caught.value.fields) == {"email", "password"}
    assert await refusal(auth, code) == ""


async def test_codes_cannot_be_guessed_and_are_stored_as_a_hash(auth: AuthHarness) -> None:
    code = await make_code(auth)
    for _ in range(30):
        with pytest.raises(errors.PermissionDenied):
            await auth.gateway.FinishFirstRun(a_finish("wrong"), metadata=STRANGER)

    with pytest.raises(errors.ResourceExhausted):
        await auth.gateway.FinishFirstRun(a_finish(code), metadata=STRANGER)

    [(stored,)] = await auth.rows("SELECT code_hash FROM first_run")
    assert code.replace("-", "").encode() not in bytes(stored)
    assert await refusal(auth, code) == ""  # from another address
