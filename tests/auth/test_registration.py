"""Registration and login, with the texts of the contract."""

import asyncio

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness, events


async def refused(auth: AuthHarness, **changes: str) -> dict[str, list[str]]:
    with pytest.raises(errors.InvalidArgument) as caught:
        await auth.register(**changes)
    assert caught.value.message == "Validation failed"
    assert caught.value.reason == "validation_failed"
    return caught.value.fields


async def test_registration_creates_a_user_and_a_token(auth: AuthHarness) -> None:
    made = await auth.register(name="  Jane Smith ", email=" Jane@Example.COM ")

    assert made.user.name == "Jane Smith"
    assert made.user.email == "jane@example.com"
    assert not made.user.HasField("email_verified_at")
    assert made.user.HasField("created_at")
    assert (await auth.authenticate(made.token)).user.id == made.user.id


async def test_only_the_argon2id_hash_of_the_password_is_stored(auth: AuthHarness) -> None:
    await auth.register()

    [(password_hash,)] = await auth.rows("SELECT password_hash FROM user_account")
    assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": ""}, {"name": ["The name field is required."]}),
        ({"name": "   "}, {"name": ["The name field is required."]}),
        ({"name": "x" * 256}, {"name": ["The name may not be greater than 255 characters."]}),
        ({"email": ""}, {"email": ["The email field is required."]}),
        ({"email": "  "}, {"email": ["The email field is required."]}),
        ({"email": "jane"}, {"email": ["The email must be a valid email address."]}),
        ({"email": "jane@"}, {"email": ["The email must be a valid email address."]}),
        ({"email": "jane@example"}, {"email": ["The email must be a valid email address."]}),
        (
            {"email": "jane@example.com, x@example.com"},
            {"email": ["The email must be a valid email address."]},
        ),
        ({"email": "Jane <jane@example.com>"}, {"email": ["The email must be a valid email address."]}),
        (
            {"email": "jane@example.com\r\nBcc: all@x.com"},
            {"email": ["The email must be a valid email address."]},
        ),
        (
            {"email": "x" * 250 + "@x.com"},
            {"email": ["The email may not be greater than 255 characters."]},
        ),
        ({"password": ""}, {"password": ["The password field is required."]}),
        ({"password": "Short1x"}, {"password": ["The password must be at least 8 characters."]}),
        (
            {"password": "no-upper-case-1"},
            {"password": ["The password must contain at least one uppercase and one lowercase letter."]},
        ),
        (
            {"password": "NO-LOWER-CASE-1"},
            {"password": ["The password must contain at least one uppercase and one lowercase letter."]},
        ),
        ({"password": "No-Number-Here"}, {"password": ["The password must contain at least one number."]}),
        (
            {"password_confirmation": "Another1horse"},
            {"password": ["The password confirmation does not match."]},
        ),
        ({"password_confirmation": ""}, {"password": ["The password confirmation does not match."]}),
        (
            {"password": "Aa1" + "x" * 1022},
            {"password": ["The password may not be greater than 1024 characters."]},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_field_is_named(
    auth: AuthHarness, changes: dict[str, str], fields: dict[str, list[str]]
) -> None:
    assert await refused(auth, **changes) == fields
    assert await auth.rows("SELECT 1 FROM user_account") == []


async def test_all_wrong_fields_are_named_at_once(auth: AuthHarness) -> None:
    fields = await refused(auth, name="", email="jane", password="short", password_confirmation="other")

    assert fields == {
        "name": ["The name field is required."],
        "email": ["The email must be a valid email address."],
        "password": [
            "The password must be at least 8 characters.",
            "The password must contain at least one uppercase and one lowercase letter.",
            "The password must contain at least one number.",
            "The password confirmation does not match.",
        ],
    }


async def test_values_at_the_limits_are_accepted(auth: AuthHarness) -> None:
    made = await auth.register(name="x" * 255, password="Aa345678")

    assert made.user.name == "x" * 255


async def test_a_password_may_contain_spaces_and_any_letters(auth: AuthHarness) -> None:
    await auth.register_verified(password=" Grüße 1 日本 ")

    assert (await auth.login(password=" Grüße 1 日本 ")).token


@pytest.mark.parametrize("email", ["jane@example.com", "JANE@example.com", " Jane@EXAMPLE.com"])
async def test_an_address_can_be_registered_once_in_any_case(auth: AuthHarness, email: str) -> None:
    await auth.register()

    assert await refused(auth, email=email) == {"email": ["The email has already been taken."]}
    assert len(await auth.rows("SELECT 1 FROM user_account")) == 1
    assert len(await auth.rows("SELECT 1 FROM token")) == 1


async def test_two_registrations_of_one_address_at_once_create_one_user(auth: AuthHarness) -> None:
    results = await asyncio.gather(*(auth.register() for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(result, pb.RegisterResponse) for result in results) == 1
    assert sum(isinstance(result, errors.InvalidArgument) for result in results) == 3


async def test_an_international_address_can_log_in_in_both_spellings(auth: AuthHarness) -> None:
    await auth.register_verified(email="Jané@Bücher.example.com")

    for spelling in ("jané@bücher.example.com", "JANÉ@BÜCHER.example.com", "jané@xn--bcher-kva.example.com"):
        assert (await auth.login(spelling)).user.email == "jané@bücher.example.com"


@pytest.mark.parametrize("field", ["name", "device_name"])
async def test_a_null_character_is_refused_without_an_internal_error(auth: AuthHarness, field: str) -> None:
    """PostgreSQL cannot store it in a text."""
    try:
        await auth.register(**{field: "a\0b"})
    except errors.InvalidArgument as refusal:
        assert refusal.fields.keys() == {field}  # noqa: PT017  either is fine, an internal error is not


async def test_a_null_character_at_login_is_a_wrong_password(auth: AuthHarness) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        await auth.login("jane\0@example.com")

    assert caught.value.reason == "invalid_credentials"


async def test_the_verification_mail_is_requested_in_the_same_transaction(auth: AuthHarness) -> None:
    made = await auth.register()

    assert await events(auth, "auth.mail_wanted", pb.MailWanted) == [
        pb.MailWanted(user_id=made.user.id, template="verify", email="jane@example.com")
    ]


async def test_without_verification_the_user_counts_as_verified_and_gets_no_mail(
    auth_without_mail: AuthHarness,
) -> None:
    made = await auth_without_mail.register()

    assert made.user.HasField("email_verified_at")
    assert await events(auth_without_mail, "auth.mail_wanted", pb.MailWanted) == []
    assert (await auth_without_mail.login()).token


async def test_only_the_gateway_may_register_users(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    jane = await auth.user(registered.token)

    with pytest.raises(errors.PermissionDenied):
        await jane.Register(pb.RegisterRequest())
    with pytest.raises(errors.Unauthenticated):
        await auth.anybody.Register(pb.RegisterRequest())


async def test_a_wrong_password_is_reported_before_an_unverified_address(auth: AuthHarness) -> None:
    await auth.register()

    with pytest.raises(errors.Unauthenticated) as wrong:
        await auth.login(password="Wrong1horse")
    with pytest.raises(errors.PermissionDenied) as unverified:
        await auth.login()

    assert (wrong.value.message, wrong.value.reason) == ("Invalid credentials", "invalid_credentials")
    assert wrong.value.fields == {"email": ["The provided credentials are incorrect."]}
    assert unverified.value.reason == "email_unverified"


async def test_a_refused_login_creates_no_token(auth: AuthHarness) -> None:
    await auth.register()

    for password in (PASSWORD, "Wrong1horse"):
        with pytest.raises(errors.ServiceError):
            await auth.login(password=password)

    assert len(await auth.rows("SELECT 1 FROM token")) == 1


@pytest.mark.parametrize("email", ["nobody@example.com", "", "no address", "' OR 1=1 --"])
async def test_an_unknown_address_is_reported_like_a_wrong_password(auth: AuthHarness, email: str) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        await auth.login(email)

    assert caught.value.reason == "invalid_credentials"
    assert caught.value.fields == {"email": ["The provided credentials are incorrect."]}


async def test_each_login_creates_a_token(auth: AuthHarness) -> None:
    made = await auth.register_verified()

    login = await auth.login(" JANE@example.com ")

    assert login.user.id == made.user.id
    assert login.user.HasField("email_verified_at")
    assert login.token != made.token
    assert {(await auth.authenticate(token)).user.id for token in (login.token, made.token)} == {made.user.id}
