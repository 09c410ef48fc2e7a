"""Auth's servicer on a real port, and stubs for its callers: services, operators and users."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

import jwt
import sqlalchemy as sa
from google.protobuf.message import Message
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.key_ring import KeyRing
from auth.passwords import Hasher
from auth.policy import Policy
from auth.rpc import CALLERS, AuthService
from common import errors, rpc
from common.channel import Channel, TokenSource
from common.db import Sessions
from common.identity import Verifier
from loupe.auth.v1 import auth_pb2 as pb
from loupe.auth.v1 import auth_pb2_grpc
from loupe.contract import ABILITIES
from tests.database import Tables
from tests.internal_tokens import always

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub

SECRET = "the secret of this installation, 32 and more"
CLIENTS = {
    "gateway": SecretStr("gateway's"),
    "images": SecretStr("images'"),
    "operator": SecretStr("operator's"),
}
PASSWORD = "Correct1horse"
ALL_ABILITIES = list(ABILITIES)


class AuthHarness(Tables):
    """Auth as its callers use it, with access to its tables and its key ring."""

    def __init__(self, sessions: Sessions, ring: KeyRing, port: int) -> None:
        self.sessions = sessions
        self.ring = ring
        self.port = port
        self._channels: list[Channel] = []
        self.anybody = self.stub(None)
        self.gateway = self.stub(self._service("gateway"))
        self.operator = self.stub(self._service("operator"))

    async def register(self, **changes: str) -> pb.RegisterResponse:
        return await self.gateway.Register(a_registration(**changes))

    async def register_verified(self, **changes: str) -> pb.RegisterResponse:
        """Register a user whose address is verified."""
        registered = await self.register(**changes)
        await self.operator.MarkEmailVerified(pb.MarkEmailVerifiedRequest(user_id=registered.user.id))
        return registered

    async def login(self, email: str = "jane@example.com", password: str = PASSWORD) -> pb.LoginResponse:
        return await self.gateway.Login(pb.LoginRequest(email=email, password=password, device_name="test"))

    async def authenticate(self, token: str) -> pb.AuthenticateResponse:
        return await self.gateway.Authenticate(pb.AuthenticateRequest(token=token))

    async def user(self, token: str) -> "AuthServiceAsyncStub":
        """Return a stub for the holder of this API token. It authenticates as the gateway does."""
        return self.stub(always((await self.authenticate(token)).internal_tokens["auth"]))

    async def is_valid(self, token: str) -> bool:
        try:
            await self.authenticate(token)
        except errors.Unauthenticated:
            return False
        return True

    async def set_abilities(self, token: str, *abilities: str) -> None:
        """Replace the abilities of the token."""
        await self.change(
            "UPDATE token SET abilities = :abilities WHERE id = :id",
            abilities=list(abilities),
            id=token_id(token),
        )

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    def _service(self, client: str) -> TokenSource:
        async def source() -> str:
            request = pb.IssueServiceTokenRequest(
                client=client, secret=CLIENTS[client].get_secret_value(), audience="auth"
            )
            return (await self.anybody.IssueServiceToken(request)).token

        return source

    def stub(self, token: TokenSource | None) -> "AuthServiceAsyncStub":
        channel = Channel(f"127.0.0.1:{self.port}", pb.DESCRIPTOR.services_by_name["AuthService"], token)
        self._channels.append(channel)
        return auth_pb2_grpc.AuthServiceStub(channel.grpc)


def token_id(text: str) -> int:
    return int(text.partition("|")[0])


def a_registration(**changes: str) -> pb.RegisterRequest:
    usual = {
        "name": "Jane Smith",
        "email": "jane@example.com",
        "password": PASSWORD,
        "password_confirmation": changes.get("password", PASSWORD),
        "device_name": "Firefox",
    }
    return pb.RegisterRequest(**(usual | changes))


@contextlib.asynccontextmanager
async def running(
    sessions: Sessions,
    *,
    link_secrets: Sequence[str] = (SECRET,),
    key_secrets: Sequence[str] = (SECRET,),
    **decided: Any,
) -> AsyncGenerator[AuthHarness]:
    """Run auth. `decided` are values of its policy."""
    ring = KeyRing(sessions, *key_secrets)
    servicer = AuthService(
        sessions,
        ring,
        Hasher(2),
        clients=CLIENTS,
        secret=link_secrets[0],
        previous_secrets=link_secrets[1:],
        policy=Policy(**decided),
    )
    server = rpc.Server(Verifier("auth", ring.jwks), CALLERS)
    auth_pb2_grpc.add_AuthServiceServicer_to_server(servicer, server.grpc)
    auth = AuthHarness(sessions, ring, server.bind("127.0.0.1:0"))
    serving = asyncio.create_task(server.serve())
    await auth._channels[0].ready()
    try:
        yield auth
    finally:
        await auth.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@contextlib.asynccontextmanager
async def locked_user(auth: AuthHarness, email: str = "jane@example.com") -> AsyncGenerator[AsyncConnection]:
    """Lock the user's row in a transaction that commits at the end of the block."""
    async with auth.sessions.begin() as session:
        connection = await session.connection()
        row = sa.text("SELECT id FROM user_account WHERE email = :email FOR UPDATE")
        await connection.execute(row, {"email": email})
        yield connection


async def until_a_lock_is_awaited(auth: AuthHarness) -> None:
    """Wait until a transaction waits for a lock of another one."""
    async with asyncio.timeout(10):
        while not await auth.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


async def events(auth: AuthHarness, subject: str, kind: type[Message]) -> list[Any]:
    """Return the events with this subject that are in the outbox."""
    rows = await auth.rows("SELECT payload FROM outbox WHERE subject = :subject ORDER BY id", subject=subject)
    return [kind.FromString(payload) for (payload,) in rows]
