"""The secrets of links and of signing keys are separate, and each changes without an interruption."""

import jwt
import pytest
from cryptography.fernet import InvalidToken
from pydantic import SecretStr, ValidationError

from auth import links
from auth.key_ring import KeyRing
from auth.settings import Settings
from common import errors
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, SECRET, AuthHarness, running
from tests.auth.test_second_factor import FORGET_STEP, code, enrol, login, refusal_of_login

NEW = "the next secret of this installation, 32 and more"
LINKS = "the secret that signs links, of 32 letters or more"


def settings(**values: str) -> Settings:
    secrets = {name: SecretStr(value) for name, value in values.items()}
    return Settings(database_url="x", nats_url="x", clients={}, public_url="http://x", **secrets)  # pyright: ignore[reportArgumentType]


async def verify(auth: AuthHarness, token: str) -> pb.User:
    return (await auth.gateway.VerifyEmail(pb.VerifyEmailRequest(token=token))).user


async def reset_link(auth: AuthHarness, secret: str) -> str:
    [user] = await auth.rows("SELECT id, email, password_hash FROM user_account")
    seal = links.seal_of(secret, user.password_hash)
    return links.sign(secret, "reset", user.id, user.email, seal)


async def reset(auth: AuthHarness, token: str) -> None:
    password = f"{PASSWORD}2"
    await auth.gateway.ResetPassword(
        pb.ResetPasswordRequest(token=token, password=password, password_confirmation=password)
    )


def test_one_secret_serves_both_until_there_are_two() -> None:
    before, after = settings(secret=SECRET), settings(secret=SECRET, link_secret=LINKS)

    assert (before.key_secrets(), before.link_secrets()) == ((SECRET,), (SECRET,))
    assert (after.key_secrets(), after.link_secrets()) == ((SECRET,), (LINKS,))


def test_previous_secrets_come_last() -> None:
    changed = settings(secret=NEW, previous_secret=SECRET, link_secret=LINKS, previous_link_secret=SECRET)

    assert (changed.key_secrets(), changed.link_secrets()) == ((NEW, SECRET), (LINKS, SECRET))


def test_a_short_secret_for_links_is_refused() -> None:
    with pytest.raises(ValidationError, match="link_secret"):
        settings(secret=SECRET, link_secret="short")


async def test_the_secret_of_signing_keys_signs_no_links(sessions: Sessions) -> None:
    async with running(sessions, link_secrets=[LINKS]) as auth:
        user = (await auth.register()).user
        with pytest.raises(errors.PermissionDenied):
            await verify(auth, links.sign(SECRET, "verify", user.id, user.email))
        with pytest.raises(errors.PermissionDenied):
            await reset(auth, await reset_link(auth, SECRET))

        verified = await verify(auth, links.sign(LINKS, "verify", user.id, user.email))

    assert verified.email_verified_at.seconds > 0


async def test_links_of_the_previous_secret_still_work(sessions: Sessions) -> None:
    async with running(sessions, link_secrets=[LINKS, SECRET]) as auth:
        user = (await auth.register()).user
        verification, old = links.sign(SECRET, "verify", user.id, user.email), await reset_link(auth, SECRET)
        await verify(auth, verification)

        await reset(auth, old)
        with pytest.raises(errors.PermissionDenied):
            await reset(auth, old)
        with pytest.raises(errors.PermissionDenied):
            await verify(auth, links.sign("x" * 40, "verify", user.id, user.email))

        assert (await auth.login(user.email, f"{PASSWORD}2")).token


async def test_a_seal_of_one_secret_in_a_link_of_another_is_refused(sessions: Sessions) -> None:
    async with running(sessions, link_secrets=[LINKS, SECRET]) as auth:
        user = (await auth.register()).user
        claims = jwt.decode(await reset_link(auth, SECRET), options={"verify_signature": False})
        mixed = links.sign(LINKS, "reset", user.id, user.email, claims["seal"])

        with pytest.raises(errors.PermissionDenied):
            await reset(auth, mixed)


async def test_signing_keys_move_to_a_new_secret_without_an_interruption(sessions: Sessions) -> None:
    before = KeyRing(sessions, SECRET)
    token = await before.sign("images", "service:inference", 60)
    during = KeyRing(sessions, NEW, SECRET)

    signed_meanwhile = await during.sign("images", "service:inference", 60)
    await during.rotate()
    last = await during.sign("images", "service:inference", 60)
    async with sessions.begin() as session:  # ten minutes later
        await (await session.connection()).exec_driver_sql(
            "DELETE FROM signing_key WHERE retired_at IS NOT NULL"
        )
    after = KeyRing(sessions, NEW)

    ids = [jwt.get_unverified_header(each)["kid"] for each in (token, signed_meanwhile, last)]
    assert ids[0] == ids[1] != ids[2]
    assert ids[2] in await after.jwks()
    with pytest.raises(InvalidToken):
        await KeyRing(sessions, SECRET).jwks()


async def test_second_factors_move_to_a_new_secret_with_the_signing_keys(sessions: Sessions) -> None:
    async with running(sessions) as auth:
        secret, _ = await enrol(auth, (await auth.register_verified()).token)
    async with sessions.begin() as session:
        await (await session.connection()).exec_driver_sql(FORGET_STEP)

    await KeyRing(sessions, NEW, SECRET).rotate()
    async with sessions.begin() as session:  # ten minutes later
        await (await session.connection()).exec_driver_sql(
            "DELETE FROM signing_key WHERE retired_at IS NOT NULL"
        )

    async with running(sessions, key_secrets=[NEW]) as auth:
        assert (await login(auth, code(secret))).token


async def test_a_second_factor_whose_secret_is_lost_takes_recovery_codes_alone(sessions: Sessions) -> None:
    async with running(sessions) as auth:
        secret, recovery_codes = await enrol(auth, (await auth.register_verified()).token)
    async with sessions.begin() as session:
        for statement in (FORGET_STEP, "DELETE FROM signing_key"):
            await (await session.connection()).exec_driver_sql(statement)

    await KeyRing(sessions, NEW).rotate()

    async with running(sessions, key_secrets=[NEW]) as auth:
        assert (await refusal_of_login(auth, code(secret)))[0] == "second_factor_required"
        assert (await login(auth, recovery_codes[0])).token
