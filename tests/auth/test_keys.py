"""Signing keys: creation, rotation without a gap, and secrecy. Service tokens need the secret of a client."""

import asyncio
import json
import time

import jwt
import pytest
from cryptography.fernet import InvalidToken
from sqlmodel import select

from auth.key_ring import KeyRing
from auth.tables import SigningKey
from common import errors
from common.db import Sessions
from common.identity import Principal, Verifier
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import CLIENTS, SECRET, AuthHarness, claims, running


async def key_set(auth: AuthHarness) -> list[dict[str, str]]:
    return json.loads((await auth.anybody.GetJwks(pb.GetJwksRequest())).jwks)["keys"]


def key_id(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


async def issue(auth: AuthHarness, client: str = "images", audience: str = "billing", **changes: str) -> str:
    secret = changes.get("secret", CLIENTS[client].get_secret_value() if client in CLIENTS else "x")
    request = pb.IssueServiceTokenRequest(client=client, secret=secret, audience=audience)
    return (await auth.anybody.IssueServiceToken(request)).token


async def test_the_key_set_has_public_parts_only(auth: AuthHarness) -> None:
    [key] = await key_set(auth)

    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")


async def test_the_private_key_is_encrypted_at_rest(auth: AuthHarness) -> None:
    await key_set(auth)

    [(stored,)] = await auth.rows("SELECT private_key FROM signing_key")

    [(_, key)] = await auth.ring._current()
    assert key.private_bytes_raw() not in bytes(stored)
    assert len(stored) > 32


async def test_another_secret_cannot_read_the_keys(auth: AuthHarness) -> None:
    await key_set(auth)

    with pytest.raises(InvalidToken):
        await KeyRing(auth.sessions, "another secret of 32 characters and more").jwks()


async def test_after_the_old_keys_are_deleted_another_secret_creates_new_ones(auth: AuthHarness) -> None:
    await key_set(auth)
    ring = KeyRing(auth.sessions, "another secret of 32 characters and more")

    await auth.rows("DELETE FROM signing_key RETURNING id")
    token = await ring.sign("images", "service:inference", 60)

    [key] = json.loads(await ring.jwks())["keys"]
    assert key["kid"] == key_id(token)


async def test_a_service_token_names_caller_and_audience(auth: AuthHarness) -> None:
    response = await auth.anybody.IssueServiceToken(
        pb.IssueServiceTokenRequest(client="images", secret="images'", audience="billing")
    )

    payload = claims(response.token)
    assert (payload["sub"], payload["aud"], payload["iss"]) == ("service:images", "billing", "loupe-auth")
    assert abs(response.expires_at.seconds - payload["exp"]) <= 1
    assert 290 < payload["exp"] - time.time() <= 300
    assert await Verifier("billing", auth.ring.jwks).verify(response.token) == Principal(service="images")


@pytest.mark.parametrize(
    ("client", "secret"),
    [
        ("images", "wrong"),
        ("images", ""),
        ("images", "gateway's"),
        ("images", "images'\0"),
        ("nobody", "x"),
        ("nobody", ""),
        ("", ""),
    ],
)
async def test_a_wrong_secret_gets_no_service_token(auth: AuthHarness, client: str, secret: str) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        await issue(auth, client, secret=secret)

    assert caught.value.reason == "client_refused"


async def test_rotation_signs_with_the_new_key_and_verifies_the_old(auth: AuthHarness) -> None:
    old = await issue(auth)

    rotated = await auth.operator.RotateKeys(pb.RotateKeysRequest())
    new = await issue(auth)

    assert key_id(new) == rotated.key_id != key_id(old)
    assert [key["kid"] for key in await key_set(auth)] == [key_id(new), key_id(old)]
    assert all("d" not in key for key in await key_set(auth))
    verifier = Verifier("billing", auth.ring.jwks)
    for token in (old, new):
        assert await verifier.verify(token) == Principal(service="images")


async def test_after_many_rotations_the_last_key_signs(auth: AuthHarness) -> None:
    for _ in range(3):
        rotated = await auth.operator.RotateKeys(pb.RotateKeysRequest())

        assert key_id(await issue(auth)) == rotated.key_id
        assert (await key_set(auth))[0]["kid"] == rotated.key_id
    assert await auth.rows("SELECT count(*) FROM signing_key WHERE retired_at IS NULL") == [(1,)]


async def test_a_key_that_was_retired_long_ago_is_no_longer_valid(auth: AuthHarness) -> None:
    old = await issue(auth)
    await auth.operator.RotateKeys(pb.RotateKeysRequest())
    await auth.change(
        "UPDATE signing_key SET retired_at = now() - interval '11 minutes' WHERE retired_at IS NOT NULL"
    )
    auth.ring.forget()

    assert [key["kid"] for key in await key_set(auth)] == [key_id(await issue(auth))]
    with pytest.raises(errors.Unauthenticated):
        await Verifier("billing", auth.ring.jwks).verify(old)


async def test_a_retired_key_stays_valid_longer_than_any_token(auth: AuthHarness) -> None:
    """Another replica may sign with it for another half minute."""
    old = await issue(auth)
    await auth.operator.RotateKeys(pb.RotateKeysRequest())
    await auth.change(
        "UPDATE signing_key SET retired_at = now() - interval '331 seconds' WHERE retired_at IS NOT NULL"
    )
    auth.ring.forget()

    assert key_id(old) in [key["kid"] for key in await key_set(auth)]


async def test_several_replicas_that_start_at_once_create_one_key(sessions: Sessions) -> None:
    rings = [KeyRing(sessions, SECRET) for _ in range(6)]

    signed = await asyncio.gather(*(ring.sign("billing", "service:images", 60) for ring in rings))

    assert len({key_id(token) for token in signed}) == 1
    async with sessions.begin() as session:
        assert len((await session.exec(select(SigningKey))).all()) == 1


async def test_rotations_at_once_leave_one_signing_key(auth: AuthHarness) -> None:
    await key_set(auth)

    await asyncio.gather(*(auth.operator.RotateKeys(pb.RotateKeysRequest()) for _ in range(4)))

    assert await auth.rows("SELECT count(*) FROM signing_key WHERE retired_at IS NULL") == [(1,)]
    assert await auth.rows("SELECT count(*) FROM signing_key") == [(5,)]


async def test_another_replica_publishes_a_new_key_at_once(auth: AuthHarness) -> None:
    """A service asks any replica for the keys when it sees the first token signed with the new key."""
    async with running(auth.sessions) as replica:
        await key_set(replica)

        rotated = await auth.operator.RotateKeys(pb.RotateKeysRequest())

        assert rotated.key_id in [key["kid"] for key in await key_set(replica)]


async def test_rotations_in_a_row_interrupt_no_caller(auth: AuthHarness) -> None:
    """Auth itself verifies tokens too, with a cached key set."""
    await auth.register()

    for _ in range(3):
        await auth.operator.RotateKeys(pb.RotateKeysRequest())

        found = await auth.operator.FindUser(pb.FindUserRequest(email="jane@example.com"))
        assert found.user.id == 1
