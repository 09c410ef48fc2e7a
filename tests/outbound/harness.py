"""Outbound's servicer on a real port, stubs for its callers, and access to its tables."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from common import rpc
from common.channel import Channel
from common.db import Sessions
from common.identity import Verifier
from loupe.contract import ABILITIES
from loupe.outbound.v1 import outbound_pb2 as pb
from loupe.outbound.v1 import outbound_pb2_grpc
from outbound.rpc import CALLERS, OutboundService
from tests.database import Tables
from tests.internal_tokens import TokenIssuer, always

if TYPE_CHECKING:
    from loupe.outbound.v1.outbound_pb2_grpc import OutboundServiceAsyncStub

JANE, OMAR = 7, 8


class OutboundHarness(Tables):
    """Outbound as its callers use it, with access to its tables."""

    def __init__(self, sessions: Sessions, issuer: TokenIssuer, port: int) -> None:
        self.sessions = sessions
        self._issuer = issuer
        self._port = port
        self._channels: list[Channel] = []
        self.operator = self.service("operator")

    def user(self, user_id: int = JANE, *abilities: str) -> "OutboundServiceAsyncStub":
        """Return a stub that calls for a user, by default with all abilities."""
        return self._stub(self._issuer.user(user_id, *(abilities or ABILITIES), audience="outbound"))

    def service(self, name: str) -> "OutboundServiceAsyncStub":
        return self._stub(self._issuer.service(name, "outbound"))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def ready(self) -> None:
        await self._channels[0].ready()

    def _stub(self, token: str) -> "OutboundServiceAsyncStub":
        service = pb.DESCRIPTOR.services_by_name["OutboundService"]
        channel = Channel(f"127.0.0.1:{self._port}", service, always(token))
        self._channels.append(channel)
        return outbound_pb2_grpc.OutboundServiceStub(channel.grpc)


@contextlib.asynccontextmanager
async def running(sessions: Sessions) -> AsyncGenerator[OutboundHarness]:
    issuer = TokenIssuer()
    server = rpc.Server(Verifier("outbound", issuer.jwks), CALLERS)
    outbound_pb2_grpc.add_OutboundServiceServicer_to_server(OutboundService(sessions), server.grpc)
    outbound = OutboundHarness(sessions, issuer, server.bind("127.0.0.1:0"))
    serving = asyncio.create_task(server.serve())
    await outbound.ready()
    try:
        yield outbound
    finally:
        await outbound.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
