"""A user has a limited number of tokens, and they may expire by default."""

import asyncio
from datetime import timedelta

from common.db import Sessions, now
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import AuthHarness, events, running, token_id


async def use(auth: AuthHarness, *tokens: str) -> None:
    """Use the tokens, in this order."""
    for age, token in enumerate(reversed(tokens)):
        values = {"used": now() - timedelta(minutes=age), "id": token_id(token)}
        await auth.change("UPDATE token SET last_used_at = :used WHERE id = :id", **values)


async def test_the_longest_unused_token_goes_first(sessions: Sessions) -> None:
    async with running(sessions, tokens_per_user=3) as auth:
        first = (await auth.register_verified()).token
        second, third = [(await auth.login()).token for _ in range(2)]
        await use(auth, second, third, first)

        fourth = (await auth.login()).token

        assert [await auth.is_valid(token) for token in (first, second, third, fourth)] == [
            True,
            False,
            True,
            True,
        ]
        [revoked] = await events(auth, "auth.tokens_revoked", pb.TokensRevoked)
        assert (revoked.user_id, list(revoked.token_ids)) == (1, [token_id(second)])


async def test_a_token_that_was_never_used_counts_from_its_creation(sessions: Sessions) -> None:
    async with running(sessions, tokens_per_user=2) as auth:
        first = (await auth.register_verified()).token
        second = (await auth.login()).token
        third = (await auth.login()).token

        assert [await auth.is_valid(token) for token in (first, second, third)] == [False, True, True]


async def test_a_token_that_makes_another_one_stays(sessions: Sessions) -> None:
    async with running(sessions, tokens_per_user=3) as auth:
        first = (await auth.register_verified()).token
        second, third = [(await auth.login()).token for _ in range(2)]
        jane = await auth.user(first)
        await use(auth, first, second, third)

        for name in ("a", "b"):
            await jane.CreateToken(pb.CreateTokenRequest(name=name))

        assert [await auth.is_valid(token) for token in (first, second, third)] == [True, False, False]


async def test_many_logins_at_once_keep_to_the_limit(sessions: Sessions) -> None:
    async with running(sessions, tokens_per_user=3) as auth:
        await auth.register_verified()

        await asyncio.gather(*(auth.login() for _ in range(8)))

        assert await auth.rows("SELECT count(*) FROM token") == [(3,)]


async def test_tokens_of_others_stay(sessions: Sessions) -> None:
    async with running(sessions, tokens_per_user=1) as auth:
        omar = (await auth.register(email="omar@example.com")).token
        await auth.register_verified()
        await auth.login()

        assert await auth.is_valid(omar)


async def test_tokens_expire_by_default_if_the_installation_says_so(sessions: Sessions) -> None:
    async with running(sessions, token_days=30) as auth:
        jane = await auth.user((await auth.register_verified()).token)
        await auth.login()
        await jane.CreateToken(pb.CreateTokenRequest(name="default"))
        await jane.CreateToken(pb.CreateTokenRequest(name="own", expires_at="2999-01-01T00:00:00Z"))

        days = await auth.rows("SELECT extract(day FROM expires_at - created_at) FROM token ORDER BY id")

        assert [int(row[0]) >= 29 for row in days] == [True] * 4
        assert {int(row[0]) for row in days[:3]} <= {29, 30}
