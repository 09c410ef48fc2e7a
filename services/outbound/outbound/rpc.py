"""The gRPC service. Each method decodes a request, calls the domain in a transaction, and encodes."""

import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime

from common import errors, rpc
from common.db import Sessions
from loupe import refusals
from loupe.contract import ABILITIES, WEBHOOK_TEST
from loupe.outbound.v1 import outbound_pb2 as pb
from loupe.outbound.v1 import outbound_pb2_grpc
from loupe.settings.v1.settings_pb2 import Setting
from outbound.addresses import Addresses
from outbound.convert import to_delivery, to_secret, to_webhook
from outbound.domain import delivery_log, failing, fan_out, signing_secrets, webhooks
from outbound.fetches import Fetches
from outbound.signing import Cipher, new_secret
from outbound.tables import Delivery

CALLERS = {
    "CreateWebhook": rpc.ANY_USER,
    "ListWebhooks": rpc.users("user:read"),
    "GetWebhook": rpc.users("user:read"),
    "UpdateWebhook": rpc.ANY_USER,
    "DeleteWebhook": rpc.ANY_USER,
    "TestWebhook": rpc.ANY_USER,
    "RotateSecret": rpc.ANY_USER,
    "GetAccountSecret": rpc.ANY_USER,
    "RotateAccountSecret": rpc.ANY_USER,
    "ListDeliveries": rpc.users("user:read"),
    "ReplayDelivery": rpc.ANY_USER,
    "Fetch": rpc.Callers(ability="images:write", services=frozenset({"images"})),
    "CheckLinks": rpc.users("images:write"),
    "CheckAddress": rpc.users("images:write"),
    "ListFailingWebhooks": rpc.OPERATORS,
    "RedriveWebhook": rpc.OPERATORS,
    "GetSettings": rpc.OPERATORS,
}
"""Methods that change something or read a secret need all abilities: see `owner`."""


def owner() -> int:
    """Return the caller's id. Refuse a token that lacks an ability."""
    principal = rpc.principal()
    for ability in ABILITIES:
        if ability not in principal.abilities:
            raise errors.refused(refusals.MISSING_ABILITY, ability=ability)
    return principal.user_id


class OutboundService(outbound_pb2_grpc.OutboundServiceServicer):
    def __init__(
        self,
        sessions: Sessions,
        addresses: Addresses,
        fetches: Fetches,
        cipher: Cipher,
        now: Callable[[], datetime],
        settings: Sequence[Setting] = (),
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._addresses = addresses
        self._fetches = fetches
        self._cipher = cipher
        self._now = now

    def Fetch(self, request: pb.FetchRequest, context: rpc.Context) -> AsyncGenerator[pb.FetchResponse]:
        return self._fetches.fetch(request.url, request.field)

    async def CreateWebhook(
        self, request: pb.CreateWebhookRequest, context: rpc.Context
    ) -> pb.CreateWebhookResponse:
        user_id, secret = owner(), request.secret or new_secret()
        address = await self._addresses.check(
            request.url,
            webhooks.problems_of(types=request.types, description=request.description, secret=request.secret),
        )
        async with self._sessions.begin() as session:
            webhook = await webhooks.add(
                session,
                user_id,
                address,
                types=request.types,
                description=request.description,
                is_enabled=not request.is_disabled,
                encrypted_secret=self._cipher.encrypt(secret),
                now=self._now(),
            )
        return pb.CreateWebhookResponse(webhook=to_webhook(webhook), secret=secret)

    async def ListWebhooks(
        self, request: pb.ListWebhooksRequest, context: rpc.Context
    ) -> pb.ListWebhooksResponse:
        async with self._sessions.begin() as session:
            found = await webhooks.list_all(session, rpc.principal().user_id)
        return pb.ListWebhooksResponse(webhooks=map(to_webhook, found))

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: rpc.Context) -> pb.GetWebhookResponse:
        async with self._sessions.begin() as session:
            webhook = await webhooks.get(session, rpc.principal().user_id, request.id)
        return pb.GetWebhookResponse(webhook=to_webhook(webhook))

    async def UpdateWebhook(
        self, request: pb.UpdateWebhookRequest, context: rpc.Context
    ) -> pb.UpdateWebhookResponse:
        user_id = owner()
        async with self._sessions.begin() as session:
            await webhooks.get(session, user_id, request.id)
        types: Sequence[str] | None = request.types.names if request.HasField("types") else None
        problems = webhooks.problems_of(types=types or (), description=request.description)
        address = await self._addresses.check(request.url, problems, is_needed=request.HasField("url"))
        async with self._sessions.begin() as session:
            webhook = await webhooks.change(
                session,
                user_id,
                request.id,
                address=address if request.HasField("url") else None,
                types=types,
                description=request.description if request.HasField("description") else None,
                is_enabled=request.is_enabled if request.HasField("is_enabled") else None,
                now=self._now(),
            )
        return pb.UpdateWebhookResponse(webhook=to_webhook(webhook))

    async def DeleteWebhook(
        self, request: pb.DeleteWebhookRequest, context: rpc.Context
    ) -> pb.DeleteWebhookResponse:
        async with self._sessions.begin() as session:
            await webhooks.remove(session, owner(), request.id, self._now())
        return pb.DeleteWebhookResponse()

    async def TestWebhook(
        self, request: pb.TestWebhookRequest, context: rpc.Context
    ) -> pb.TestWebhookResponse:
        user_id, now = owner(), self._now()
        event = fan_out.Event(
            id=str(uuid.uuid4()),
            type=WEBHOOK_TEST,
            user_id=user_id,
            occurred_at=now,
            webhook_id=request.id,
        )
        async with self._sessions.begin() as session:
            webhook = await webhooks.get_enabled(session, user_id, request.id)
            delivery_id = await fan_out.add_test(session, webhook, event, now)
            delivery = await session.get_one(Delivery, delivery_id)
        return pb.TestWebhookResponse(delivery=to_delivery(delivery))

    async def RotateSecret(
        self, request: pb.RotateSecretRequest, context: rpc.Context
    ) -> pb.RotateSecretResponse:
        secret = webhooks.checked_secret(request.secret) or new_secret()
        async with self._sessions.begin() as session:
            webhook = await webhooks.get(session, owner(), request.id, for_update=True)
            await signing_secrets.rotate(session, webhook, self._cipher.encrypt(secret), self._now())
        return pb.RotateSecretResponse(secret=to_secret(webhook, secret))

    async def GetAccountSecret(
        self, request: pb.GetAccountSecretRequest, context: rpc.Context
    ) -> pb.GetAccountSecretResponse:
        async with self._sessions.begin() as session:
            row = await signing_secrets.of_account(session, owner(), self._cipher, self._now())
        return pb.GetAccountSecretResponse(secret=to_secret(row, self._cipher.decrypt(row.secret)))

    async def RotateAccountSecret(
        self, request: pb.RotateAccountSecretRequest, context: rpc.Context
    ) -> pb.RotateAccountSecretResponse:
        secret = webhooks.checked_secret(request.secret) or new_secret()
        async with self._sessions.begin() as session:
            row = await signing_secrets.of_account(session, owner(), self._cipher, self._now())
            await signing_secrets.rotate(session, row, self._cipher.encrypt(secret), self._now())
        return pb.RotateAccountSecretResponse(secret=to_secret(row, secret))

    async def ListDeliveries(
        self, request: pb.ListDeliveriesRequest, context: rpc.Context
    ) -> pb.ListDeliveriesResponse:
        async with self._sessions.begin() as session:
            found, total = await delivery_log.page(
                session,
                rpc.principal().user_id,
                request.webhook_id,
                number=request.page,
                size=request.per_page,
                status=request.status,
                kind=request.type,
            )
        return pb.ListDeliveriesResponse(deliveries=map(to_delivery, found), total=total)

    async def ReplayDelivery(
        self, request: pb.ReplayDeliveryRequest, context: rpc.Context
    ) -> pb.ReplayDeliveryResponse:
        async with self._sessions.begin() as session:
            delivery = await delivery_log.replay(session, owner(), request.id, self._now())
        return pb.ReplayDeliveryResponse(delivery=to_delivery(delivery))

    async def CheckAddress(
        self, request: pb.CheckAddressRequest, context: rpc.Context
    ) -> pb.CheckAddressResponse:
        address = await self._addresses.check(request.url, field="webhook_url")
        return pb.CheckAddressResponse(url=address.url)

    async def GetSettings(
        self, request: pb.GetSettingsRequest, context: rpc.Context
    ) -> pb.GetSettingsResponse:
        return pb.GetSettingsResponse(settings=self._settings)

    async def CheckLinks(self, request: pb.CheckLinksRequest, context: rpc.Context) -> pb.CheckLinksResponse:
        problems = await self._addresses.problems_of(request.urls, request.field)
        return pb.CheckLinksResponse(problems=problems)

    async def ListFailingWebhooks(
        self, request: pb.ListFailingWebhooksRequest, context: rpc.Context
    ) -> pb.ListFailingWebhooksResponse:
        async with self._sessions.begin() as session:
            found = await failing.list_failing(session, request.limit)
        return pb.ListFailingWebhooksResponse(
            webhooks=[
                pb.FailingWebhook(
                    webhook=to_webhook(each.webhook),
                    user_id=each.webhook.user_id,
                    waiting=each.waiting,
                    last_outcome=each.last_outcome,
                )
                for each in found
            ]
        )

    async def RedriveWebhook(
        self, request: pb.RedriveWebhookRequest, context: rpc.Context
    ) -> pb.RedriveWebhookResponse:
        async with self._sessions.begin() as session:
            count = await failing.redrive(session, request.id, self._now())
        return pb.RedriveWebhookResponse(deliveries=count)
