"""The images service in a real server, whose methods the test supplies, and stubs with any token."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from common import rpc
from common.channel import Channel
from common.identity import Verifier
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc
from tests.internal_tokens import TokenIssuer, always

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

SERVICE = pb.DESCRIPTOR.services_by_name["ImagesService"]
CALLERS = {
    "GetImage": rpc.users("images:read"),
    "DeleteImage": rpc.ANY_USER,
    "Upscale": rpc.ANY_USER,
    "StopWork": rpc.services("inference"),
    "ListImages": rpc.EVERYONE,
}


class RpcHarness:
    """A running server, and stubs for its callers."""

    def __init__(self, issuer: TokenIssuer, port: int, server: asyncio.Task[None]) -> None:
        self.port = port
        self._issuer = issuer
        self._server = server
        self._channels: list[Channel] = []

    def with_token(self, token: str) -> "ImagesServiceAsyncStub":
        return self._stub(Channel(f"127.0.0.1:{self.port}", SERVICE, always(token)))

    def without_token(self) -> "ImagesServiceAsyncStub":
        return self._stub(Channel(f"127.0.0.1:{self.port}", SERVICE))

    @property
    def stub(self) -> "ImagesServiceAsyncStub":
        """Return a stub for a user with all abilities that the methods require."""
        return self.with_token(self._issuer.user(7, "images:read"))

    async def stop(self) -> None:
        self._server.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._server

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
        await self.stop()

    def _stub(self, channel: Channel) -> "ImagesServiceAsyncStub":
        self._channels.append(channel)
        return images_pb2_grpc.ImagesServiceStub(channel.grpc)


class Serve(Protocol):
    async def __call__(
        self, calls_per_user: int = ..., **methods: Callable[..., Awaitable[object]]
    ) -> RpcHarness: ...


async def serve_methods(
    issuer: TokenIssuer,
    methods: Mapping[str, Callable[..., Awaitable[object]]],
    calls_per_user: int = sys.maxsize,
) -> RpcHarness:
    servicer = images_pb2_grpc.ImagesServiceServicer()  # pyright: ignore[reportAbstractUsage]
    for name, method in methods.items():
        setattr(servicer, name, method)
    server = rpc.Server(Verifier("images", issuer.jwks), CALLERS, calls_per_user=calls_per_user)
    images_pb2_grpc.add_ImagesServiceServicer_to_server(servicer, server.grpc)
    port = server.bind("127.0.0.1:0")
    images = RpcHarness(issuer, port, asyncio.create_task(server.serve()))
    await _wait_until_ready(port)
    return images


async def _wait_until_ready(port: int) -> None:
    channel = Channel(f"127.0.0.1:{port}", SERVICE)
    await channel.ready()
    await channel.close()
