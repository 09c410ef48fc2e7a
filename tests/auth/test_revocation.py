"""Revoking API tokens, and which tokens may do so."""

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import ALL_ABILITIES, AuthHarness, events, token_id


async def test_logging_out_revokes_only_the_token_in_use(auth: AuthHarness) -> None:
    first = (await auth.register_verified()).token
    second = (await auth.login()).token
    jane = await auth.user(first)

    await jane.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(first)))

    assert not await auth.is_valid(first)
    assert await auth.is_valid(second)
    assert await events(auth, "auth.tokens_revoked", pb.TokensRevoked) == [
        pb.TokensRevoked(user_id=1, token_ids=[token_id(first)])
    ]


async def test_any_token_may_revoke_itself(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    await auth.set_abilities(text)
    jane = await auth.user(text)

    await jane.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(text)))

    assert not await auth.is_valid(text)


@pytest.mark.parametrize("missing", ALL_ABILITIES)
async def test_revoking_other_tokens_needs_every_ability(auth: AuthHarness, missing: str) -> None:
    first = (await auth.register_verified()).token
    second = (await auth.login()).token
    await auth.set_abilities(first, *(ability for ability in ALL_ABILITIES if ability != missing))
    jane = await auth.user(first)

    for call in (
        jane.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(second))),
        jane.RevokeAllTokens(pb.RevokeAllTokensRequest()),
    ):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "missing_ability"
    assert await auth.is_valid(second)


async def test_another_token_of_the_same_user_can_be_revoked(auth: AuthHarness) -> None:
    first = (await auth.register_verified()).token
    second = (await auth.login()).token
    jane = await auth.user(first)

    await jane.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(second)))

    assert await auth.is_valid(first)
    assert not await auth.is_valid(second)


async def test_all_tokens_of_this_user_only_can_be_revoked_together(auth: AuthHarness) -> None:
    tokens = [(await auth.register_verified()).token, (await auth.login()).token]
    omar = (await auth.register(email="omar@example.com")).token
    jane = await auth.user(tokens[0])

    await jane.RevokeAllTokens(pb.RevokeAllTokensRequest())

    assert [await auth.is_valid(token) for token in tokens] == [False, False]
    assert await auth.is_valid(omar)
    [event] = await events(auth, "auth.tokens_revoked", pb.TokensRevoked)
    assert sorted(event.token_ids) == sorted(token_id(token) for token in tokens)


async def test_an_unverified_user_may_log_out(auth: AuthHarness) -> None:
    jane = await auth.user((await auth.register()).token)

    await jane.RevokeAllTokens(pb.RevokeAllTokensRequest())

    assert await auth.rows("SELECT 1 FROM token") == []


@pytest.mark.parametrize("which", ["another user's", "none", "zero", "negative"])
async def test_a_token_of_another_user_is_not_found(auth: AuthHarness, which: str) -> None:
    omar = (await auth.register(email="omar@example.com")).token
    jane = await auth.user((await auth.register()).token)
    number = {"another user's": token_id(omar), "none": 4711, "zero": 0, "negative": -1}[which]

    with pytest.raises(errors.NotFound) as caught:
        await jane.RevokeToken(pb.RevokeTokenRequest(token_id=number))

    assert (caught.value.message, caught.value.reason) == ("Token not found.", "token_not_found")
    assert await auth.is_valid(omar)


async def test_a_revoked_token_cannot_be_revoked_again(auth: AuthHarness) -> None:
    first = (await auth.register_verified()).token
    second = (await auth.login()).token
    jane = await auth.user(first)
    await jane.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(second)))

    with pytest.raises(errors.NotFound):
        await jane.RevokeToken(pb.RevokeTokenRequest(token_id=token_id(second)))
