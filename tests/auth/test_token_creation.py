"""Tokens that users create for programs: abilities, expiry, and who may create them."""

import asyncio

import pytest
import sqlalchemy as sa

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import ALL_ABILITIES, AuthHarness, locked_user, token_id, until_a_lock_is_awaited

ONLY_KNOWN = ["The abilities may only be: images:read, images:write, images:delete, user:read."]
NO_INSTANT = ["The expires at must be an instant such as 2030-01-31T12:00:00Z."]


async def create(
    auth: AuthHarness, token: str, *, name: str = "CI", abilities: tuple[str, ...] = (), expires_at: str = ""
) -> pb.CreateTokenResponse:
    user = await auth.user(token)
    return await user.CreateToken(
        pb.CreateTokenRequest(name=name, abilities=abilities, expires_at=expires_at)
    )


async def test_a_new_token_has_only_the_requested_abilities(auth: AuthHarness) -> None:
    jane = (await auth.register_verified()).token

    made = await create(auth, jane, name=" CI server ", abilities=("user:read", "images:read"))

    answer = await auth.authenticate(made.text)
    assert list(answer.abilities) == list(made.token.abilities) == ["user:read", "images:read"]
    assert answer.user.email == "jane@example.com"
    assert (made.token.id, made.token.name) == (token_id(made.text), "CI server")
    assert not made.token.HasField("expires_at")
    assert not made.token.HasField("last_used_at")


async def test_a_token_without_requested_abilities_has_all_of_them(auth: AuthHarness) -> None:
    jane = (await auth.register_verified()).token

    made = await create(auth, jane)

    assert list((await auth.authenticate(made.text)).abilities) == ALL_ABILITIES


async def test_a_token_is_listed_with_its_expiry(auth: AuthHarness) -> None:
    jane = (await auth.register_verified()).token

    made = await create(auth, jane, expires_at="2999-01-31T12:00:00.5+02:00")

    listed = (await (await auth.user(jane)).ListTokens(pb.ListTokensRequest())).tokens
    assert listed[-1] == made.token
    assert listed[-1].expires_at.ToJsonString() == "2999-01-31T10:00:00.500Z"
    assert not listed[0].HasField("expires_at")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": ""}, {"name": ["The name field is required."]}),
        ({"name": "  "}, {"name": ["The name field is required."]}),
        ({"name": "x" * 256}, {"name": ["The name may not be greater than 255 characters."]}),
        ({"name": "a\0b"}, {"name": ["The name may not contain null characters."]}),
        ({"abilities": ("images:fly",)}, {"abilities": ONLY_KNOWN}),
        ({"abilities": ("images:read", "")}, {"abilities": ONLY_KNOWN}),
        ({"abilities": ("*",)}, {"abilities": ONLY_KNOWN}),
        (
            {"abilities": ("images:read", "images:read")},
            {"abilities": ["The abilities may not name one twice."]},
        ),
        ({"expires_at": "tomorrow"}, {"expires_at": NO_INSTANT}),
        ({"expires_at": "2999-01-31"}, {"expires_at": NO_INSTANT}),
        ({"expires_at": "2999-01-31T12:00:00"}, {"expires_at": NO_INSTANT}),
        ({"expires_at": "2999-02-30T12:00:00Z"}, {"expires_at": NO_INSTANT}),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, {"expires_at": NO_INSTANT}),
        ({"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": ["The expires at must be in the future."]}),
        (
            {"name": "", "abilities": ("x",), "expires_at": "x"},
            {"name": ["The name field is required."], "abilities": ONLY_KNOWN, "expires_at": NO_INSTANT},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_field_is_named(
    auth: AuthHarness, changes: dict[str, str], fields: dict[str, list[str]]
) -> None:
    jane = (await auth.register_verified()).token

    with pytest.raises(errors.InvalidArgument) as caught:
        await create(auth, jane, **changes)  # pyright: ignore[reportArgumentType]  abilities are a list

    assert caught.value.fields == fields
    assert len(await auth.rows("SELECT 1 FROM token")) == 1


@pytest.mark.parametrize(
    "text", ["2999-01-31t12:00:00z", "2999-01-31 12:00:00Z", "2999-01-31T12:00:00.0000000Z"]
)
async def test_an_instant_may_be_written_in_any_form_of_rfc_3339(auth: AuthHarness, text: str) -> None:
    jane = (await auth.register_verified()).token

    made = await create(auth, jane, expires_at=text)

    assert made.token.expires_at.ToJsonString() == "2999-01-31T12:00:00Z"


@pytest.mark.parametrize("missing", ALL_ABILITIES)
async def test_creating_tokens_needs_every_ability(auth: AuthHarness, missing: str) -> None:
    jane = (await auth.register_verified()).token
    await auth.set_abilities(jane, *(ability for ability in ALL_ABILITIES if ability != missing))

    with pytest.raises(errors.PermissionDenied) as caught:
        await create(auth, jane, name="")

    assert caught.value.reason == "missing_ability"
    assert caught.value.message == f"The token lacks the ability {missing}."


async def test_a_revoked_token_cannot_create_another(auth: AuthHarness) -> None:
    """A gateway may still accept the token from its cache for a moment."""
    token = (await auth.register_verified()).token
    jane = await auth.user(token)
    await jane.RevokeAllTokens(pb.RevokeAllTokensRequest())

    with pytest.raises(errors.Unauthenticated):
        await jane.CreateToken(pb.CreateTokenRequest(name="survivor"))

    assert await auth.rows("SELECT 1 FROM token") == []


async def test_no_token_is_created_while_all_are_being_revoked(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    jane = await auth.user(token)

    async with locked_user(auth) as revoking:
        creating = asyncio.ensure_future(jane.CreateToken(pb.CreateTokenRequest(name="survivor")))
        await until_a_lock_is_awaited(auth)
        await revoking.execute(sa.text("DELETE FROM token"))
    with pytest.raises(errors.Unauthenticated):
        await creating

    assert await auth.rows("SELECT 1 FROM token") == []


async def test_revoking_all_tokens_includes_those_being_created(auth: AuthHarness) -> None:
    token = (await auth.register_verified()).token
    jane = await auth.user(token)
    columns = "user_id, name, abilities, secret_hash, created_at"
    new = sa.text(f"INSERT INTO token ({columns}) SELECT {columns} FROM token")  # noqa: S608  constant names

    async with locked_user(auth) as creating:
        revoking = asyncio.ensure_future(jane.RevokeAllTokens(pb.RevokeAllTokensRequest()))
        await until_a_lock_is_awaited(auth)
        await creating.execute(new)
    await revoking

    assert await auth.rows("SELECT 1 FROM token") == []


async def test_creating_a_token_deletes_expired_ones(auth: AuthHarness) -> None:
    jane = (await auth.register_verified()).token
    old = await create(auth, jane, name="old", expires_at="2999-01-31T12:00:00Z")
    await auth.change("UPDATE token SET expires_at = now() - interval '1 second' WHERE name = 'old'")

    await create(auth, jane)

    left = [row.id for row in await auth.rows("SELECT id FROM token")]
    assert len(left) == 2
    assert token_id(old.text) not in left
