"""API tokens: their format, what is stored, and when they are refused."""

import hashlib
import re
import zlib

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import ALL_ABILITIES, AuthHarness, claims, token_id
from tests.internal_tokens import always


async def refused(auth: AuthHarness, text: str) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        await auth.authenticate(text)
    assert (caught.value.message, caught.value.reason) == ("Unauthenticated.", "unauthenticated")


async def test_the_text_is_id_secret_and_checksum(auth: AuthHarness) -> None:
    text = (await auth.register()).token

    match = re.fullmatch(r"([0-9]+)\|([A-Za-z0-9]{40})([0-9a-f]{8})", text)
    assert match
    assert await auth.rows("SELECT id FROM token") == [(int(match[1]),)]
    assert int(match[3], 16) == zlib.crc32(match[2].encode())


async def test_only_the_sha256_of_the_secret_is_stored(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    secret = text.partition("|")[2][:40]

    [(row,)] = await auth.rows("SELECT to_jsonb(token) FROM token")
    [(stored,)] = await auth.rows("SELECT secret_hash FROM token")

    assert bytes(stored) == hashlib.sha256(secret.encode()).digest()
    assert secret not in str(row)


async def test_the_token_of_a_registration_has_all_abilities(auth: AuthHarness) -> None:
    answer = await auth.authenticate((await auth.register()).token)

    assert list(answer.abilities) == ALL_ABILITIES
    assert not answer.HasField("expires_at")


async def test_a_token_is_named_after_the_device(auth: AuthHarness) -> None:
    registered = await auth.register(device_name="x" * 300)
    second = await auth.register_verified(email="omar@example.com", device_name="")

    jane, omar = await auth.user(registered.token), await auth.user(second.token)

    assert [token.name for token in (await jane.ListTokens(pb.ListTokensRequest())).tokens] == ["x" * 255]
    assert [token.name for token in (await omar.ListTokens(pb.ListTokensRequest())).tokens] == ["API token"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "1",
        "Bearer 1|abc",
        "0|" + "a" * 48,
        "1|" + "a" * 47,
        "1|" + "a" * 49,
        "-1|" + "a" * 48,
        "9" * 30 + "|" + "a" * 48,
        "\u0661|" + "a" * 40 + "00000000",
        "1|" + "ä" * 48,
        "1|\0" + "a" * 47,
    ],
)
async def test_text_that_is_not_a_token_is_refused(auth: AuthHarness, text: str) -> None:
    await refused(auth, text)


async def test_an_altered_token_is_refused(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    number, _, rest = text.partition("|")
    secret, checksum = rest[:40], rest[40:]
    other = "A" * 40
    right = f"{zlib.crc32(other.encode()):08x}"

    await refused(auth, f"{number}|{secret}{int(checksum, 16) ^ 1:08x}")
    await refused(auth, f"{number}|{secret[::-1]}{checksum}")
    await refused(auth, f"{number}|{other}{right}")
    await refused(auth, f"{int(number) + 1}|{rest}")
    await refused(auth, f"{text}\n")
    assert await auth.is_valid(text)


async def test_a_wrong_checksum_is_refused_without_a_query(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    await auth.change("ALTER TABLE token RENAME TO token_away")

    try:
        await refused(auth, text[:-8] + f"{int(text[-8:], 16) ^ 1:08x}")
    finally:
        await auth.change("ALTER TABLE token_away RENAME TO token")


async def test_one_users_id_with_anothers_secret_is_refused(auth: AuthHarness) -> None:
    jane = (await auth.register()).token
    omar = (await auth.register(email="omar@example.com")).token

    await refused(auth, f"{token_id(jane)}|{omar.partition('|')[2]}")


async def test_an_expired_token_is_refused_and_not_listed(auth: AuthHarness) -> None:
    registered = await auth.register_verified()
    other = (await auth.login()).token
    await auth.change(
        "UPDATE token SET expires_at = now() - interval '1 second' WHERE id = :id", id=token_id(other)
    )

    await refused(auth, other)
    jane = await auth.user(registered.token)
    assert [token.id for token in (await jane.ListTokens(pb.ListTokensRequest())).tokens] == [
        token_id(registered.token)
    ]


async def test_authentication_returns_the_expiry_of_the_token(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    await auth.change("UPDATE token SET expires_at = '2999-01-01T00:00:00Z'")

    answer = await auth.authenticate(text)

    assert answer.expires_at.ToJsonString() == "2999-01-01T00:00:00Z"


async def test_last_use_is_written_at_most_once_a_minute(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    used = "SELECT last_used_at FROM token"
    assert await auth.rows(used) == [(None,)]

    await auth.authenticate(text)
    [(first,)] = await auth.rows(used)
    await auth.authenticate(text)
    [(second,)] = await auth.rows(used)
    await auth.change("UPDATE token SET last_used_at = last_used_at - interval '61 seconds'")
    await auth.authenticate(text)
    [(third,)] = await auth.rows(used)

    assert first is not None
    assert second == first
    assert third > first


async def test_authentication_returns_an_internal_token_for_each_service(auth: AuthHarness) -> None:
    registered = await auth.register()

    answer = await auth.authenticate(registered.token)

    assert set(answer.internal_tokens) == {"auth", "billing", "images", "outbound"}
    for audience, internal in answer.internal_tokens.items():
        payload = claims(internal)
        assert payload["aud"] == audience
        assert payload["iss"] == "loupe-auth"
        assert payload["sub"] == str(registered.user.id)
        assert payload["token_id"] == answer.token_id == token_id(registered.token)
        assert payload["abilities"] == ALL_ABILITIES
        assert payload["verified"] is False
        assert payload["exp"] - payload["iat"] == 60


async def test_the_internal_tokens_say_that_a_user_is_verified(auth: AuthHarness) -> None:
    registered = await auth.register_verified()

    answer = await auth.authenticate(registered.token)

    assert claims(answer.internal_tokens["images"])["verified"] is True


async def test_an_internal_token_for_another_service_is_refused(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    internal = (await auth.authenticate(text)).internal_tokens["images"]

    with pytest.raises(errors.Unauthenticated):
        await auth.stub(always(internal)).GetUser(pb.GetUserRequest())


async def test_a_user_can_read_their_account(auth: AuthHarness) -> None:
    registered = await auth.register()
    jane = await auth.user(registered.token)

    assert (await jane.GetUser(pb.GetUserRequest())).user == registered.user


async def test_reading_the_account_needs_its_ability(auth: AuthHarness) -> None:
    text = (await auth.register()).token
    await auth.set_abilities(text, "images:read", "images:write", "images:delete")
    jane = await auth.user(text)

    for call in (jane.GetUser(pb.GetUserRequest()), jane.ListTokens(pb.ListTokensRequest())):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "missing_ability"


async def test_tokens_are_listed_only_to_their_owner(auth: AuthHarness) -> None:
    first = (await auth.register_verified()).token
    second = (await auth.login()).token
    await auth.register(email="omar@example.com")
    jane = await auth.user(first)

    listed = (await jane.ListTokens(pb.ListTokensRequest())).tokens

    assert [token.id for token in listed] == [token_id(first), token_id(second)]
    assert listed[0].HasField("last_used_at")
    assert not listed[1].HasField("last_used_at")


async def test_operators_find_users_by_any_spelling_of_the_address(auth: AuthHarness) -> None:
    registered = await auth.register()

    found = await auth.operator.FindUser(pb.FindUserRequest(email=" JANE@example.com"))

    assert found.user == registered.user
    with pytest.raises(errors.NotFound) as caught:
        await auth.operator.FindUser(pb.FindUserRequest(email="nobody@example.com"))
    assert caught.value.reason == "user_not_found"


async def test_other_services_may_not_call_operators_methods(auth: AuthHarness) -> None:
    for call in (
        auth.gateway.FindUser(pb.FindUserRequest()),
        auth.gateway.MarkEmailVerified(pb.MarkEmailVerifiedRequest()),
        auth.gateway.RotateKeys(pb.RotateKeysRequest()),
    ):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "caller_refused"


async def test_verifying_an_unknown_user_is_not_found(auth: AuthHarness) -> None:
    with pytest.raises(errors.NotFound) as caught:
        await auth.operator.MarkEmailVerified(pb.MarkEmailVerifiedRequest(user_id=4711))

    assert caught.value.reason == "user_not_found"
