"""The idempotency levels of the .proto are true: clients rely on them when they try a call again."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TypeVar

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions

from common import db, errors, rpc
from common.channel import Channel
from common.db import Sessions
from common.identity import Verifier
from loupe.auth.v1 import auth_pb2 as pb
from loupe.auth.v1 import auth_pb2_grpc
from loupe_local.stores import Stores
from tests.auth.harness import AuthHarness, running
from tests.internal_tokens import TokenIssuer, always

SERVICE = pb.DESCRIPTOR.services_by_name["AuthService"]
READ_ONLY = "?options=-c%20default_transaction_read_only%3Don"
T = TypeVar("T")


@pytest.fixture
async def read_only_sessions(stores: Stores) -> AsyncGenerator[Sessions]:
    engine = db.engine(stores.database_url("auth") + READ_ONLY)
    yield db.sessions(engine)
    await engine.dispose()


async def test_methods_without_side_effects_work_on_a_read_only_database(
    auth: AuthHarness, read_only_sessions: Sessions
) -> None:
    text = (await auth.register_verified()).token
    internal = (await auth.authenticate(text)).internal_tokens["auth"]
    no_side_effects = [
        method.name
        for method in SERVICE.methods
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    ]

    async with running(read_only_sessions) as read_only:
        user = read_only.stub(always(internal))
        calls = {
            "GetUser": user.GetUser(pb.GetUserRequest()),
            "ListTokens": user.ListTokens(pb.ListTokensRequest()),
            "ListOwnAudit": user.ListOwnAudit(pb.ListOwnAuditRequest()),
            "ListAudit": read_only.operator.ListAudit(pb.ListAuditRequest()),
            "GetSettings": read_only.operator.GetSettings(pb.GetSettingsRequest()),
            "GetFirstRun": read_only.gateway.GetFirstRun(pb.GetFirstRunRequest()),
            "ListUsers": read_only.operator.ListUsers(pb.ListUsersRequest()),
            "FindUser": read_only.operator.FindUser(pb.FindUserRequest(email="jane@example.com")),
        }
        await asyncio.gather(*calls.values())
        with pytest.raises(errors.ServiceError):  # proves that the database is read-only
            await read_only.register(email="omar@example.com")

    assert set(no_side_effects) == set(calls)


class UnavailableAtFirst(auth_pb2_grpc.AuthServiceServicer):
    """Fails the first two calls of each method as a service that is just starting."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def Authenticate(
        self, request: pb.AuthenticateRequest, context: rpc.Context
    ) -> pb.AuthenticateResponse:
        return self._answer("Authenticate", pb.AuthenticateResponse(token_id=1))

    async def CreateToken(
        self, request: pb.CreateTokenRequest, context: rpc.Context
    ) -> pb.CreateTokenResponse:
        return self._answer("CreateToken", pb.CreateTokenResponse(text="1|x"))

    def _answer(self, method: str, response: T) -> T:
        self.calls.append(method)
        if self.calls.count(method) <= 2:
            raise errors.Unavailable("starting", reason="starting")
        return response


async def test_authenticate_is_retried_although_it_writes() -> None:
    servicer = UnavailableAtFirst()  # pyright: ignore[reportAbstractUsage]  the other methods are not called
    callers = {"Authenticate": rpc.EVERYONE, "CreateToken": rpc.EVERYONE}
    server = rpc.Server(Verifier("auth", TokenIssuer().jwks), callers)
    auth_pb2_grpc.add_AuthServiceServicer_to_server(servicer, server.grpc)
    channel = Channel(f"127.0.0.1:{server.bind('127.0.0.1:0')}", SERVICE)
    serving = asyncio.create_task(server.serve())
    stub = auth_pb2_grpc.AuthServiceStub(channel.grpc)
    await channel.ready()

    response = await stub.Authenticate(pb.AuthenticateRequest(token="1|x"))
    with pytest.raises(errors.Unavailable):
        await stub.CreateToken(pb.CreateTokenRequest(name="a second token"))

    assert response.token_id == 1
    assert servicer.calls == ["Authenticate"] * 3 + ["CreateToken"]
    await channel.close()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
