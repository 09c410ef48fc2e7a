"""Changing the name and the address of a user, and deleting the account."""

import asyncio

import pytest

from auth import links
from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import ALL_ABILITIES, SECRET, AuthHarness, events, token_id


async def update(auth: AuthHarness, token: str, **changes: str) -> pb.User:
    user = await auth.user(token)
    return (await user.UpdateUser(pb.UpdateUserRequest(**changes))).user


async def remove(auth: AuthHarness, token: str) -> None:
    await (await auth.user(token)).DeleteUser(pb.DeleteUserRequest())


async def mails(auth: AuthHarness) -> list[tuple[str, str]]:
    """Return template and address of all requested mails, except the mail of the registration."""
    requested = await events(auth, "auth.mail_wanted", pb.MailWanted)
    return [(mail.template, mail.email) for mail in requested[1:]]


async def clear_other_events(auth: AuthHarness) -> None:
    await auth.change("DELETE FROM outbox WHERE subject <> 'auth.mail_wanted'")


async def test_changing_the_name_changes_nothing_else(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    before = (await auth.login()).user
    await clear_other_events(auth)

    user = await update(auth, registered.token, name="  Jane Doe ")

    assert user.name == "Jane Doe"
    assert (user.email, user.email_verified_at) == (before.email, before.email_verified_at)
    assert user.updated_at.ToNanoseconds() > before.updated_at.ToNanoseconds()
    assert await events(auth, "auth.user_changed", pb.UserChanged) == [pb.UserChanged(user_id=1)]
    assert await mails(auth) == []


async def test_an_address_that_replaces_an_unverified_one_gets_a_mail_at_once(auth: AuthHarness) -> None:
    """A user who mistyped the address at registration need not wait for a minute."""
    token = (await auth.register()).token
    await clear_other_events(auth)

    user = await update(auth, token, email=" Jane.Doe@Example.COM")

    assert user.email == "jane.doe@example.com"
    assert not user.HasField("email_verified_at")
    assert await mails(auth) == [("verify", "jane.doe@example.com")]
    assert await events(auth, "auth.user_changed", pb.UserChanged) == [pb.UserChanged(user_id=1)]
    with pytest.raises(errors.PermissionDenied):
        await auth.login("jane.doe@example.com")
    with pytest.raises(errors.Unauthenticated):
        await auth.login("jane@example.com")


async def test_only_the_link_to_the_new_address_verifies_it(auth: AuthHarness) -> None:
    token = (await auth.register()).token
    former = links.sign(SECRET, "verify", 1, "jane@example.com")

    user = await update(auth, token, email="jane.doe@example.com")
    with pytest.raises(errors.PermissionDenied) as caught:
        await auth.gateway.VerifyEmail(pb.VerifyEmailRequest(token=former))
    current = links.sign(SECRET, "verify", 1, user.email)
    verified = (await auth.gateway.VerifyEmail(pb.VerifyEmailRequest(token=current))).user

    assert caught.value.reason == "invalid_signature"
    assert verified.HasField("email_verified_at")


async def test_without_verification_a_new_address_counts_as_verified(auth_without_mail: AuthHarness) -> None:
    token = (await auth_without_mail.register()).token

    user = await update(auth_without_mail, token, email="jane.doe@example.com")

    assert user.HasField("email_verified_at")
    assert await events(auth_without_mail, "auth.mail_wanted", pb.MailWanted) == []
    assert (await auth_without_mail.login("jane.doe@example.com")).token


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"email": "jane@example.com"},
        {"email": " JANE@Example.com "},
        {"name": "Jane Smith"},
        {"name": " Jane Smith ", "email": "Jane@example.com"},
    ],
)
async def test_an_update_without_a_difference_changes_nothing(
    auth: AuthHarness, changes: dict[str, str]
) -> None:
    token = (await auth.register_verified()).token
    before = (await auth.login()).user
    await clear_other_events(auth)

    user = await update(auth, token, **changes)

    assert user == before
    assert await events(auth, "auth.user_changed", pb.UserChanged) == []
    assert await mails(auth) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": ""}, {"name": ["The name field is required."]}),
        ({"name": "x" * 256}, {"name": ["The name may not be greater than 255 characters."]}),
        ({"email": " "}, {"email": ["The email field is required."]}),
        ({"email": "jane"}, {"email": ["The email must be a valid email address."]}),
        ({"email": "OMAR@example.com"}, {"email": ["The email has already been taken."]}),
        (
            {"name": "Jane Doe", "email": "x" * 250 + "@x.com"},
            {"email": ["The email may not be greater than 255 characters."]},
        ),
        (
            {"name": " ", "email": "jane@"},
            {
                "name": ["The name field is required."],
                "email": ["The email must be a valid email address."],
            },
        ),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_field_is_named_and_nothing_changes(
    auth: AuthHarness, changes: dict[str, str], fields: dict[str, list[str]]
) -> None:
    token = (await auth.register_verified()).token
    await auth.register(email="omar@example.com")
    rows = "SELECT to_jsonb(user_account) FROM user_account ORDER BY id"
    before = await auth.rows(rows)

    with pytest.raises(errors.InvalidArgument) as caught:
        await update(auth, token, **changes)

    assert caught.value.fields == fields
    assert await auth.rows(rows) == before
    assert await mails(auth) == [("verify", "omar@example.com")]


async def test_two_users_cannot_take_the_same_address_at_once(auth: AuthHarness) -> None:
    tokens = [(await auth.register(email=f"user{number}@example.com")).token for number in range(3)]

    results = await asyncio.gather(
        *(update(auth, token, email="same@example.com") for token in tokens), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["InvalidArgument"] * 2 + ["User"]


@pytest.mark.parametrize("missing", ALL_ABILITIES)
async def test_changing_and_deleting_the_account_need_every_ability(auth: AuthHarness, missing: str) -> None:
    token = (await auth.register_verified()).token
    await auth.set_abilities(token, *(ability for ability in ALL_ABILITIES if ability != missing))

    for call in (update(auth, token, name="Jane Doe"), remove(auth, token)):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "missing_ability"
    assert await auth.rows("SELECT name FROM user_account") == [("Jane Smith",)]


async def test_a_deleted_account_leaves_only_its_events(auth: AuthHarness) -> None:
    tokens = [(await auth.register_verified()).token, (await auth.login()).token]
    omar = (await auth.register(email="omar@example.com")).token

    await remove(auth, tokens[0])

    assert await auth.rows("SELECT email FROM user_account") == [("omar@example.com",)]
    assert [await auth.is_valid(token) for token in (*tokens, omar)] == [False, False, True]
    assert await events(auth, "auth.user_deleted", pb.UserDeleted) == [pb.UserDeleted(user_id=1)]
    [revoked] = await events(auth, "auth.tokens_revoked", pb.TokensRevoked)
    assert (revoked.user_id, sorted(revoked.token_ids)) == (1, sorted(map(token_id, tokens)))
    with pytest.raises(errors.Unauthenticated) as caught:
        await auth.login()
    assert caught.value.reason == "invalid_credentials"


async def test_the_address_of_a_deleted_account_can_be_registered_again(auth: AuthHarness) -> None:
    first = await auth.register()
    await remove(auth, first.token)

    second = await auth.register()

    assert second.user.id != first.user.id
    assert not await auth.is_valid(first.token)


async def test_deleting_twice_at_once_is_the_same_as_once(auth: AuthHarness) -> None:
    jane = await auth.user((await auth.register()).token)

    await asyncio.gather(*(jane.DeleteUser(pb.DeleteUserRequest()) for _ in range(3)))

    assert await events(auth, "auth.user_deleted", pb.UserDeleted) == [pb.UserDeleted(user_id=1)]


async def test_a_deleted_user_is_not_found(auth: AuthHarness) -> None:
    """A gateway may still accept the token from its cache for a moment."""
    token = (await auth.register()).token
    jane = await auth.user(token)
    await remove(auth, token)

    with pytest.raises(errors.NotFound):
        await jane.UpdateUser(pb.UpdateUserRequest(name="Jane Doe"))
    with pytest.raises(errors.Unauthenticated):
        await jane.CreateToken(pb.CreateTokenRequest(name="survivor"))
