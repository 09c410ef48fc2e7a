"""Outbound's servicer and deliverer, stubs for its callers, a clock for tests, and access to its tables."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from common import rpc
from common.channel import Channel
from common.db import Sessions
from common.identity import Verifier
from loupe.contract import ABILITIES
from loupe.images.v1 import images_pb2, images_pb2_grpc
from loupe.outbound.v1 import outbound_pb2 as pb
from loupe.outbound.v1 import outbound_pb2_grpc
from outbound.addresses import Addresses
from outbound.deliverer import Deliverer
from outbound.domain import attempts, delivery_log
from outbound.domain.attempts import Claim
from outbound.events import ClientEvents
from outbound.fetches import Fetches
from outbound.guard.client import Client
from outbound.guard.policy import to_policy
from outbound.rpc import CALLERS, OutboundService
from outbound.settings import Settings
from outbound.signing import Cipher
from tests.database import Tables
from tests.internal_tokens import TokenIssuer, always

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub
    from loupe.outbound.v1.outbound_pb2_grpc import OutboundServiceAsyncStub

JANE, OMAR = 7, 8
IMAGE: dict[str, Any] = {"image_id": 42}
POLICY = to_policy(["127.0.0.0/8"], ports=["1-65535"], http_is_allowed=True)
CIPHER = Cipher("a secret of tests that is long enough")
SETTINGS: dict[str, Any] = {
    "database_url": "unused",
    "nats_url": "unused",
    "auth_target": "unused",
    "images_target": "127.0.0.1:1",
    "client_secret": "unused",
    "secret": "a secret of tests that is long enough",
}

FETCH_SECONDS = 3.0
"""Time of a fetch. A test that must not end by it is done long before."""


class Clock:
    """A clock that starts a while ago, and moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


class OutboundHarness(Tables):
    """Outbound as its callers use it. A test decides when deliveries are made."""

    def __init__(self, sessions: Sessions, clock: Clock, issuer: TokenIssuer, port: int) -> None:
        self.sessions = sessions
        self.clock = clock
        self._issuer = issuer
        self._port = port
        self._channels: list[Channel] = []
        self.operator = self.service("operator")
        self.events = ClientEvents(sessions, self._images(), clock)
        self.deliverer = self.another_deliverer()

    def another_deliverer(self, **settings: Any) -> Deliverer:
        """Return a deliverer, as a further process has one. No images answers it."""
        return Deliverer(
            self.sessions,
            self._images(),
            Client(POLICY),
            CIPHER,
            Settings(**(SETTINGS | settings)),
            self.clock,
        )

    def _images(self) -> "ImagesServiceAsyncStub":
        """Return a stub of images that is unavailable."""
        service = images_pb2.DESCRIPTOR.services_by_name["ImagesService"]
        channel = Channel("127.0.0.1:1", service)
        self._channels.append(channel)
        return images_pb2_grpc.ImagesServiceStub(channel.grpc)

    def user(self, user_id: int = JANE, *abilities: str) -> "OutboundServiceAsyncStub":
        """Return a stub that calls for a user, by default with all abilities."""
        return self._stub(self._issuer.user(user_id, *(abilities or ABILITIES), audience="outbound"))

    def service(self, name: str) -> "OutboundServiceAsyncStub":
        return self._stub(self._issuer.service(name, "outbound"))

    async def create(
        self, url: str = "http://127.0.0.1:9/hook", *types: str, user_id: int = JANE, **values: Any
    ) -> pb.CreateWebhookResponse:
        """Create a webhook, by default for all types of events."""
        request = pb.CreateWebhookRequest(url=url, types=types, **values)
        return await self.user(user_id).CreateWebhook(request)

    async def get(self, webhook_id: int, user_id: int = JANE) -> pb.Webhook:
        return (await self.user(user_id).GetWebhook(pb.GetWebhookRequest(id=webhook_id))).webhook

    async def send_test(self, webhook_id: int, user_id: int = JANE) -> pb.Delivery:
        request = pb.TestWebhookRequest(id=webhook_id)
        return (await self.user(user_id).TestWebhook(request)).delivery

    async def log(self, webhook_id: int, user_id: int = JANE, **values: Any) -> list[pb.Delivery]:
        """Return the first page of a webhook's deliveries."""
        request = pb.ListDeliveriesRequest(webhook_id=webhook_id, page=1, per_page=100, **values)
        return list((await self.user(user_id).ListDeliveries(request)).deliveries)

    async def happen(
        self, kind: str, user_id: int = JANE, *, event_id: str = "", webhook_url: str = "", **ids: Any
    ) -> str:
        """Consume an event as the broker delivers it, and return its id."""
        event = images_pb2.ClientEvent(
            id=event_id or str(uuid.uuid4()),
            type=kind,
            user_id=user_id,
            webhook_url=webhook_url,
            **(ids or IMAGE),
        )
        event.occurred_at.FromDatetime(self.clock.now)
        await self.events.fan_out(event.SerializeToString())
        return event.id

    async def happen_about_webhook(self, webhook_id: int, user_id: int = JANE) -> str:
        """Add an event for this webhook that can be sent without images. Return its id."""
        return (await self.send_test(webhook_id, user_id)).event_id

    async def enable(self, webhook_id: int, *, is_enabled: bool = True) -> None:
        await self.user().UpdateWebhook(pb.UpdateWebhookRequest(id=webhook_id, is_enabled=is_enabled))

    async def delete(self, webhook_id: int) -> None:
        await self.user().DeleteWebhook(pb.DeleteWebhookRequest(id=webhook_id))

    async def claim(self, *, most_per_host: int = 64) -> Claim | None:
        """Claim a delivery as a process does that dies before its end. None if none may be made now."""
        is_due, claim = True, None
        while is_due and claim is None:
            async with self.sessions.begin() as session:
                is_due, claim = await attempts.claim_next(
                    session, CIPHER, self.clock(), lease=timedelta(seconds=60), most_per_host=most_per_host
                )
        return claim

    async def clean(self) -> None:
        """Delete what is too old for the log."""
        async with self.sessions.begin() as session:
            await delivery_log.delete_old(session, self.clock(), timedelta(days=30))

    async def published(self, subject: str, kind: type[Message]) -> list[Any]:
        """Return the events with this subject that are in the outbox."""
        rows = await self.rows("SELECT payload FROM outbox WHERE subject = :subject", subject=subject)
        return [kind.FromString(payload) for (payload,) in rows]

    async def publish_outbox(self) -> None:
        """Consume the events for clients that are in the outbox, as the broker delivers them."""
        for (payload,) in await self.rows("SELECT payload FROM outbox WHERE subject LIKE 'events.%'"):
            await self.events.fan_out(payload)

    async def deliver(self, deliverer: Deliverer | None = None) -> None:
        """Make all deliveries that are due now, also those that find room only when others have ended."""
        worker = deliverer or self.deliverer
        has_started = True
        while has_started:
            has_started = False
            while await worker.start_next():
                has_started = has_started or bool(worker.under_way)
            await worker.finish_started()

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
async def running(sessions: Sessions, clock: Clock) -> AsyncGenerator[OutboundHarness]:
    issuer = TokenIssuer()
    server = rpc.Server(Verifier("outbound", issuer.jwks), CALLERS)
    servicer = OutboundService(
        sessions, Addresses(POLICY), Fetches(Client(POLICY), FETCH_SECONDS), CIPHER, clock
    )
    outbound_pb2_grpc.add_OutboundServiceServicer_to_server(servicer, server.grpc)
    outbound = OutboundHarness(sessions, clock, issuer, server.bind("127.0.0.1:0"))
    serving = asyncio.create_task(server.serve())
    await outbound.ready()
    try:
        yield outbound
    finally:
        await outbound.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
