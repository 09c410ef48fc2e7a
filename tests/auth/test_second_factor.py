"""The second factor: codes of an app and recovery codes, each of which works once."""

import time
from datetime import timedelta

import pytest
from pyotp.totp import TOTP

from auth import links
from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, SECRET, AuthHarness

FORGET_STEP = "UPDATE user_account SET second_factor_step = NULL"
OLDER = "UPDATE token SET signed_in_at = NULL"


def code(secret: str, steps: int = 0) -> str:
    return TOTP(secret).at(int(time.time()) + 30 * steps)


async def enrol(auth: AuthHarness, token: str) -> tuple[str, list[str]]:
    """Switch a second factor on. Return its secret and the recovery codes."""
    jane = await auth.user(token)
    secret = (await jane.StartSecondFactor(pb.StartSecondFactorRequest())).secret
    confirmed = await jane.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(otp=code(secret, -1)))
    return secret, list(confirmed.recovery_codes)


async def login(auth: AuthHarness, otp: str = "", password: str = PASSWORD) -> pb.LoginResponse:
    return await auth.gateway.Login(pb.LoginRequest(email="jane@example.com", password=password, otp=otp))


async def refusal_of_login(
    auth: AuthHarness, otp: str = "", password: str = PASSWORD
) -> tuple[str, list[str]]:
    with pytest.raises(errors.Unauthenticated) as caught:
        await login(auth, otp, password)
    return caught.value.reason, caught.value.fields.get("otp", [])


async def test_a_secret_counts_after_its_first_code(auth: AuthHarness) -> None:
    jane = await auth.user((await auth.register_verified()).token)
    started = await jane.StartSecondFactor(pb.StartSecondFactorRequest())

    before = (await login(auth)).user
    with pytest.raises(errors.InvalidArgument) as wrong:
        await jane.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(otp="000000x"))
    confirmed = await jane.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(otp=code(started.secret)))
    user = (await jane.GetUser(pb.GetUserRequest())).user

    assert started.uri.startswith("otpauth://totp/Loupe:jane%40example.com?")
    assert started.secret in started.uri
    assert wrong.value.fields == {"otp": ["The otp is incorrect."]}
    assert (before.second_factor, user.second_factor) == (False, True)
    assert len(set(confirmed.recovery_codes)) == 10


async def test_a_login_needs_a_code(auth: AuthHarness) -> None:
    secret, _ = await enrol(auth, (await auth.register_verified()).token)

    missing = await refusal_of_login(auth)
    wrong = await refusal_of_login(auth, "not a code")
    wrong_password = await refusal_of_login(auth, code(secret), "Wrong1horse")
    admitted = await login(auth, f" {code(secret)[:3]} {code(secret)[3:]}")

    assert missing == ("second_factor_required", ["The otp field is required."])
    assert wrong == ("second_factor_required", ["The otp is incorrect."])
    assert wrong_password == ("invalid_credentials", [])
    assert await auth.is_valid(admitted.token)


async def test_a_code_works_once_and_only_near_its_time(auth: AuthHarness) -> None:
    secret, _ = await enrol(auth, (await auth.register_verified()).token)
    used = code(secret, 0)
    await login(auth, used)

    again = await refusal_of_login(auth, used)
    older = await refusal_of_login(auth, code(secret, -1))
    await auth.change(FORGET_STEP)
    far = [await refusal_of_login(auth, code(secret, steps)) for steps in (-3, 3)]

    assert {reason for reason, _ in (again, older, *far)} == {"second_factor_required"}


async def test_a_recovery_code_works_once(auth: AuthHarness) -> None:
    _, codes = await enrol(auth, (await auth.register_verified()).token)

    admitted = await login(auth, codes[3].upper().replace("-", " "))
    again = await refusal_of_login(auth, codes[3])

    assert await auth.is_valid(admitted.token)
    assert again == ("second_factor_required", ["The otp is incorrect."])
    assert await auth.rows("SELECT count(*) FROM recovery_code") == [(9,)]


async def test_neither_the_secret_nor_a_recovery_code_is_stored_as_it_is(auth: AuthHarness) -> None:
    secret, codes = await enrol(auth, (await auth.register_verified()).token)
    [(stored,)] = await auth.rows("SELECT second_factor_secret FROM user_account")
    hashes = [row[0] for row in await auth.rows("SELECT code_hash FROM recovery_code")]

    assert secret.encode() not in stored
    assert auth.ring.cipher.decrypt(stored) == secret.encode()
    assert {len(each) for each in hashes} == {32}
    assert not {each.encode() for each in codes} & set(hashes)


async def test_a_new_password_does_not_replace_the_code(auth: AuthHarness) -> None:
    secret, _ = await enrol(auth, (await auth.register_verified()).token)
    [row] = await auth.rows("SELECT password_hash FROM user_account")
    signed = links.sign(SECRET, "reset", 1, "jane@example.com", links.seal_of(SECRET, row[0]))
    await auth.gateway.ResetPassword(
        pb.ResetPasswordRequest(token=signed, password="Better2horse", password_confirmation="Better2horse")
    )

    missing = await refusal_of_login(auth, password="Better2horse")
    admitted = await login(auth, code(secret), "Better2horse")

    assert missing[0] == "second_factor_required"
    assert admitted.token


async def test_only_a_code_switches_it_off_or_replaces_recovery_codes(auth: AuthHarness) -> None:
    secret, codes = await enrol(auth, (await auth.register_verified()).token)
    jane = await auth.user((await login(auth, codes[0])).token)

    for otp, text in (("", "The otp field is required."), ("123", "The otp is incorrect.")):
        for call in (
            jane.RemoveSecondFactor(pb.RemoveSecondFactorRequest(otp=otp)),
            jane.ReplaceRecoveryCodes(pb.ReplaceRecoveryCodesRequest(otp=otp)),
        ):
            with pytest.raises(errors.InvalidArgument) as caught:
                await call
            assert caught.value.fields == {"otp": [text]}
    replaced = await jane.ReplaceRecoveryCodes(pb.ReplaceRecoveryCodesRequest(otp=code(secret)))
    former = await refusal_of_login(auth, codes[1])
    await jane.RemoveSecondFactor(pb.RemoveSecondFactorRequest(otp=replaced.recovery_codes[0]))

    assert former[0] == "second_factor_required"
    assert not (await login(auth)).user.second_factor
    assert await auth.rows("SELECT count(*) FROM recovery_code") == [(0,)]


async def test_it_cannot_be_started_twice_nor_used_before(auth: AuthHarness) -> None:
    jane = await auth.user(token := (await auth.register_verified()).token)
    for call in (
        jane.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(otp="123456")),
        jane.RemoveSecondFactor(pb.RemoveSecondFactorRequest(otp="123456")),
        jane.ReplaceRecoveryCodes(pb.ReplaceRecoveryCodesRequest(otp="123456")),
    ):
        with pytest.raises(errors.FailedPrecondition) as missing:
            await call
        assert missing.value.reason == "second_factor_missing"
    await enrol(auth, token)

    for call in (
        jane.StartSecondFactor(pb.StartSecondFactorRequest()),
        jane.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(otp="123456")),
    ):
        with pytest.raises(errors.AlreadyExists) as enabled:
            await call
        assert enabled.value.reason == "second_factor_enabled"


async def test_a_stolen_token_and_the_password_change_nothing_without_a_code(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    secret, _ = await enrol(auth, token)
    await auth.change(OLDER)
    jane = await auth.user(token)

    with pytest.raises(errors.PermissionDenied) as caught:
        await jane.DeleteUser(pb.DeleteUserRequest(current_password=PASSWORD))
    with pytest.raises(errors.PermissionDenied) as wrong:
        await jane.DeleteUser(pb.DeleteUserRequest(current_password=PASSWORD, otp="123456"))
    await jane.DeleteUser(pb.DeleteUserRequest(otp=code(secret)))

    assert (caught.value.reason, caught.value.fields) == ("reauthentication_required", {})
    assert wrong.value.fields == {"otp": ["The otp is incorrect."]}


async def test_codes_cannot_be_guessed(auth: AuthHarness) -> None:
    secret, _ = await enrol(auth, (await auth.register_verified()).token)
    for number in range(10):
        assert (await refusal_of_login(auth, f"x{number}"))[0] == "second_factor_required"

    with pytest.raises(errors.ResourceExhausted):
        await login(auth, code(secret))


@pytest.mark.parametrize(("age", "is_left"), [(timedelta(hours=1), False), (timedelta(hours=200), True)])
async def test_a_way_back_removes_only_a_recent_second_factor(
    auth: AuthHarness, age: timedelta, is_left: bool
) -> None:
    """A recent one may be the thief's. An older one guards the user against readers of the former mailbox."""
    token = (await auth.register_verified()).token
    await enrol(auth, token)
    await auth.change("UPDATE user_account SET second_factor_at = now() - :age", age=age)
    await (await auth.user(token)).UpdateUser(pb.UpdateUserRequest(email="new@example.com"))

    signed = links.sign(SECRET, "restore", 1, "jane@example.com", "1")
    user = (await auth.gateway.RestoreAddress(pb.RestoreAddressRequest(token=signed))).user

    assert user.second_factor == is_left


async def test_a_way_back_removes_recovery_codes_that_are_newer_than_the_factor(auth: AuthHarness) -> None:
    """A thief with one code could have made them. The factor is older, and stays."""
    token = (await auth.register_verified()).token
    _, codes = await enrol(auth, token)
    jane = await auth.user(token)
    aged = {"age": timedelta(hours=200)}
    await auth.change("UPDATE user_account SET second_factor_at = now() - :age", **aged)
    await jane.ReplaceRecoveryCodes(pb.ReplaceRecoveryCodesRequest(otp=codes[0]))
    await auth.change(
        "UPDATE recovery_code SET made_at = now() - :age WHERE code_hash IN"
        " (SELECT code_hash FROM recovery_code LIMIT 3)",
        **aged,
    )
    await jane.UpdateUser(pb.UpdateUserRequest(email="new@example.com"))

    signed = links.sign(SECRET, "restore", 1, "jane@example.com", "1")
    user = (await auth.gateway.RestoreAddress(pb.RestoreAddressRequest(token=signed))).user

    assert user.second_factor
    assert await auth.rows("SELECT count(*) FROM recovery_code") == [(3,)]


async def test_a_way_back_forgets_a_factor_that_was_only_started(auth: AuthHarness) -> None:
    jane = await auth.user((await auth.register_verified()).token)
    await jane.StartSecondFactor(pb.StartSecondFactorRequest())
    await jane.UpdateUser(pb.UpdateUserRequest(email="new@example.com"))

    signed = links.sign(SECRET, "restore", 1, "jane@example.com", "1")
    await auth.gateway.RestoreAddress(pb.RestoreAddressRequest(token=signed))

    assert await auth.rows("SELECT second_factor_secret FROM user_account") == [(None,)]


async def test_only_who_owns_the_address_can_have_one(auth: AuthHarness) -> None:
    """A stranger could register the address of somebody else, and lock them out."""
    jane = await auth.user((await auth.register()).token)

    with pytest.raises(errors.PermissionDenied) as caught:
        await jane.StartSecondFactor(pb.StartSecondFactorRequest())

    assert caught.value.reason == "email_unverified"


async def test_an_operator_can_switch_it_off_for_a_user_who_has_lost_it(auth: AuthHarness) -> None:
    await enrol(auth, (await auth.register_verified()).token)

    await auth.operator.ResetSecondFactor(pb.ResetSecondFactorRequest(user_id=1))
    again = await auth.operator.ResetSecondFactor(pb.ResetSecondFactorRequest(user_id=1))

    assert not again.user.second_factor
    assert (await login(auth)).token
    with pytest.raises(errors.NotFound):
        await auth.operator.ResetSecondFactor(pb.ResetSecondFactorRequest(user_id=2))
    with pytest.raises(errors.PermissionDenied):
        await auth.gateway.ResetSecondFactor(pb.ResetSecondFactorRequest(user_id=1))
