"""Connections to the services behind the gateway, with stubs that call them as the gateway or as a user."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from common.channel import Channel, Metadata, TokenSource
from common.credentials import Credentials
from common.rpc import TOKEN_KEY
from gateway.settings import Settings
from loupe.auth.v1 import auth_pb2, auth_pb2_grpc
from loupe.billing.v1 import billing_pb2, billing_pb2_grpc
from loupe.images.v1 import images_pb2, images_pb2_grpc
from loupe.outbound.v1 import outbound_pb2, outbound_pb2_grpc

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub
    from loupe.outbound.v1.outbound_pb2_grpc import OutboundServiceAsyncStub

SERVICES: dict[str, tuple[ServiceDescriptor, Callable[[grpc.aio.Channel], Any]]] = {
    "auth": (auth_pb2.DESCRIPTOR.services_by_name["AuthService"], auth_pb2_grpc.AuthServiceStub),
    "billing": (
        billing_pb2.DESCRIPTOR.services_by_name["BillingService"],
        billing_pb2_grpc.BillingServiceStub,
    ),
    "images": (images_pb2.DESCRIPTOR.services_by_name["ImagesService"], images_pb2_grpc.ImagesServiceStub),
    "outbound": (
        outbound_pb2.DESCRIPTOR.services_by_name["OutboundService"],
        outbound_pb2_grpc.OutboundServiceStub,
    ),
}
"""The descriptor and stub of each service, by the name that settings, tokens and `Services` use."""


@dataclass(frozen=True, slots=True)
class Services:
    """A stub for each service. All of their calls are made by the same caller."""

    auth: "AuthServiceAsyncStub"
    billing: "BillingServiceAsyncStub"
    images: "ImagesServiceAsyncStub"
    outbound: "OutboundServiceAsyncStub"


class Connections:
    """Channels to all services. They connect in the background. Until then calls fail as unavailable."""

    def __init__(self, settings: Settings) -> None:
        credentials = Credentials(settings.auth_target, "gateway", settings.client_secret, tls=settings.tls)

        def channel(name: str, token: TokenSource | None = None) -> Channel:
            target = getattr(settings, f"{name}_target")
            return Channel(target, SERVICES[name][0], token, tls=settings.tls)

        self.channels = {name: channel(name) for name in SERVICES}
        self._own_channels = {name: channel(name, credentials.token_for(name)) for name in SERVICES}
        self.as_gateway = _stubs(self._own_channels)
        self._without_token = _stubs(self.channels)

    def as_user(self, internal_tokens: Mapping[str, str]) -> Services:
        """Return stubs that call in a user's name. `internal_tokens` has one token for each service that auth
        knows. Another one refuses the call.
        """
        stubs: dict[str, Any] = {
            name: _StubWithToken(getattr(self._without_token, name), internal_tokens.get(name, ""))
            for name in SERVICES
        }
        return Services(**stubs)

    async def close(self) -> None:
        for channel in (*self.channels.values(), *self._own_channels.values()):
            await channel.close()


class _StubWithToken:
    """Passes every call on to a shared stub, and adds a token.

    A stub for each user would cost more, because a stub creates an object for each method of its service.
    """

    __slots__ = ("_metadata", "_stub")

    def __init__(self, stub: object, token: str) -> None:
        self._stub = stub
        self._metadata = ((TOKEN_KEY, token),)

    def __getattr__(self, method: str) -> Any:
        return functools.partial(self._call, getattr(self._stub, method))

    def _call(
        self, call: Callable[..., Any], *arguments: Any, metadata: Metadata = (), **options: Any
    ) -> Any:
        return call(*arguments, metadata=(*self._metadata, *metadata), **options)


def _stubs(channels: Mapping[str, Channel]) -> Services:
    stubs: dict[str, Any] = {name: stub(channels[name].grpc) for name, (_, stub) in SERVICES.items()}
    return Services(**stubs)
