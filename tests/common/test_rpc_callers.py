"""Who may call: methods must list their callers, and a token must be signed, current and for this service."""

import asyncio
import importlib
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from common import errors, identity, rpc
from common.identity import Principal, ServiceTokens, Verifier
from loupe.contract import ABILITIES, ADMIN, OPERATOR
from loupe.images.v1 import images_pb2 as pb
from tests.common.harness import RpcHarness, Serve
from tests.internal_tokens import TokenIssuer, unsigned
from tests.polling import until

GET = pb.GetImageRequest(id=1)
STOP = pb.StopWorkRequest(image_id=1)


@pytest.fixture
def principals() -> list[Principal]:
    """The callers that were admitted."""
    return []


@pytest.fixture
async def images(serve: Serve, principals: list[Principal]) -> RpcHarness:
    async def get(request: object, context: rpc.Context) -> pb.GetImageResponse:
        principals.append(rpc.principal())
        return pb.GetImageResponse()

    async def stop(request: object, context: rpc.Context) -> pb.StopWorkResponse:
        principals.append(rpc.principal())
        return pb.StopWorkResponse()

    async def delete(request: object, context: rpc.Context) -> pb.DeleteImageResponse:
        return pb.DeleteImageResponse()

    async def everybody(request: object, context: rpc.Context) -> pb.ListImagesResponse:
        return pb.ListImagesResponse()

    async def unlisted(request: object, context: rpc.Context) -> pb.StartWorkResponse:
        return pb.StartWorkResponse()

    return await serve(
        GetImage=get, StopWork=stop, DeleteImage=delete, ListImages=everybody, StartWork=unlisted
    )


async def test_a_user_with_as_many_calls_as_the_limit_gets_no_further_one_and_others_do(
    serve: Serve, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "PLACE_SECONDS", 0.0)
    under_way, may_end = Counter[int](), asyncio.Event()

    async def get(request: object, context: rpc.Context) -> pb.GetImageResponse:
        under_way[rpc.principal().user_id] += 1
        await may_end.wait()
        under_way[rpc.principal().user_id] -= 1
        return pb.GetImageResponse()

    images = await serve(2, GetImage=get)
    jane, omar = (images.with_token(issuer.user(each, "images:read")) for each in (7, 8))
    hers = asyncio.gather(*(jane.GetImage(GET) for _ in range(2)))
    await until(lambda: under_way[7] == 2)
    his = asyncio.gather(omar.GetImage(GET))
    await until(lambda: under_way[8] == 1)

    with pytest.raises(errors.ResourceExhausted) as caught:
        await jane.GetImage(GET)

    assert (caught.value.reason, under_way[7]) == ("too_many_requests", 2)
    may_end.set()
    await asyncio.gather(hers, his)
    await jane.GetImage(GET)


async def test_a_user_with_the_ability_is_admitted(
    images: RpcHarness, issuer: TokenIssuer, principals: list[Principal]
) -> None:
    token = issuer.user(7, "images:read", "user:read", verified=False)

    await images.with_token(token).GetImage(GET)

    assert principals == [
        Principal(user_id=7, token_id=70, abilities=frozenset({"images:read", "user:read"}))
    ]


async def test_a_user_without_the_ability_is_refused(images: RpcHarness, issuer: TokenIssuer) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await images.with_token(issuer.user(7, "images:write")).GetImage(GET)

    assert caught.value.reason == "missing_ability"


async def test_any_user_needs_no_ability(images: RpcHarness, issuer: TokenIssuer) -> None:
    await images.with_token(issuer.user()).DeleteImage(pb.DeleteImageRequest(id=1))


async def test_a_listed_service_is_admitted(
    images: RpcHarness, issuer: TokenIssuer, principals: list[Principal]
) -> None:
    await images.with_token(issuer.service("inference")).StopWork(STOP)

    assert principals == [Principal(service="inference")]


async def test_another_service_is_refused(images: RpcHarness, issuer: TokenIssuer) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await images.with_token(issuer.service("gateway")).StopWork(STOP)

    assert caught.value.reason == "caller_refused"


async def test_a_user_is_refused_by_a_method_for_services(images: RpcHarness, issuer: TokenIssuer) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await images.with_token(issuer.user(7, "images:read")).StopWork(STOP)

    assert caught.value.reason == "caller_refused"


async def test_a_service_is_refused_by_a_method_for_users(images: RpcHarness, issuer: TokenIssuer) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        await images.with_token(issuer.service("inference")).DeleteImage(pb.DeleteImageRequest(id=1))

    assert caught.value.reason == "caller_refused"


@pytest.mark.parametrize("who", ["user", "service"])
async def test_a_method_that_is_not_listed_is_refused(
    images: RpcHarness, issuer: TokenIssuer, who: str
) -> None:
    token = issuer.user(7, "images:read") if who == "user" else issuer.service("inference")

    with pytest.raises(errors.PermissionDenied) as caught:
        await images.with_token(token).StartWork(pb.StartWorkRequest(image_id=1))

    assert caught.value.reason == "caller_refused"


async def test_a_method_for_anybody_needs_no_token(images: RpcHarness, issuer: TokenIssuer) -> None:
    await images.without_token().ListImages(pb.ListImagesRequest())
    await images.with_token("nonsense").ListImages(pb.ListImagesRequest())

    assert issuer.fetches == 0


async def test_a_call_without_a_token_is_unauthenticated(images: RpcHarness) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        await images.without_token().GetImage(GET)

    assert caught.value.reason == "internal_token_invalid"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "billing"},
        {"iss": "another issuer"},
        {"exp": 1},
        {"exp": None},
        {"aud": None},
        {"iss": None},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_with_wrong_claims_is_unauthenticated(
    images: RpcHarness, issuer: TokenIssuer, claims: dict[str, Any]
) -> None:
    token = issuer.user(7, "images:read", **claims)

    with pytest.raises(errors.Unauthenticated) as caught:
        await images.with_token(token).GetImage(GET)

    assert caught.value.reason == "internal_token_invalid"


async def test_a_cached_token_is_refused_once_it_expires(images: RpcHarness, issuer: TokenIssuer) -> None:
    user = images.with_token(issuer.user(7, "images:read", exp=int(time.time()) + 2))
    await user.GetImage(GET)

    async def is_refused() -> bool:
        try:
            await user.GetImage(GET)
        except errors.Unauthenticated:
            return True
        return False

    await until(is_refused, seconds=10)


async def test_a_token_signed_with_another_key_is_unauthenticated(
    images: RpcHarness, issuer: TokenIssuer
) -> None:
    known = issuer.key_id
    issuer.rotate(publish=False)
    issuer.key_id = known

    with pytest.raises(errors.Unauthenticated):
        await images.with_token(issuer.user(7, "images:read")).GetImage(GET)


async def test_an_altered_token_is_unauthenticated(images: RpcHarness, issuer: TokenIssuer) -> None:
    header, _, signature = issuer.user(7, "images:read").split(".")
    _, payload, _ = issuer.user(8, "images:read").split(".")

    with pytest.raises(errors.Unauthenticated):
        await images.with_token(f"{header}.{payload}.{signature}").GetImage(GET)


async def test_a_token_without_a_signature_is_unauthenticated(
    images: RpcHarness, issuer: TokenIssuer
) -> None:
    token = unsigned(issuer.user(7, "images:read"), kid=issuer.key_id)

    with pytest.raises(errors.Unauthenticated):
        await images.with_token(token).GetImage(GET)


async def test_a_token_signed_with_the_public_key_as_hmac_secret_is_refused(
    images: RpcHarness, issuer: TokenIssuer
) -> None:
    """The well-known confusion attack: HMAC with the public key, which anybody can read."""
    claims = jwt.decode(issuer.user(7, "images:read"), options={"verify_signature": False})
    public = issuer.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    token = jwt.encode(claims, public, algorithm="HS256", headers={"kid": issuer.key_id})

    with pytest.raises(errors.Unauthenticated):
        await images.with_token(token).GetImage(GET)


async def test_an_unknown_key_makes_the_verifier_fetch_the_set_again(
    images: RpcHarness, issuer: TokenIssuer
) -> None:
    old = issuer.user(7, "images:read")
    await images.with_token(old).GetImage(GET)
    issuer.rotate()

    await images.with_token(issuer.user(7, "images:read")).GetImage(GET)
    await images.with_token(old).GetImage(GET)

    assert issuer.fetches == 2


async def test_several_rotations_in_a_row_are_noticed_at_once(
    images: RpcHarness, issuer: TokenIssuer
) -> None:
    for _ in range(identity.FETCHES_IN_A_ROW):
        issuer.rotate()

        await images.with_token(issuer.user(7, "images:read")).GetImage(GET)

    assert issuer.fetches == identity.FETCHES_IN_A_ROW


async def test_unknown_keys_do_not_cause_a_fetch_each_time(images: RpcHarness, issuer: TokenIssuer) -> None:
    await images.with_token(issuer.user(7, "images:read")).GetImage(GET)
    for _ in range(2 * identity.FETCHES_IN_A_ROW):
        issuer.rotate(publish=False)
        with pytest.raises(errors.Unauthenticated):
            await images.with_token(issuer.user(7, "images:read")).GetImage(GET)

    assert issuer.fetches == identity.FETCHES_IN_A_ROW


async def test_after_a_pause_a_new_key_is_fetched_again(
    images: RpcHarness, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2 * identity.FETCHES_IN_A_ROW):
        issuer.rotate(publish=False)
        with pytest.raises(errors.Unauthenticated):
            await images.with_token(issuer.user(7, "images:read")).GetImage(GET)
    issuer.rotate()
    monkeypatch.setattr(identity, "REFETCH_SECONDS", 0.0)

    await images.with_token(issuer.user(7, "images:read")).GetImage(GET)

    assert issuer.fetches == identity.FETCHES_IN_A_ROW + 1


async def test_the_key_set_is_fetched_once_for_one_token(images: RpcHarness, issuer: TokenIssuer) -> None:
    user = images.stub

    for _ in range(3):
        await user.GetImage(GET)

    assert issuer.fetches == 1


async def test_known_keys_verify_while_the_set_is_being_fetched(issuer: TokenIssuer) -> None:
    fetching, may_end = asyncio.Event(), asyncio.Event()

    async def jwks() -> str:
        if issuer.fetches:
            fetching.set()
            await may_end.wait()
        return await issuer.jwks()

    verifier = Verifier("images", jwks)
    await verifier.verify(issuer.user(1))
    verifier._fetched_at = float("-inf")  # long ago
    known = issuer.user(2)
    issuer.rotate()
    waiting = asyncio.create_task(verifier.verify(issuer.user(3)))
    await asyncio.wait_for(fetching.wait(), 5)

    assert (await asyncio.wait_for(verifier.verify(known), 5)).user_id == 2

    may_end.set()
    assert (await waiting).user_id == 3


async def test_a_key_set_that_cannot_be_fetched_is_not_a_refusal(issuer: TokenIssuer) -> None:
    async def jwks() -> str:
        raise errors.Unavailable("auth is away", reason="service_unavailable")

    with pytest.raises(errors.Unavailable):
        await Verifier("images", jwks).verify(issuer.user())


async def test_service_tokens_are_cached_and_renewed_before_they_expire() -> None:
    issued: list[str] = []
    seconds = 21.0

    async def issue(audience: str) -> tuple[str, datetime]:
        issued.append(audience)
        return f"{audience} {len(issued)}", datetime.now(UTC) + timedelta(seconds=seconds)

    tokens = ServiceTokens(issue)

    first = await asyncio.gather(*(tokens.for_audience("billing") for _ in range(5)))
    other = await tokens.for_audience("images")
    seconds = 19.0
    await tokens.for_audience("auth")
    again = await tokens.for_audience("auth")

    assert first == ["billing 1"] * 5
    assert other == "images 2"
    assert again == "auth 4"
    assert issued == ["billing", "images", "auth", "auth"]


@pytest.mark.parametrize(
    ("caller", "reason"),
    [
        (Principal(user_id=1, abilities=frozenset({ADMIN})), "caller_refused"),
        (Principal(user_id=1, role=OPERATOR), "missing_ability"),
        (Principal(service="gateway"), "caller_refused"),
        (Principal(user_id=1, role=OPERATOR, abilities=frozenset({ADMIN})), ""),
        (Principal(service="operator"), ""),
    ],
)
def test_a_method_of_operators_needs_role_and_ability(caller: Principal, reason: str) -> None:
    try:
        rpc.OPERATORS.require(caller)
    except errors.PermissionDenied as error:
        assert error.reason == reason  # noqa: PT017  some callers are admitted
    else:
        assert not reason


@pytest.mark.parametrize("service", ["auth", "billing", "images", "outbound"])
def test_no_service_lets_a_user_do_what_only_operators_may(service: str) -> None:
    callers = importlib.import_module(f"{service}.rpc").CALLERS

    operators = {name for name, one in callers.items() if "operator" in one.services}

    user = Principal(user_id=1, abilities=frozenset({*ABILITIES, ADMIN}))
    assert "GetSettings" in operators
    for name in operators:
        with pytest.raises(errors.PermissionDenied):
            callers[name].require(user)
