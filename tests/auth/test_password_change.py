"""A user who knows the current password can change it, which revokes all other tokens."""

import asyncio

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import ALL_ABILITIES, PASSWORD, AuthHarness, events, token_id

NEW = "Another1horse"


async def change(auth: AuthHarness, token: str, current: str = PASSWORD, new: str = NEW) -> None:
    jane = await auth.user(token)
    await jane.ChangePassword(
        pb.ChangePasswordRequest(current_password=current, password=new, password_confirmation=new)
    )


async def can_login(auth: AuthHarness, password: str) -> bool:
    try:
        await auth.login(password=password)
    except errors.Unauthenticated:
        return False
    return True


async def test_a_user_who_knows_the_password_can_change_it(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token

    await change(auth, token)

    assert await can_login(auth, NEW)
    assert not await can_login(auth, PASSWORD)


async def test_a_password_change_revokes_all_other_tokens(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    other = (await auth.login()).token
    omar = (await auth.register(email="omar@example.com")).token

    await change(auth, token)

    assert [await auth.is_valid(text) for text in (token, other, omar)] == [True, False, True]
    assert await events(auth, "auth.tokens_revoked", pb.TokensRevoked) == [
        pb.TokensRevoked(user_id=1, token_ids=[token_id(other)])
    ]


@pytest.mark.parametrize(
    ("current", "new", "fields"),
    [
        ("Wrong1horse", NEW, {"current_password": ["The current password is incorrect."]}),
        (PASSWORD + "x" * 2000, NEW, {"current_password": ["The current password is incorrect."]}),
        ("", NEW, {"current_password": ["The current password field is required."]}),
        (PASSWORD, "", {"password": ["The password field is required."]}),
        (
            "Wrong1horse",
            "Short1x",
            {
                "current_password": ["The current password is incorrect."],
                "password": ["The password must be at least 8 characters."],
            },
        ),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_changes(
    auth: AuthHarness, current: str, new: str, fields: dict[str, list[str]]
) -> None:
    token = (await auth.register_verified()).token
    other = (await auth.login()).token

    with pytest.raises(errors.InvalidArgument) as caught:
        await change(auth, token, current, new)

    assert caught.value.fields == fields
    assert await can_login(auth, PASSWORD)
    assert await auth.is_valid(other)


async def test_two_changes_at_once_leave_one_password(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token

    results = await asyncio.gather(
        *(change(auth, token, new=f"Another{number}horse") for number in range(3)), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["InvalidArgument"] * 2 + ["NoneType"]


@pytest.mark.parametrize("missing", ALL_ABILITIES)
async def test_a_password_change_needs_every_ability(auth: AuthHarness, missing: str) -> None:
    token = (await auth.register_verified()).token
    await auth.set_abilities(token, *(ability for ability in ALL_ABILITIES if ability != missing))

    with pytest.raises(errors.PermissionDenied) as caught:
        await change(auth, token)

    assert caught.value.reason == "missing_ability"
    assert await can_login(auth, PASSWORD)


async def test_an_unverified_user_may_change_the_password(auth: AuthHarness) -> None:
    token = (await auth.register()).token

    await change(auth, token)

    assert await auth.rows("SELECT email_verified_at FROM user_account") == [(None,)]
